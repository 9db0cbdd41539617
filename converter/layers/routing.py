"""Layers that move values around: [route], [upsample], [reorg], [reorg3d], [crop].

pj route_layer.c, upsample_layer.c, reorg_layer.c, crop_layer.c; AB also reorg_old_layer.c.
"""

import typing
from dataclasses import dataclass
from typing import Any, ClassVar

from converter.layers.base import (
    Dialect,
    Layer,
    Misfit,
    Shape,
    absolute,
    at_least,
    need_image,
    only,
)

if typing.TYPE_CHECKING:
    import torch


@dataclass(frozen=True, kw_only=True)
class Route(Layer):
    """Concatenation of earlier layers' outputs, channel after channel: pj route_layer.c:74.

    With ``groups``, only part ``group_id`` of each of them: AB route_layer.c:80.
    """

    type: ClassVar[str] = "route"

    layers: tuple[int, ...] = ()
    groups: int = only("alexeyab", 1)
    group_id: int = only("alexeyab", 0)

    def sources(self, index: int) -> tuple[int, ...]:
        """The layers it names."""
        if not self.layers:
            raise Misfit("has no layers=")
        return tuple(absolute(index, layer) for layer in self.layers)

    def infer(self, *shapes: Shape) -> Shape:
        """Channels add up; maps of unequal size leave only a count (pj parser.c:624-637)."""
        at_least(1, groups=self.groups)
        at_least(0, group_id=self.group_id)
        if self.group_id >= self.groups:
            raise Misfit(f"group_id={self.group_id} does not exist: groups={self.groups}")
        for shape in shapes:
            count = shape.c if shape.is_image else shape.outputs
            if count % self.groups:
                raise Misfit(
                    f"groups={self.groups} does not divide the {count} channels of a source"
                )
        first = shapes[0]
        if first.is_image and all((s.h, s.w) == (first.h, first.w) for s in shapes):
            return Shape.image(sum(s.c for s in shapes) // self.groups, first.h, first.w)
        return Shape(sum(s.outputs for s in shapes) // self.groups)

    def signature(self) -> dict[str, Any]:
        """Without ``layers``, which ``sources`` resolves."""
        facts = super().signature()
        del facts["layers"]
        return facts

    def forward(self, m: Any, *inputs: "torch.Tensor") -> "torch.Tensor":
        """[(N, c1, h, w), (N, c2, h, w), ...] -> (N, (c1 + c2 + ...) / groups, h, w)."""
        import torch

        parts = [x.chunk(self.groups, 1)[self.group_id] for x in inputs]
        # Compared, not hashed: torch.export knows some sizes by name only.
        if any(x.shape[2:] != inputs[0].shape[2:] for x in inputs):
            parts = [x.flatten(1) for x in parts]
        return torch.cat(parts, 1) if len(parts) > 1 else parts[0]


@dataclass(frozen=True, kw_only=True)
class Upsample(Layer):
    """Nearest-neighbour enlargement times ``scale``: pj upsample_layer.c, blas.c:334.

    A negative stride goes the other way: each block of stride x stride pixels becomes their sum.
    """

    type: ClassVar[str] = "upsample"

    stride: int = 2
    scale: float = 1.0

    def infer(self, *shapes: Shape) -> Shape:
        """(c, h, w) -> (c, h * stride, w * stride), or (c, h / -stride, w / -stride)."""
        shape = need_image(shapes[0])
        if self.stride == 0:
            raise Misfit("stride=0 leaves nothing")
        if self.stride > 0:
            return Shape.image(shape.c, shape.h * self.stride, shape.w * self.stride)
        return Shape.image(shape.c, shape.h // -self.stride, shape.w // -self.stride)

    def obstacle(self, shapes: tuple[Shape, ...], dialect: Dialect) -> str | None:
        """Sizes at which the engines mix up the rows."""
        if self.stride < 0 and (shapes[0].h % -self.stride or shapes[0].w % -self.stride):
            return f"stride={self.stride} does not divide its input of {shapes[0]}"
        return None

    def forward(self, m: Any, *inputs: "torch.Tensor") -> "torch.Tensor":
        """(N, c, h, w) -> (N, c, h', w')."""
        from torch.nn import functional as F

        x = inputs[0]
        if self.stride > 0:
            x = F.interpolate(x, scale_factor=self.stride, mode="nearest")
        else:
            x = F.avg_pool2d(x, -self.stride, divisor_override=1)
        return x if self.scale == 1.0 else x * self.scale


@dataclass(frozen=True, kw_only=True)
class Reorg3d(Layer):
    """Every ``stride``-th pixel of a phase becomes a map of its own: AB reorg_layer.c, blas.c:10.

    Output channel (dy * stride + dx) * c + k holds the pixels (dy, dx) of channel k. ``reverse``
    works on its input as if it had the output's size: AB reorg_layer.c:79.
    """

    type: ClassVar[str] = "reorg3d"
    dialect: ClassVar[Dialect | None] = "alexeyab"

    stride: int = 1
    reverse: int = 0

    def infer(self, *shapes: Shape) -> Shape:
        """(c, h, w) -> (c * stride^2, h / stride, w / stride), or the other way round."""
        at_least(1, stride=self.stride)
        return _reorganised(need_image(shapes[0]), self.stride, reverse=bool(self.reverse))

    def obstacle(self, shapes: tuple[Shape, ...], dialect: Dialect) -> str | None:
        """Sizes at which the engine reads outside its input."""
        shape, s = shapes[0], self.stride
        fits = shape.c % s**4 == 0 if self.reverse else shape.h % s == shape.w % s == 0
        return None if fits else f"stride={s} does not divide its input of {shape}"

    def forward(self, m: Any, *inputs: "torch.Tensor") -> "torch.Tensor":
        """(N, c, h, w) -> (N, c', h', w')."""
        x = inputs[0]
        if not self.reverse:
            return space_to_depth(x, self.stride)
        shape = self.infer(Shape.image(*x.shape[1:]))
        x = x.reshape(-1, shape.c, shape.h, shape.w)
        return depth_to_space(x, self.stride).reshape(-1, shape.c, shape.h, shape.w)


@dataclass(frozen=True, kw_only=True)
class Reorg(Layer):
    """YOLOv2's reorg, which is not space-to-depth: pj reorg_layer.c:91, blas.c:9.

    The c x h x w input is taken for (c / stride^2) x (h * stride) x (w * stride), that is turned
    into phases, and these are taken for the output's shape. ``reverse`` is an ordinary
    depth-to-space. ``flatten`` moves the channels last instead, ``extra`` appends so many zeros.
    """

    type: ClassVar[str] = "reorg"

    stride: int = 1
    reverse: int = 0
    flatten: int = only("pjreddie", 0)
    extra: int = only("pjreddie", 0)

    def infer(self, *shapes: Shape) -> Shape:
        """(c, h, w) -> (c * stride^2, h / stride, w / stride), or the other way round."""
        shape = need_image(shapes[0])
        at_least(1, stride=self.stride)
        at_least(0, extra=self.extra)
        if self.extra and self.flatten:
            raise Misfit("has both flatten= and extra=, of which Darknet reads past its input")
        if self.extra:
            return Shape(shape.outputs + self.extra)
        return _reorganised(shape, self.stride, reverse=bool(self.reverse))

    def obstacle(self, shapes: tuple[Shape, ...], dialect: Dialect) -> str | None:
        """Sizes at which the engines read outside their input."""
        shape, s = shapes[0], self.stride
        if self.extra or (
            shape.c % s**2 == 0 and (self.reverse or shape.h % s == shape.w % s == 0)
        ):
            return None
        return f"stride={s} does not divide its input of {shape}"

    def forward(self, m: Any, *inputs: "torch.Tensor") -> "torch.Tensor":
        """(N, c, h, w) -> (N, c', h', w')."""
        from torch.nn import functional as F

        x = inputs[0]
        if self.extra:
            return F.pad(x.flatten(1), (0, self.extra))
        n, c, h, w = x.shape
        out = self.infer(Shape.image(c, h, w))
        if self.flatten and self.reverse:
            x = x.reshape(n, h * w, c).transpose(1, 2)
        elif self.flatten:
            x = x.flatten(2).transpose(1, 2)
        elif self.reverse:
            x = depth_to_space(x, self.stride)
        else:
            s = self.stride
            x = space_to_depth(x.reshape(n, c // s**2, h * s, w * s), s)
        return x.reshape(n, out.c, out.h, out.w)


@dataclass(frozen=True, kw_only=True)
class Crop(Layer):
    """The middle of the picture, stretched from 0..1 to -1..1 unless ``noadjust``.

    Shifts, flips and colours are for training: pj crop_layer.c:67.
    """

    type: ClassVar[str] = "crop"

    crop_height: int = 1
    crop_width: int = 1
    noadjust: int = 0

    def infer(self, *shapes: Shape) -> Shape:
        """(c, h, w) -> (c, crop_height, crop_width)."""
        shape = need_image(shapes[0])
        if self.crop_height > shape.h or self.crop_width > shape.w:
            raise Misfit(f"crops {self.crop_height} x {self.crop_width} pixels of {shape}")
        return Shape.image(shape.c, self.crop_height, self.crop_width)

    def forward(self, m: Any, *inputs: "torch.Tensor") -> "torch.Tensor":
        """(N, c, h, w) -> (N, c, crop_height, crop_width)."""
        x = inputs[0]
        y0 = (x.shape[2] - self.crop_height) // 2
        x0 = (x.shape[3] - self.crop_width) // 2
        x = x[:, :, y0 : y0 + self.crop_height, x0 : x0 + self.crop_width]
        return x if self.noadjust else x * 2 - 1


def _reorganised(shape: Shape, stride: int, *, reverse: bool) -> Shape:
    if reverse:
        return Shape.image(shape.c // stride**2, shape.h * stride, shape.w * stride)
    return Shape.image(shape.c * stride**2, shape.h // stride, shape.w // stride)


def space_to_depth(x: "torch.Tensor", stride: int) -> "torch.Tensor":
    """(N, c, h, w) -> (N, stride^2 * c, h / stride, w / stride), phase by phase."""
    n, c, h, w = x.shape
    x = x.reshape(n, c, h // stride, stride, w // stride, stride)
    return x.permute(0, 3, 5, 1, 2, 4).flatten(1, 3)  # (N, dy, dx, c, h', w')


def depth_to_space(x: "torch.Tensor", stride: int) -> "torch.Tensor":
    """The inverse of ``space_to_depth``."""
    n, _, h, w = x.shape
    x = x.reshape(n, stride, stride, -1, h, w)
    return x.permute(0, 3, 4, 1, 5, 2).flatten(4, 5).flatten(2, 3)  # (N, c, h', dy, w', dx)
