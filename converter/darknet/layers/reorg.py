"""Layers that trade area for channels: [reorg], [reorg3d].

pj reorg_layer.c; AB reorg_layer.c, reorg_old_layer.c.
"""

from typing import Any, ClassVar

from converter.darknet.dialects import DialectName
from converter.darknet.layers.base import Graph, Layer, Misfit, Shape, Tensor, at_least
from converter.records import dataclass


@dataclass(frozen=True, kw_only=True)
class Reorg3d(Layer):
    """Every ``stride``-th pixel of a phase becomes a map of its own: AB reorg_layer.c, blas.c:10.

    Output channel (dy * stride + dx) * c + k holds the pixels (dy, dx) of channel k. ``reverse``
    works on its input as if it had the output's size: AB reorg_layer.c:79.
    """

    type: ClassVar[str] = "reorg3d"

    stride: int = 1
    reverse: int = 0

    def infer(self, *shapes: Shape) -> Shape:
        """(c, h, w) -> (c * stride^2, h / stride, w / stride), or the other way round."""
        at_least(1, stride=self.stride)
        return _reorganised(shapes[0].require_image(), self.stride, reverse=bool(self.reverse))

    def obstacle(self, shapes: tuple[Shape, ...], dialect: DialectName) -> str | None:
        """Sizes at which the engine reads outside its input."""
        shape, s = shapes[0], self.stride
        fits = shape.c % s**4 == 0 if self.reverse else shape.h % s == shape.w % s == 0
        return None if fits else f"stride={s} does not divide its input of {shape}"

    def forward(self, m: Any, *inputs: Tensor) -> Tensor:
        """(N, c, h, w) -> (N, c', h', w')."""
        x = inputs[0]
        if not self.reverse:
            return space_to_depth(x, self.stride)
        shape = self.infer(Shape.image(*x.shape[1:]))
        x = x.reshape(-1, shape.c, shape.h, shape.w)
        return depth_to_space(x, self.stride).reshape(-1, shape.c, shape.h, shape.w)

    def onnx(self, g: Graph, shapes: tuple[Shape, ...], *inputs: str) -> str:
        """(N, c, h, w) -> (N, c', h', w')."""
        x, s = inputs[0], self.stride
        if not self.reverse:
            return g.add("SpaceToDepth", x, blocksize=s)
        out = self.infer(*shapes)
        sides = (out.c, out.h, out.w)
        spread = g.add("DepthToSpace", g.fold(x, sides, x, s), blocksize=s)
        return g.fold(spread, sides, x, s)


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
    flatten: int = 0
    extra: int = 0

    def infer(self, *shapes: Shape) -> Shape:
        """(c, h, w) -> (c * stride^2, h / stride, w / stride), or the other way round."""
        shape = shapes[0].require_image()
        at_least(1, stride=self.stride)
        at_least(0, extra=self.extra)
        if self.extra and self.flatten:
            raise Misfit("has both flatten= and extra=, of which Darknet reads past its input")
        if self.extra:
            return Shape(shape.outputs + self.extra)
        return _reorganised(shape, self.stride, reverse=bool(self.reverse))

    def obstacle(self, shapes: tuple[Shape, ...], dialect: DialectName) -> str | None:
        """Sizes at which the engines read outside their input."""
        shape, s = shapes[0], self.stride
        if self.extra or (
            shape.c % s**2 == 0 and (self.reverse or shape.h % s == shape.w % s == 0)
        ):
            return None
        return f"stride={s} does not divide its input of {shape}"

    def forward(self, m: Any, *inputs: Tensor) -> Tensor:
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

    def onnx(self, g: Graph, shapes: tuple[Shape, ...], *inputs: str) -> str:
        """(N, c, h, w) -> (N, c', h', w')."""
        x, shape, s = inputs[0], shapes[0], self.stride
        if self.extra:
            return g.add("Pad", g.add("Flatten", x, axis=1), (0, 0, 0, self.extra))
        if self.reverse and not self.flatten:
            return g.add("DepthToSpace", x, blocksize=s)
        if self.flatten and self.reverse:
            turned = g.add("Transpose", g.reshape(x, 0, -1, shape.c), perm=[0, 2, 1])
        elif self.flatten:
            turned = g.add("Transpose", g.reshape(x, 0, shape.c, -1), perm=[0, 2, 1])
        else:
            wide = g.fold(x, (shape.c // s**2, shape.h * s, shape.w * s), x, s)
            turned = g.add("SpaceToDepth", wide, blocksize=s)
        out = self.infer(shape)
        times, parts = (s, 1) if self.reverse else (1, s)
        return g.fold(turned, (out.c, out.h, out.w), x, times, parts)


def _reorganised(shape: Shape, stride: int, *, reverse: bool) -> Shape:
    if reverse:
        return Shape.image(shape.c // stride**2, shape.h * stride, shape.w * stride)
    return Shape.image(shape.c * stride**2, shape.h // stride, shape.w // stride)


def space_to_depth(x: Tensor, stride: int) -> Tensor:
    """(N, c, h, w) -> (N, stride^2 * c, h / stride, w / stride), phase by phase."""
    n, c, h, w = x.shape
    x = x.reshape(n, c, h // stride, stride, w // stride, stride)
    return x.permute(0, 3, 5, 1, 2, 4).flatten(1, 3)  # (N, dy, dx, c, h', w')


def depth_to_space(x: Tensor, stride: int) -> Tensor:
    """The inverse of ``space_to_depth``."""
    n, _, h, w = x.shape
    x = x.reshape(n, stride, stride, -1, h, w)
    return x.permute(0, 3, 4, 1, 5, 2).flatten(4, 5).flatten(2, 3)  # (N, c, h', dy, w', dx)
