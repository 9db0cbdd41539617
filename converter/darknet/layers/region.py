"""YOLOv2's head: [region]."""

import math
from typing import Any, ClassVar

from converter.darknet.dialects import DIALECTS, DialectName
from converter.darknet.layers import tree
from converter.darknet.layers.base import Graph, Misfit, Shape, Tensor, at_least
from converter.darknet.layers.cells import Functions, Values, by_anchor, in_torch
from converter.darknet.layers.heads import MAX_ANCHORS, AnchorHead, by_cell_onnx
from converter.records import dataclass


@dataclass(frozen=True, kw_only=True)
class Region(AnchorHead):
    """YOLOv2's output layer: pj region_layer.c, parser.c:353; AB region_layer.c, parser.c:666.

    ``anchors`` are (width, height) pairs in cells.
    """

    type: ClassVar[str] = "region"
    left_out: ClassVar[tuple[str, ...]] = ("anchors",)
    in_cells: ClassVar[bool] = True

    coords: int = 4
    num: int = 1
    softmax: int = 0
    background: int = 0
    classfix: int = 0
    anchors: tuple[float, ...] = ()
    tree: str = ""

    def infer(self, *shapes: Shape) -> Shape:
        """(num * (coords + 1 + classes), h, w), unchanged: the assert of pj parser.c:360."""
        shape = shapes[0].require_image()
        at_least(0, classes=self.classes)
        at_least(1, num=self.num)
        at_least(2, coords=self.coords)
        if self.num > MAX_ANCHORS:
            raise Misfit(f"num={self.num} is more than {MAX_ANCHORS} anchors")
        wanted = self.channels(self.classes)
        if shape.c != wanted:
            raise Misfit(
                f"classes={self.classes}, coords={self.coords} and num={self.num} need {wanted}"
                f" channels, the layer before it has {shape.c}"
            )
        return shape

    def obstacle(self, shapes: tuple[Shape, ...], dialect: DialectName) -> str | None:
        """Boxes that AlexeyAB's engine cannot have, and a tree that is not there."""
        if DIALECTS[dialect].region_by_cell and self.coords != 4:  # AB region_layer.c:198
            return f"coords={self.coords}: AlexeyAB's engine looks for the objectness after four"
        return tree.obstacle(self.tree, self.classes) if self.tree else None

    def forward(self, m: Any, *inputs: Tensor) -> Tensor:
        """(N, num * (coords + 1 + classes), h, w) -> the same: pj region_layer.c:158, AB :187.

        AB leaves x and y to the boxes, and moves the values: cell by cell, in it anchor by anchor,
        in it box, objectness, classes.
        """
        if not DIALECTS[m.dialect].region_by_cell:
            return super().forward(m, *inputs)
        f, x = in_torch(), by_anchor(inputs[0], self.num)
        values = x.flatten(3).permute(0, 3, 1, 2)  # (N, cell, anchor, value)
        scores = self._scores(values[..., self.coords :], m.dialect, f)
        moved: Tensor = f.joined([values[..., : self.coords], scores])
        return moved.reshape(inputs[0].shape)

    def activated(self, values: Values, dialect: DialectName, f: Functions) -> Values:
        """Logistic x, y and objectness; softmax of the classes, softmax by ``tree``, or neither.

        Then pj makes them logistic.
        """
        others = values[..., 2 : self.coords]
        scores = self._scores(values[..., self.coords :], dialect, f)
        return f.joined([f.logistic(values[..., :2]), others, scores])

    def _scores(self, raw: Values, dialect: DialectName, f: Functions) -> Values:
        """(..., 1 + classes) objectness and classes; ``background`` is one of them."""
        if self.background and self.softmax and not self.tree:
            return f.softmax(raw)
        objectness, classes = raw[..., :1], raw[..., 1:]
        if self.tree:
            classes = tree.softmax(classes, tree.group_sizes(self.tree), -1)
        elif self.softmax:
            classes = f.softmax(classes)
        elif DIALECTS[dialect].region_logistic:
            classes = f.logistic(classes)
        return f.joined([objectness if self.background else f.logistic(objectness), classes])

    def onnx(self, g: Graph, shapes: tuple[Shape, ...], *inputs: str) -> str:
        """(N, num * (coords + 1 + classes), h, w) -> the same."""
        if not DIALECTS[g.dialect].region_by_cell:
            return super().onnx(g, shapes, *inputs)
        (x,), (shape,) = inputs, shapes
        parts = self.activated_onnx(g, by_cell_onnx(g, x, self.num, shape.c))
        return g.fold(g.add("Concat", *parts, axis=3), (shape.c, shape.h, shape.w), x)

    def activated_onnx(self, g: Graph, values: str) -> tuple[str, ...]:
        """Centre (x and y); w and h and further values; objectness and classes."""
        xy, others = g.slice(values, 3, 0, 2), g.slice(values, 3, 2, self.coords)
        if not DIALECTS[g.dialect].region_by_cell:
            xy = g.add("Sigmoid", xy)
        raw = g.slice(values, 3, self.coords, self.coords + 1 + self.classes)
        return xy, others, self._scores_onnx(g, raw)

    def _scores_onnx(self, g: Graph, raw: str) -> str:
        if self.background and self.softmax and not self.tree:
            return g.add("Softmax", raw, axis=3)
        objectness, classes = g.slice(raw, 3, 0, 1), g.slice(raw, 3, 1, 1 + self.classes)
        if self.tree:
            classes = tree.softmax_onnx(g, classes, tree.group_sizes(self.tree), 3)
        elif self.softmax:
            classes = g.add("Softmax", classes, axis=3)
        elif DIALECTS[g.dialect].region_logistic:
            classes = g.add("Sigmoid", classes)
        if not self.background:
            objectness = g.add("Sigmoid", objectness)
        return g.add("Concat", objectness, classes, axis=3)

    @property
    def objectness(self) -> int:
        """After the box."""
        return self.coords

    @property
    def channels_per_class(self) -> int | None:
        """One for each anchor; a word tree fixes the classes."""
        return None if self.tree else self.num

    def boxes_problem(self, dialect: DialectName) -> str | None:
        """A word tree, or an option of one engine that is not done here."""
        if self.tree:
            return f"sorts its classes by a word tree ({self.tree}), which is not done here"
        if self.classfix == -1 and DIALECTS[dialect].region_classfix:
            return "has classfix=-1, which is not done here"
        return super().boxes_problem(dialect)

    def export_problem(self) -> str | None:
        """Options with which it reads its values in another way."""
        if self.tree:
            return f"sorts its classes by a word tree ({self.tree})"
        if self.background:
            return "has a background class (background=1)"
        return None if self.coords == 4 else f"has coords={self.coords}, and boxes have 4"

    def least(self, threshold: float) -> float:
        """With a background class every box counts: pj region_layer.c:402.

        So it does in AB, where that matters only without softmax, since a class may be above 1
        then: region_layer.c:420.
        """
        every = self.background or not (self.softmax or self.tree)
        return -math.inf if every else threshold

    def described(self, values: Values) -> tuple[Values, Values, Values]:
        """With a background class the classes are the scores: pj region_layer.c:402."""
        xy, wh, scores = super().described(values)
        return xy, wh, values[..., self.coords + 1 :] if self.background else scores
