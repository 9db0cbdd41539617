"""What detection heads have in common: the questions that others ask of them.

A head is a layer that reads a raw map. Its classes, anchors and channels, how its values become
boxes, and its part of an exported graph are its own business, in its class.
"""

import typing
from collections.abc import Iterator, Sequence
from dataclasses import field
from typing import Any, ClassVar, TypeAlias

from converter.darknet.cfg import Section
from converter.darknet.dialects import DIALECTS, DialectName
from converter.darknet.layers.base import Graph, Layer, Misfit, Shape, Tensor, at_least
from converter.darknet.layers.cells import (
    MARGIN,
    Cells,
    Functions,
    RawMap,
    Values,
    by_anchor,
    in_numpy,
    in_torch,
    logit,
)
from converter.darknet.remark import Remark
from converter.records import dataclass

if typing.TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

MAX_ANCHORS = 1000  # the official cfgs have up to 21

# For M boxes: their picture (M,), the boxes (M, 4) as centre x, centre y, width, height in parts of
# the network's input, and objectness times class score (M, classes). In float64, since C computes
# with exp and pow in double, and the rest is a few boxes.
Boxes: TypeAlias = "tuple[NDArray[np.intp], NDArray[np.float64], NDArray[np.float64]]"


@dataclass(frozen=True, kw_only=True)
class Head(Layer):
    """A layer whose input is a raw map of the network."""

    is_head: ClassVar[bool] = True
    stretches: ClassVar[bool] = False  # whether pictures are stretched for it, whatever the engine

    classes: int = 20

    def remarks(self, section: Section) -> Iterator[Remark]:
        """That it has no classes, which the engines allow: they draw a box for each of its."""
        yield from super().remarks(section)
        if not self.classes:
            option = section.find("classes")
            line = option.line if option else section.line
            text = "classes=0: what it finds has no class, and so Darknet shows nothing"
            yield Remark(text=text, line=line, serious=False)

    @property
    def channels_per_class(self) -> int | None:
        """Channels of its map that each class takes; None if its classes cannot be changed."""
        return None

    def boxes_problem(self, dialect: DialectName) -> str | None:
        """Why it gives no boxes, or none that could be trusted; None if it does."""
        return None if self.classes else "has classes=0, so that none of its boxes has a class"

    def export_problem(self) -> str | None:
        """Why ``AnchorHead.decode_all`` does not give its boxes; None if it does."""
        return "has no anchors"

    def boxes(
        self, raw: RawMap, size: tuple[int, int], threshold: float, dialect: DialectName
    ) -> Boxes:
        """The boxes above ``threshold``, for an input of ``size`` pixels: (height, width).

        They stand picture by picture, cell by cell, anchor by anchor. Everything is computed by
        NumPy, whatever computed the map.
        """
        raise NotImplementedError


