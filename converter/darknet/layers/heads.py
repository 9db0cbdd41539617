"""Detection heads: [yolo], [Gaussian_yolo], [region], [detection], [iseg]."""

import typing
from dataclasses import dataclass
from typing import Any, ClassVar

from converter.darknet.dialects import DIALECTS, DialectName
from converter.darknet.layers import tree
from converter.darknet.layers.base import Layer, Misfit, Shape, at_least, need_image

if typing.TYPE_CHECKING:
    import torch

MAX_ANCHORS = 1000  # the official cfgs have up to 21


@dataclass(frozen=True, kw_only=True)
class AnchorHead(Layer):
    """A head that predicts, in every cell, a box for each of its anchors.

    ``anchors`` are (width, height) pairs in pixels of the network's input; ``mask`` names those
    that this head uses, all if absent.
    """

    is_head: ClassVar[bool] = True
    box_values: ClassVar[int]  # channels of an anchor that describe the box

    classes: int = 20
    num: int = 1
    mask: tuple[int, ...] = ()
    anchors: tuple[float, ...] = ()
    nms_kind: str = "default"
    beta_nms: float = 0.6

    @property
    def used_mask(self) -> tuple[int, ...]:
        """Indices of this head's anchors."""
        return self.mask or tuple(range(self.num))

    @property
    def used_anchors(self) -> tuple[tuple[float, float], ...]:
        """This head's anchors: (width, height) in pixels; Darknet fills absent ones with 0.5."""
        values = [*self.anchors, *[0.5] * 2 * (max(self.used_mask) + 1)]
        return tuple((values[2 * i], values[2 * i + 1]) for i in self.used_mask)

    def infer(self, *shapes: Shape) -> Shape:
        """(anchors * (box + 1 + classes), h, w), as it comes: pj yolo_layer.c:24."""
        shape = need_image(shapes[0])
        at_least(1, classes=self.classes, num=self.num)
        if max((self.num, *self.mask)) > MAX_ANCHORS:
            raise Misfit(f"num= or mask= names more than {MAX_ANCHORS} anchors")
        # Not checked against num: in AB's cspx-p7-mish.cfg, mask=16,17,18,19 exceeds num=16.
        if min(self.used_mask) < 0:
            raise Misfit(f"mask={','.join(map(str, self.mask))} has a negative index")
        wanted = len(self.used_mask) * (self.box_values + 1 + self.classes)
        if shape.c != wanted:
            raise Misfit(
                f"classes={self.classes} with {len(self.used_mask)} anchors needs {wanted}"
                f" channels, the layer before it has {shape.c}"
            )
        return shape

    def signature(self) -> dict[str, Any]:
        """With the number of anchors in place of the anchors, and without how boxes are chosen."""
        facts = super().signature()
        for name in ("num", "mask", "anchors", "nms_kind", "beta_nms"):
            del facts[name]
        return {**facts, "anchors": len(self.used_mask)}


@dataclass(frozen=True, kw_only=True)
class Yolo(AnchorHead):
    """YOLOv3's output layer: pj yolo_layer.c, parser.c:306; AB yolo_layer.c, parser.c:448."""

    type: ClassVar[str] = "yolo"
    box_values: ClassVar[int] = 4

    scale_x_y: float = 1.0
    new_coords: int = 0

    def forward(self, m: Any, *inputs: "torch.Tensor") -> "torch.Tensor":
        """(N, anchors * (5 + classes), h, w) -> the same: pj yolo_layer.c:138, AB :669.

        Logistic x, y, objectness and classes, unless ``new_coords``, whose convolution has done it;
        then x and y are stretched around 1/2.
        """
        import torch

        xy, wh, rest = _by_anchor(inputs[0], len(self.used_mask)).split_with_sizes(
            (2, 2, 1 + self.classes), 2
        )
        if not self.new_coords:
            xy, rest = xy.sigmoid(), rest.sigmoid()
        return torch.cat([_stretched(xy, self.scale_x_y), wh, rest], 2).flatten(1, 2)


@dataclass(frozen=True, kw_only=True)
class GaussianYolo(AnchorHead):
    """A [yolo] that also tells how sure it is: AB gaussian_yolo_layer.c, parser.c:576.

    A box is mu and sigma of x, then of y, of w and of h.
    """

    type: ClassVar[str] = "Gaussian_yolo"
    box_values: ClassVar[int] = 8

    scale_x_y: float = 1.0
    yolo_point: str = "center"

    def forward(self, m: Any, *inputs: "torch.Tensor") -> "torch.Tensor":
        """(N, anchors * (9 + classes), h, w) -> the same: AB gaussian_yolo_layer.c:412.

        All logistic but the mu of w and h; the mu of x and y are stretched around 1/2.
        """
        import torch

        raw = _by_anchor(inputs[0], len(self.used_mask))
        values = list(raw.sigmoid().split_with_sizes((1,) * 8 + (1 + self.classes,), 2))
        for i in (0, 2):
            values[i] = _stretched(values[i], self.scale_x_y)
        for i in (4, 6):
            values[i] = raw[:, :, i : i + 1]
        return torch.cat(values, 2).flatten(1, 2)


