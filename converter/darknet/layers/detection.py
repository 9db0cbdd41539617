"""Heads without anchors: [detection] of YOLOv1, and [iseg]."""

from typing import Any, ClassVar

from converter.darknet.dialects import DialectName
from converter.darknet.layers.base import Graph, Misfit, Shape, Tensor, at_least
from converter.darknet.layers.cells import Functions, RawMap, Values, in_numpy, in_torch
from converter.darknet.layers.heads import Boxes, Head
from converter.records import dataclass


@dataclass(frozen=True, kw_only=True)
class Detection(Head):
    """YOLOv1's output layer: pj detection_layer.c, parser.c:405; AB detection_layer.c.

    For side x side cells, its values are the classes of every cell, then the scores of their
    ``num`` boxes, then these boxes.
    """

    type: ClassVar[str] = "detection"
    stretches: ClassVar[bool] = True  # pj examples/yolo.c:287

    classes: int = 1
    coords: int = 1
    num: int = 1
    side: int = 7
    softmax: int = 0
    sqrt: int = 0

    def infer(self, *shapes: Shape) -> Shape:
        """Only the count survives: pj detection_layer.c:28, AB :27, with their assert."""
        at_least(0, classes=self.classes)
        at_least(1, coords=self.coords, num=self.num, side=self.side)
        wanted = self.side**2 * ((1 + self.coords) * self.num + self.classes)
        if shapes[0].outputs != wanted:
            raise Misfit(f"needs {wanted} values, the layer before it has {shapes[0].outputs}")
        return Shape(wanted)

    def activated(self, x: Values, f: Functions) -> Values:
        """(N, outputs) -> the same, classes by softmax if asked for: pj detection_layer.c:50."""
        if not (self.softmax and self.classes):
            return x
        count = self.side**2 * self.classes
        scores = f.softmax(x[:, :count].reshape(x.shape[0], -1, self.classes))
        return f.joined([scores.reshape(x.shape[0], -1), x[:, count:]])

    def forward(self, m: Any, *inputs: Tensor) -> Tensor:
        """(N, ...) -> (N, outputs)."""
        values: Tensor = self.activated(inputs[0].flatten(1), in_torch())
        return values

    def onnx(self, g: Graph, shapes: tuple[Shape, ...], *inputs: str) -> str:
        """(N, ...) -> (N, outputs)."""
        x = g.add("Flatten", inputs[0], axis=1)
        if not (self.softmax and self.classes):
            return x
        count = self.side**2 * self.classes
        scores = g.reshape(g.slice(x, 1, 0, count), 0, -1, self.classes)
        scores = g.add("Flatten", g.add("Softmax", scores, axis=2), axis=1)
        return g.add("Concat", scores, g.slice(x, 1, count, shapes[0].outputs), axis=1)

    def boxes_problem(self, dialect: DialectName) -> str | None:
        """Boxes that are none."""
        if self.coords != 4:
            return f"has coords={self.coords}, but Darknet reads four values a box"
        return super().boxes_problem(dialect)

    def boxes(
        self, raw: RawMap, size: tuple[int, int], threshold: float, dialect: DialectName
    ) -> Boxes:
        """Objectness alone bars no box: pj detection_layer.c:225."""
        import numpy as np

        x = raw.fetch(raw.values)
        v = self.activated(x.reshape(len(x), -1), in_numpy()).astype(np.float64)
        cells = self.side**2
        first, last = cells * self.classes, cells * (self.classes + self.num)
        scores = v[:, :first].reshape(-1, cells, 1, self.classes)
        scores = scores * v[:, first:last].reshape(-1, cells, self.num, 1)
        boxes = v[:, last:].reshape(-1, cells, self.num, 4)
        row, column = np.divmod(np.arange(cells), self.side)
        xy = (boxes[..., :2] + np.stack([column, row], 1)[:, None]) / self.side
        wh = boxes[..., 2:] ** 2 if self.sqrt else boxes[..., 2:]
        picture, cell, box = np.nonzero((scores > threshold).any(3))
        return picture, np.concatenate([xy, wh], 3)[picture, cell, box], scores[picture, cell, box]


@dataclass(frozen=True, kw_only=True)
class Iseg(Head):
    """Instance segmentation: class maps, then ``ids`` embedding maps. pj iseg_layer.c."""

    type: ClassVar[str] = "iseg"

    ids: int = 32

    def infer(self, *shapes: Shape) -> Shape:
        """(classes + ids, h, w), unchanged: the assert of pj parser.c:349."""
        shape = shapes[0].require_image()
        at_least(0, classes=self.classes, ids=self.ids)
        if shape.c != self.classes + self.ids:
            raise Misfit(
                f"classes={self.classes} and ids={self.ids} are {self.classes + self.ids}"
                f" channels, the layer before it has {shape.c}"
            )
        return shape

    def forward(self, m: Any, *inputs: Tensor) -> Tensor:
        """(N, classes + ids, h, w) -> the same, classes logistic: pj iseg_layer.c:78."""
        import torch

        classes, ids = inputs[0].split_with_sizes((self.classes, self.ids), 1)
        return torch.cat([classes.sigmoid(), ids], 1)

    def onnx(self, g: Graph, shapes: tuple[Shape, ...], *inputs: str) -> str:
        """(N, classes + ids, h, w) -> the same."""
        count = self.classes
        classes = g.add("Sigmoid", g.slice(inputs[0], 1, 0, count))
        return g.add("Concat", classes, g.slice(inputs[0], 1, count, count + self.ids), axis=1)

    def boxes_problem(self, dialect: DialectName) -> str | None:
        """It has masks."""
        return "gives no boxes"
