"""From raw maps to boxes, as Darknet's heads read them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch

from converter.darknet.dialects import DEFAULT, DIALECTS, DialectName
from converter.darknet.layers.heads import Boxes, Head
from converter.darknet.nodes import Node
from converter.errors import NetworkError


def require_boxes(heads: Sequence[Node], dialect: DialectName) -> None:
    """Refuse heads that give no boxes, or none that could be trusted.

    Raises:
        NetworkError: naming the first.
    """
    for head in heads:
        problem = "gives no boxes"
        if isinstance(head.layer, Head):
            problem = head.layer.boxes_problem(dialect) or ""
        of = DIALECTS[dialect].boxes_of
        if of is not None and head.layer.type not in of:
            problem = f"{DIALECTS[dialect].engine} reports no boxes of [{head.layer.type}]"
        if problem:
            raise NetworkError(
                problem,
                place=head.place,
                remedy="boxes come from [yolo], [Gaussian_yolo], [region] and [detection];"
                " for a classifier there is yolov3.classify",
            )


def decode(
    heads: Sequence[Node],
    maps: Sequence[torch.Tensor],
    size: tuple[int, int],
    threshold: float,
    dialect: DialectName = DEFAULT,
) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """The boxes of each picture, before any is dropped for its overlap with another.

    A box counts if its objectness is above ``threshold``, a class of it if objectness times class
    score is (pj yolo_layer.c:326, AB yolo_layer.c:1103).

    Args:
        heads: the network's heads in file order.
        maps: what each of them gets: (N, channels, h, w) or (N, outputs).
        size: (height, width) of the network's input in pixels.
        threshold: 0..1.
        dialect: whose engine the maps are read as.

    Yields:
        For each of the N pictures: boxes (M, 4), float64 on the CPU, as centre x, centre y, width,
        height in parts of the network's input, and probabilities (M, classes), 0 where they are
        not above ``threshold``. Boxes stand in file order of their heads, cell by cell, anchor by
        anchor.

    Raises:
        NetworkError: a map is not finite.
    """
    found = [
        _read(head, raw.float(), size, threshold, dialect)
        for head, raw in zip(heads, maps, strict=True)
    ]
    for picture in range(len(maps[0])):
        mine = [(boxes[at == picture], scores[at == picture]) for at, boxes, scores in found]
        scores = torch.cat([scores for _, scores in mine])
        yield torch.cat([boxes for boxes, _ in mine]), scores.where(scores > threshold, 0.0)


def _read(
    head: Node, raw: torch.Tensor, size: tuple[int, int], threshold: float, dialect: DialectName
) -> Boxes:
    if not raw.isfinite().all():
        raise NetworkError(
            "gets values that are infinite or no numbers",
            place=head.place,
            remedy="the weights are damaged, or not for this network",
        )
    assert isinstance(head.layer, Head)  # require_boxes
    return head.layer.boxes(head.layer.values(raw, dialect), size, threshold)