@dataclass(frozen=True, kw_only=True)
class Region(Layer):
    """YOLOv2's output layer: pj region_layer.c, parser.c:353; AB region_layer.c, parser.c:666.

    ``anchors`` are (width, height) pairs in cells.
    """

    type: ClassVar[str] = "region"
    is_head: ClassVar[bool] = True

    classes: int = 20
    coords: int = 4
    num: int = 1
    softmax: int = 0
    background: int = 0
    classfix: int = 0
    anchors: tuple[float, ...] = ()
    tree: str = ""

    def infer(self, *shapes: Shape) -> Shape:
        """(num * (coords + 1 + classes), h, w), unchanged: the assert of pj parser.c:360."""
        shape = need_image(shapes[0])
        at_least(1, classes=self.classes, num=self.num)
        at_least(2, coords=self.coords)
        wanted = self.num * (self.coords + 1 + self.classes)
        if shape.c != wanted:
            raise Misfit(
                f"classes={self.classes}, coords={self.coords} and num={self.num} need {wanted}"
                f" channels, the layer before it has {shape.c}"
            )
        return shape

    def signature(self) -> dict[str, Any]:
        """Without the anchors themselves."""
        facts = super().signature()
        del facts["anchors"]
        return facts

    def obstacle(self, shapes: tuple[Shape, ...], dialect: DialectName) -> str | None:
        """Boxes that AlexeyAB's engine cannot have, and a tree that is not there."""
        if DIALECTS[dialect].region_by_cell and self.coords != 4:  # AB region_layer.c:198
            return f"coords={self.coords}: AlexeyAB's engine looks for the objectness after four"
        return tree.obstacle(self.tree, self.classes) if self.tree else None

    def forward(self, m: Any, *inputs: "torch.Tensor") -> "torch.Tensor":
        """(N, num * (coords + 1 + classes), h, w) -> the same: pj region_layer.c:158, AB :187.

        Logistic objectness, and softmax, softmax by ``tree``, or logistic classes. pj also makes
        x and y logistic; AB leaves that to the boxes, and moves the values: cell by cell, in it
        anchor by anchor, in it box, objectness, classes.
        """
        import torch

        x = _by_anchor(inputs[0], self.num)
        xy, others, scores = x.split_with_sizes((2, self.coords - 2, 1 + self.classes), 2)
        by_cell = DIALECTS[m.dialect].region_by_cell
        if not by_cell:
            xy = xy.sigmoid()
        values = torch.cat([xy, others, self._scores(scores)], 2)
        if by_cell:
            values = values.flatten(3).permute(0, 3, 1, 2)  # (N, cell, anchor, value)
        return values.reshape(inputs[0].shape)

    def _scores(self, raw: "torch.Tensor") -> "torch.Tensor":
        """(N, num, 1 + classes, h, w) objectness and classes; ``background`` is one of them."""
        import torch

        if self.background and self.softmax and not self.tree:
            return raw.softmax(2)
        objectness, classes = raw.split_with_sizes((1, self.classes), 2)
        if self.tree:
            classes = tree.softmax(classes, tree.group_sizes(self.tree), 2)
        else:
            classes = classes.softmax(2) if self.softmax else classes.sigmoid()
        return torch.cat([objectness if self.background else objectness.sigmoid(), classes], 2)


@dataclass(frozen=True, kw_only=True)
class Detection(Layer):
    """YOLOv1's output layer: pj detection_layer.c, parser.c:405; AB detection_layer.c.

    For side x side cells, its values are the classes of every cell, then the scores of their
    ``num`` boxes, then these boxes.
    """

    type: ClassVar[str] = "detection"
    is_head: ClassVar[bool] = True

    classes: int = 1
    coords: int = 1
    num: int = 1
    side: int = 7
    softmax: int = 0
    sqrt: int = 0

    def infer(self, *shapes: Shape) -> Shape:
        """Only the count survives: pj detection_layer.c:28, with its assert."""
        at_least(1, classes=self.classes, coords=self.coords, num=self.num, side=self.side)
        wanted = self.side**2 * ((1 + self.coords) * self.num + self.classes)
        if shapes[0].outputs != wanted:
            raise Misfit(f"needs {wanted} values, the layer before it has {shapes[0].outputs}")
        return Shape(wanted)

    def forward(self, m: Any, *inputs: "torch.Tensor") -> "torch.Tensor":
        """(N, ...) -> (N, outputs): pj detection_layer.c:50."""
        import torch

        x = inputs[0].flatten(1)
        if not self.softmax:
            return x
        scores = x[:, : self.side**2 * self.classes].reshape(x.shape[0], -1, self.classes)
        return torch.cat([scores.softmax(2).flatten(1), x[:, self.side**2 * self.classes :]], 1)


@dataclass(frozen=True, kw_only=True)
class Iseg(Layer):
    """Instance segmentation: class maps, then ``ids`` embedding maps. pj iseg_layer.c."""

    type: ClassVar[str] = "iseg"
    is_head: ClassVar[bool] = True

    classes: int = 20
    ids: int = 32

    def infer(self, *shapes: Shape) -> Shape:
        """(classes + ids, h, w), unchanged: the assert of pj parser.c:349."""
        shape = need_image(shapes[0])
        at_least(1, classes=self.classes)
        at_least(0, ids=self.ids)
        if shape.c != self.classes + self.ids:
            raise Misfit(
                f"classes={self.classes} and ids={self.ids} are {self.classes + self.ids}"
                f" channels, the layer before it has {shape.c}"
            )
        return shape

    def forward(self, m: Any, *inputs: "torch.Tensor") -> "torch.Tensor":
        """(N, classes + ids, h, w) -> the same, classes logistic: pj iseg_layer.c:78."""
        import torch

        classes, ids = inputs[0].split_with_sizes((self.classes, self.ids), 1)
        return torch.cat([classes.sigmoid(), ids], 1)


def _by_anchor(x: "torch.Tensor", anchors: int) -> "torch.Tensor":
    """(N, anchors * values, h, w) -> (N, anchors, values, h, w)."""
    return x.reshape(x.shape[0], anchors, -1, *x.shape[2:])


def _stretched(xy: "torch.Tensor", scale: float) -> "torch.Tensor":
    """0..1 stretched by ``scale`` around 1/2: AB yolo_layer.c:680."""
    return xy if scale == 1.0 else xy * scale - 0.5 * (scale - 1)
