"""From raw maps to boxes, as Darknet's heads read them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple, TypeAlias

import torch

from converter.darknet.dialects import DEFAULT, DIALECTS, DialectName
from converter.darknet.layers import container
from converter.darknet.layers.heads import Detection, GaussianYolo, Region, Yolo
from converter.darknet.network import Node
from converter.errors import NetworkError

# For M boxes: their picture (M,), the boxes (M, 4) as centre x, centre y, width, height in parts of
# the network's input, and objectness times class score (M, classes). In float64 on the CPU, since C
# computes with exp and pow in double, and the rest is a few boxes.
Boxes: TypeAlias = tuple[torch.Tensor, torch.Tensor, torch.Tensor]


def need_boxes(heads: Sequence[Node], dialect: DialectName) -> None:
    """Refuse heads that give no boxes, or none that could be trusted.

    Raises:
        NetworkError: naming the first.
    """
    for head in heads:
        layer, problem = head.layer, None
        if type(layer) not in _READERS:
            problem = "gives no boxes"
        elif isinstance(layer, Region) and layer.tree:
            problem = f"sorts its classes by a word tree ({layer.tree}), which is not done here"
        elif (
            isinstance(layer, Region) and layer.classfix == -1 and DIALECTS[dialect].region_classfix
        ):
            problem = "has classfix=-1, which is not done here"  # AB region_layer.c:389
        elif isinstance(layer, Detection) and layer.coords != 4:
            problem = f"has coords={layer.coords}, but Darknet reads four values a box"
        if problem:
            raise NetworkError(
                problem,
                place=head.place,
                remedy="boxes come from [yolo], [Gaussian_yolo], [region] and [detection];"
                " for a classifier there is yolov3.classify",
            )


def decode(
    heads: Sequence[Node], maps: Sequence[torch.Tensor], size: tuple[int, int], threshold: float
) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """The boxes of each picture, before any is dropped for its overlap with another.

    A box counts if its objectness is above ``threshold``, a class of it if objectness times class
    score is (pj yolo_layer.c:326, AB yolo_layer.c:1103).

    Args:
        heads: the network's heads in file order.
        maps: what each of them gets: (N, channels, h, w) or (N, outputs).
        size: (height, width) of the network's input in pixels.
        threshold: 0..1.

    Yields:
        For each of the N pictures: boxes (M, 4), float64 on the CPU, as centre x, centre y, width,
        height in parts of the network's input, and probabilities (M, classes), 0 where they are
        not above ``threshold``. Boxes stand in file order of their heads, cell by cell, anchor by
        anchor.

    Raises:
        NetworkError: a map is not finite.
    """
    found = [
        _read(head, raw.float(), size, threshold) for head, raw in zip(heads, maps, strict=True)
    ]
    for picture in range(len(maps[0])):
        mine = [(boxes[at == picture], scores[at == picture]) for at, boxes, scores in found]
        scores = torch.cat([scores for _, scores in mine])
        yield torch.cat([boxes for boxes, _ in mine]), scores.where(scores > threshold, 0.0)


def _read(head: Node, raw: torch.Tensor, size: tuple[int, int], threshold: float) -> Boxes:
    if not raw.isfinite().all():
        raise NetworkError(
            "gets values that are infinite or no numbers",
            place=head.place,
            remedy="the weights are damaged, or not for this network",
        )
    # AB's [region] computes what pj's does, but leaves x and y for later and stores it elsewhere.
    values = head.layer.forward(container({}, DEFAULT), raw)
    return _READERS[type(head.layer)](head.layer, values, size, threshold)


class _Cells(NamedTuple):
    """The boxes whose objectness is above the threshold."""

    picture: torch.Tensor  # (M,)
    place: torch.Tensor  # (M, 2): column and row
    anchor: torch.Tensor  # (M,)
    values: torch.Tensor  # (M, values)
    grid: torch.Tensor  # (2,): columns and rows

    def boxes(self, xy: torch.Tensor, wh: torch.Tensor) -> torch.Tensor:
        """(M, 4), of offsets in the cell and of sizes in parts of the input: pj yolo_layer.c:83."""
        return torch.cat([(self.place + xy) / self.grid, wh], 1)


def _sure(values: torch.Tensor, anchors: int, objectness: int, threshold: float) -> _Cells:
    """Pick from (N, anchors * values, h, w) by the value number ``objectness``."""
    v = values.reshape(values.shape[0], anchors, -1, *values.shape[2:])
    sure = (v[:, :, objectness] > threshold).permute(0, 2, 3, 1)
    picture, row, column, anchor = sure.nonzero().unbind(1)
    return _Cells(
        picture.cpu(),
        torch.stack([column, row], 1).cpu(),
        anchor.cpu(),
        v[picture, anchor, :, row, column].double().cpu(),
        torch.tensor([v.shape[4], v.shape[3]], dtype=torch.float64),
    )


def _yolo(layer: Yolo, values: torch.Tensor, size: tuple[int, int], threshold: float) -> Boxes:
    cells = _sure(values, len(layer.used_mask), 4, threshold)
    v = cells.values
    # new_coords: AB yolo_layer.c:138
    wh = v[:, 2:4].square() * 4 if layer.new_coords else v[:, 2:4].exp()
    wh = wh * _anchors(layer.used_anchors)[cells.anchor] / _pixels(size)
    return cells.picture, cells.boxes(v[:, :2], wh), v[:, 4:5] * v[:, 5:]


def _gaussian_yolo(
    layer: GaussianYolo, values: torch.Tensor, size: tuple[int, int], threshold: float
) -> Boxes:
    """AB gaussian_yolo_layer.c:138, :795: a box counts less, the less sure its four sides are."""
    cells = _sure(values, len(layer.used_mask), 8, threshold)
    means, deviations = cells.values[:, 0:8:2], cells.values[:, 1:8:2]
    wh = means[:, 2:].exp() * _anchors(layer.used_anchors)[cells.anchor] / _pixels(size)
    boxes = cells.boxes(means[:, :2], wh)
    # Where the point lies in its box; anything else is its centre: AB parser.c:630.
    corner = {"left_top": 0.5, "right_bottom": -0.5}.get(layer.yolo_point, 0.0)
    boxes[:, :2] += corner * wh
    sure = cells.values[:, 8:9] * (1 - deviations.mean(1, keepdim=True))
    return cells.picture, boxes, sure * cells.values[:, 9:]


def _region(layer: Region, values: torch.Tensor, _: tuple[int, int], threshold: float) -> Boxes:
    """Anchors are in cells, not pixels: pj region_layer.c:80, :364, AB region_layer.c:99, :374."""
    # With a background class every box counts: pj region_layer.c:402.
    least = -torch.inf if layer.background else threshold
    cells = _sure(values, layer.num, layer.coords, least)
    v = cells.values
    sizes = [*layer.anchors, *[0.5] * (2 * layer.num)][: 2 * layer.num]
    wh = v[:, 2:4].exp() * _anchors(sizes)[cells.anchor] / cells.grid
    scores = v[:, layer.coords + 1 :]
    if not layer.background:
        scores = scores * v[:, layer.coords : layer.coords + 1]
    return cells.picture, cells.boxes(v[:, :2], wh), scores


def _detection(
    layer: Detection, values: torch.Tensor, _: tuple[int, int], threshold: float
) -> Boxes:
    """All values of a kind together, and objectness alone bars no box: pj detection_layer.c:225."""
    v, cells = values.double().cpu(), layer.side**2
    first, last = cells * layer.classes, cells * (layer.classes + layer.num)
    scores = v[:, :first].reshape(-1, cells, 1, layer.classes)
    scores = scores * v[:, first:last].reshape(-1, cells, layer.num, 1)
    boxes = v[:, last:].reshape(-1, cells, layer.num, 4)
    cell = torch.arange(cells)
    place = torch.stack([cell % layer.side, cell // layer.side], 1)[:, None]
    xy = (boxes[..., :2] + place) / layer.side
    wh = boxes[..., 2:].square() if layer.sqrt else boxes[..., 2:]
    picture, cell, box = (scores > threshold).any(3).nonzero().unbind(1)
    return picture, torch.cat([xy, wh], 3)[picture, cell, box], scores[picture, cell, box]


def _anchors(sizes: Sequence[Any]) -> torch.Tensor:
    """(anchors, 2) of pairs or of a flat list, rounded to float32 as Darknet keeps them."""
    return torch.tensor(sizes, dtype=torch.float32).reshape(-1, 2).double()


def _pixels(size: tuple[int, int]) -> torch.Tensor:
    height, width = size
    return torch.tensor([width, height], dtype=torch.float64)


_READERS: dict[type, Callable[[Any, torch.Tensor, tuple[int, int], float], Boxes]] = {
    Detection: _detection,
    GaussianYolo: _gaussian_yolo,
    Region: _region,
    Yolo: _yolo,
}
