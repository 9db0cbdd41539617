"""What an exported model computes: plain tensors in, a tuple of plain tensors out."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from converter.darknet.dialects import DEFAULT
from converter.darknet.layers import container
from converter.darknet.layers.heads import Region, Yolo
from converter.darknet.network import Network, Node
from converter.errors import NetworkError
from yolov3.backbone import Darknet53
from yolov3.base import FromDarknet
from yolov3.model import YOLOv3


class Maps(nn.Module):
    """A model whose list of maps is a tuple: ``names`` tell what is what.

    They are ``map0``, ``map1``, ... in the order of the model's own output, or ``logits`` for a
    ``Darknet53`` with a classifier.
    """

    def __init__(self, model: FromDarknet) -> None:
        super().__init__()
        self.model = model
        classifies = isinstance(model, Darknet53) and hasattr(model, "fc")
        count = model.levels if isinstance(model, Darknet53) else len(model.network.outputs)
        self.names = ["logits"] if classifies else [f"map{i}" for i in range(count)]

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """(N, channels, H, W) in 0..1 -> the maps."""
        if self.names == ["logits"] and isinstance(self.model, Darknet53):
            return (self.model.classify(x),)
        return tuple(self.model(x))


class Boxes(nn.Module):
    """A detector whose maps are decoded: all boxes, the likely and the unlikely.

    Only tensor operations of fixed size: no threshold, and no suppression of boxes that overlap.

    Raises:
        NetworkError: a head that is no [yolo], and no plain [region].
    """

    names = ("boxes", "scores")

    def __init__(self, model: FromDarknet) -> None:
        super().__init__()
        self.model = model
        outputs = model.network.outputs
        # The modular model's maps run fine to coarse, those of the file coarse to fine.
        ordered = outputs[::-1] if isinstance(model, YOLOv3) else outputs
        self.heads = nn.ModuleList(_Head(model.network, node) for node in ordered)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Pictures to boxes (N, M, 4) and scores (N, M, classes).

        Boxes are left, top, right, bottom in pixels of ``x``, not cut off at its edges; scores
        objectness times class probability. They stand in the order of the maps, row by row, cell by
        cell, anchor by anchor.
        """
        found = [head(raw) for head, raw in zip(self.heads, self.model(x), strict=True)]
        return torch.cat([boxes for boxes, _ in found], 1), torch.cat([s for _, s in found], 1)


class _Head(nn.Module):
    """Decodes one map: pj yolo_layer.c:83, region_layer.c:80; AB yolo_layer.c:138."""

    anchors: torch.Tensor
    stride: torch.Tensor

    def __init__(self, network: Network, node: Node) -> None:
        super().__init__()
        layer = node.layer
        if not isinstance(layer, Yolo | Region) or _odd(layer):
            raise NetworkError(
                "gives no boxes that can be exported",
                place=node.place,
                remedy="export its maps, without --boxes",
            )
        self.layer, self.activate = layer, container({}, DEFAULT)
        stride = [network.input.w / node.output.w, network.input.h / node.output.h]
        self.register_buffer("stride", torch.tensor(stride), persistent=False)
        self.register_buffer("anchors", _anchors(layer, stride), persistent=False)

    def forward(self, raw: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """(N, anchors * values, h, w) -> (N, M, 4), (N, M, classes)."""
        rows, columns = raw.shape[2:]
        values = self.layer.forward(self.activate, raw).flatten(2).transpose(1, 2)
        values = values.reshape(
            *values.shape[:2], len(self.anchors), -1
        )  # (N, cells, anchors, ...)
        xy, wh, scores = values[..., :2], values[..., 2:4], values[..., 4:5] * values[..., 5:]
        x = torch.arange(columns, dtype=raw.dtype, device=raw.device).expand(rows, columns)
        y = torch.arange(rows, dtype=raw.dtype, device=raw.device)[:, None].expand(rows, columns)
        place = torch.stack([x, y], 2).flatten(0, 1)[:, None]  # (cells, 1, 2)
        centre = (xy + place) * self.stride
        new = isinstance(self.layer, Yolo) and self.layer.new_coords
        half = (wh * wh * 4 if new else wh.exp()) * self.anchors / 2
        boxes = torch.cat([centre - half, centre + half], 3)
        return boxes.flatten(1, 2), scores.flatten(1, 2)


def _odd(layer: Yolo | Region) -> bool:
    """A [region] that reads its values in another way."""
    return isinstance(layer, Region) and bool(layer.tree or layer.background or layer.coords != 4)


def _anchors(layer: Yolo | Region, stride: Sequence[float]) -> torch.Tensor:
    """(anchors, 2) in pixels; a [region] has them in cells."""
    if isinstance(layer, Yolo):
        return torch.tensor(layer.used_anchors)
    sizes = [*layer.anchors, *[0.5] * (2 * layer.num)][: 2 * layer.num]
    return torch.tensor(sizes).reshape(-1, 2) * torch.tensor(stride)