class AnchorHead(Head):
    """A head that predicts, in every cell, a box for each of its anchors.

    An anchor has ``objectness`` values that describe the box, the objectness, and the classes.
    """

    in_cells: ClassVar[bool] = False  # whether its anchors are, and not in pixels of the input

    # Options that each of its types has, in an order of its own.
    num: int
    anchors: tuple[float, ...]

    def remarks(self, section: Section) -> Iterator[Remark]:
        """And what does not fit of ``num``, ``mask`` and ``anchors``."""
        yield from super().remarks(section)
        yield from anchor_remarks(section, self.used_mask, self.num, self.anchors)

    @property
    def used_mask(self) -> Sequence[int]:
        """Indices of this head's anchors."""
        return range(self.num)

    @property
    def objectness(self) -> int:
        """Which of an anchor's values is the objectness: as many as describe the box."""
        raise NotImplementedError

    @property
    def anchor_count(self) -> int:
        """How many anchors this head has."""
        return len(self.used_mask)

    @property
    def sizes(self) -> tuple[tuple[float, float], ...]:
        """This head's anchors: (width, height), in pixels of the input or in cells.

        Darknet fills absent ones with 0.5.
        """
        values = [*self.anchors, *[0.5] * 2 * (max(self.used_mask) + 1)]
        return tuple((values[2 * i], values[2 * i + 1]) for i in self.used_mask)

    def sizes_in_pixels(self, stride: tuple[float, float]) -> tuple[tuple[float, float], ...]:
        """The same in pixels of the input, of which a cell has ``stride``: (across, down)."""
        unit = stride if self.in_cells else (1, 1)
        return tuple((w * unit[0], h * unit[1]) for w, h in self.sizes)

    @property
    def channels_per_class(self) -> int | None:
        """One for each anchor."""
        return self.anchor_count

    def channels(self, classes: int) -> int:
        """Channels that its map has for so many classes: pj yolo_layer.c:15, parser.c:357."""
        return self.anchor_count * (self.objectness + 1 + classes)

    def activated(self, values: Values, dialect: DialectName, f: Functions) -> Values:
        """What the layer makes of the raw values of an anchor, which are the last axis."""
        raise NotImplementedError

    def values(self, raw: Tensor, dialect: DialectName) -> Tensor:
        """``activated`` of a raw map (N, anchors * values, h, w), in its shape."""
        values = by_anchor(raw, self.anchor_count).movedim(2, -1)
        activated: Tensor = self.activated(values, dialect, in_torch())
        return activated.movedim(-1, 2).flatten(1, 2)

    def forward(self, m: Any, *inputs: Tensor) -> Tensor:
        """(N, anchors * values, h, w) -> the same."""
        return self.values(inputs[0], m.dialect)

    def sides(self, wh: Values, f: Functions) -> Values:
        """Width and height as multiples of the anchor's: pj yolo_layer.c:83."""
        return f.exp(wh)

    @property
    def corner(self) -> float:
        """How far a box's centre is from its point, in parts of its sides."""
        return 0.0

    def export_problem(self) -> str | None:
        """None."""
        return None

    def described(self, values: Values) -> tuple[Values, Values, Values]:
        """Place in the cell, width and height, and scores of ``activated`` (..., values)."""
        scores = values[..., self.objectness : self.objectness + 1]
        if self.classes:
            scores = scores * values[..., self.objectness + 1 :]
        return values[..., :2], values[..., 2:4], scores

    def least(self, threshold: float) -> float:
        """What an objectness must be above, so that its box counts: pj yolo_layer.c:326."""
        return threshold

    def least_raw(self, least: float) -> float:
        """What its raw value is above then, and that of others may be, too."""
        return logit(least) - MARGIN

    def boxes(
        self, raw: RawMap, size: tuple[int, int], threshold: float, dialect: DialectName
    ) -> Boxes:
        """Pj yolo_layer.c:83, :326; AB yolo_layer.c:138, :1103."""
        import numpy as np

        f, least = in_numpy(), self.least(threshold)
        cells = Cells.above(self.least_raw(least), raw, self.anchor_count, self.objectness)
        values = self.activated(cells.values, dialect, f)
        counts = values[:, self.objectness] > np.float32(least)
        cells, values = cells.only(counts), values[counts].astype(np.float64)
        xy, wh, scores = self.described(values)
        grid = np.array(raw.values.shape[:1:-1], np.float64)  # columns and rows
        unit = grid if self.in_cells else np.array(size[::-1], np.float64)
        with np.errstate(over="ignore", invalid="ignore"):  # for who uses the boxes to refuse
            # Darknet keeps anchors as floats.
            anchors = np.array(self.sizes, np.float32)[cells.anchor]
            sides = self.sides(wh, f) * anchors / unit
            centre = (cells.place + xy) / grid + self.corner * sides
        return cells.picture, np.hstack([centre, sides]), scores

    def decode_all(self, values: Tensor, sizes: Tensor, stride: Tensor) -> tuple[Tensor, Tensor]:
        """Every box of ``forward``'s values, by tensor operations of fixed size alone.

        Args:
            values: (N, anchors * values, h, w).
            sizes: ``sizes_in_pixels`` (anchors, 2).
            stride: pixels of a cell (2,), across and down.

        Returns:
            Left, top, right, bottom in pixels (N, M, 4), and objectness times class score
            (N, M, classes), cell by cell, anchor by anchor. Without classes the objectness alone
            is one.
        """
        import torch

        rows, columns = values.shape[2:]
        like: dict[str, Any] = {"dtype": values.dtype, "device": values.device}
        v = values.flatten(2).transpose(1, 2)
        v = v.reshape(*v.shape[:2], self.anchor_count, -1)  # (N, cells, anchors, values)
        xy, wh, scores = self.described(v)
        x = torch.arange(columns, **like).expand(rows, columns)
        y = torch.arange(rows, **like)[:, None].expand(rows, columns)
        place = torch.stack([x, y], 2).flatten(0, 1)[:, None]  # (cells, 1, 2)
        sides = self.sides(wh, in_torch()) * sizes
        centre = (xy + place) * stride
        if self.corner:
            centre = centre + self.corner * sides
        half = sides / 2
        boxes = torch.cat([centre - half, centre + half], 3)
        return boxes.flatten(1, 2), scores.flatten(1, 2)

    def onnx(self, g: Graph, shapes: tuple[Shape, ...], *inputs: str) -> str:
        """(N, anchors * values, h, w) -> the same."""
        (x,), (shape,) = inputs, shapes
        parts = self.activated_onnx(g, by_cell_onnx(g, x, self.anchor_count, shape.c))
        values = g.add("Transpose", g.add("Concat", *parts, axis=3), perm=[0, 2, 3, 1])
        return g.fold(values, (shape.c, shape.h, shape.w), x)

    def activated_onnx(self, g: Graph, values: str) -> tuple[str, ...]:
        """What ``forward`` makes of (N, cells, anchors, values), in parts of the last axis.

        The first are x and y, and w and h, the last is objectness and classes.
        """
        raise NotImplementedError

    def sides_onnx(self, g: Graph, wh: str) -> str:
        """``sides`` as nodes."""
        return g.add("Exp", wh)

    def described_onnx(self, g: Graph, values: str) -> tuple[str, str, str]:
        """``described`` of what ``activated_onnx`` makes of ``values``."""
        xy, wh, scores = self.activated_onnx(g, values)
        return xy, wh, self.scores_onnx(g, g.slice(scores, 3, 0, 1), scores)

    def scores_onnx(self, g: Graph, objectness: str, scores: str) -> str:
        """``objectness`` times the classes, which come after the first of ``scores``."""
        if not self.classes:
            return objectness
        return g.add("Mul", objectness, g.slice(scores, 3, 1, 1 + self.classes))

    def decode_onnx(
        self, g: Graph, shape: Shape, stride: tuple[float, float], x: str
    ) -> tuple[str, str, str]:
        """``decode_all`` of ``forward``'s values as nodes, but for the corners.

        Args:
            g: the graph.
            shape: of ``x``.
            stride: pixels of a cell, across and down.
            x: the raw map (N, anchors * values, h, w).

        Returns:
            Centre (N, M, 2), width and height (N, M, 2), in pixels, and scores (N, M, classes).
        """
        values = by_cell_onnx(g, x, self.anchor_count, shape.c)
        xy, wh, scores = self.described_onnx(g, values)
        anchors = g.constant("anchors", self.sizes_in_pixels(stride))
        sides = g.add("Mul", self.sides_onnx(g, wh), anchors)
        centre = g.add("Add", xy, places_onnx(g, shape, x))
        centre = g.add("Mul", centre, g.constant("stride", stride))
        if self.corner:
            centre = g.add("Add", centre, g.add("Mul", sides, self.corner))
        return (
            g.reshape(centre, 0, -1, 2),
            g.reshape(sides, 0, -1, 2),
            g.reshape(scores, 0, -1, self.classes or 1),
        )


@dataclass(frozen=True, kw_only=True)
class MaskedHead(AnchorHead):
    """A head that shares its anchors with others.

    ``anchors`` are (width, height) pairs in pixels of the network's input; ``mask`` names those
    that this head uses, all if absent.
    """

    left_out: ClassVar[tuple[str, ...]] = ("num", "mask", "anchors")

    num: int = 1
    mask: tuple[int, ...] = ()
    anchors: tuple[float, ...] = ()
    # Which boxes are kept: the network is the same.
    nms_kind: str = field(default="default", metadata={"network": False})
    beta_nms: float = field(default=0.6, metadata={"network": False})

    @property
    def used_mask(self) -> Sequence[int]:
        """Those that ``mask`` names."""
        return self.mask or super().used_mask

    def infer(self, *shapes: Shape) -> Shape:
        """(anchors * (box + 1 + classes), h, w), as it comes: pj yolo_layer.c:24."""
        shape = shapes[0].require_image()
        at_least(0, classes=self.classes)
        at_least(1, num=self.num)
        if max((self.num, *self.mask)) > MAX_ANCHORS:
            raise Misfit(f"num= or mask= names more than {MAX_ANCHORS} anchors")
        if min(self.used_mask) < 0:
            raise Misfit(f"mask={','.join(map(str, self.mask))} has a negative index")
        # In AB's cspx-p7-mish.cfg, mask=16,17,18,19 exceeds num=16, but there are 20 pairs.
        pairs = len(self.anchors) // 2
        nowhere = [index for index in self.mask if index >= max(self.num, pairs)]
        if nowhere:
            raise Misfit(
                f"mask= names anchor {nowhere[0]}: num={self.num}, and anchors= has {pairs} pairs"
            )
        wanted = self.channels(self.classes)
        if shape.c != wanted:
            raise Misfit(
                f"classes={self.classes} with {self.anchor_count} anchors needs {wanted}"
                f" channels, the layer before it has {shape.c}"
            )
        return shape

    def refusal(self, shapes: tuple[Shape, ...], dialect: DialectName) -> str | None:
        """Anchors that a strict engine writes beyond its array: HK darknet_cfg.cpp:1717."""
        beyond = [index for index in self.used_mask if index >= self.num]
        if DIALECTS[dialect].strict and beyond:
            return f"it has room for num={self.num} anchors, and mask= names anchor {beyond[0]}"
        return None

    def signature(self) -> dict[str, Any]:
        """With the number of anchors in place of the anchors."""
        return {**super().signature(), "anchors": self.anchor_count}


def anchor_remarks(
    section: Section, used: Sequence[int], num: int, anchors: Sequence[float]
) -> Iterator[Remark]:
    """What does not fit of the anchors of a head that uses those of indices ``used``.

    An engine has room for ``num`` pairs, which it fills with 0.5 (pj yolo_layer.c:44,
    region_layer.c:37, AB yolo_layer.c:53, gaussian_yolo_layer.c:56, region_layer.c:40). What
    ``anchors`` has beyond them, AB leaves out (parser.c:543, 714); pj (:335, 396), and AB for
    [Gaussian_yolo] (:657), write and read it beyond their array.
    """
    given = section.find("anchors")
    named = section.find("mask") or section.find("num") or given
    line = named.line if named else section.line
    pairs = len(anchors) // 2
    absent = [index for index in used if pairs <= index < num]
    if absent:
        text = f"anchors= has no pair for anchor {_listed(absent)}: the engines fill in 0.5"
        yield Remark(text=text, line=line)
    beyond = [index for index in used if index >= num]
    if beyond:
        text = f"num={num} has no anchor {_listed(beyond)}: what anchors= has there is taken for it"
        yield Remark(text=text, line=line)
    elif given and len(anchors) > 2 * num:
        yield given.remark(f"has {len(anchors)} values, but num={num} makes {2 * num}")


def _listed(indices: Sequence[int]) -> str:
    """At most three of them."""
    shown = ", ".join(map(str, indices[:3]))
    return f"{shown}, ..." if len(indices) > 3 else shown


def by_cell_onnx(g: Graph, x: str, anchors: int, channels: int) -> str:
    """(N, channels, h, w) -> (N, cells, anchors, values)."""
    x = g.reshape(x, 0, anchors, channels // anchors, -1)
    return g.add("Transpose", x, perm=[0, 3, 1, 2])


def places_onnx(g: Graph, shape: Shape, x: str) -> str:
    """(1, cells, 1, 2): column and row of each cell of ``x`` (N, c, h, w)."""
    if not g.dynamic:
        places = [[[column, row]] for row in range(shape.h) for column in range(shape.w)]
        return g.constant("places", [places])
    sides = g.add("Concat", (1, 1), g.slice(g.add("Shape", x), 0, 2, 4), axis=0)
    ones = g.add("Expand", 1.0, sides)
    steps = [g.add("CumSum", ones, g.axis(axis), exclusive=1) for axis in (3, 2)]
    return by_cell_onnx(g, g.add("Concat", *steps, axis=1), 1, 2)
