"""Layers that move values around, [route] and [upsample]: pj route_layer.c, upsample_layer.c."""

from typing import Any, ClassVar

from converter.darknet.dialects import DialectName
from converter.darknet.layers.base import Graph, Layer, Misfit, Shape, Tensor, absolute, at_least
from converter.records import dataclass


@dataclass(frozen=True, kw_only=True)
class Route(Layer):
    """Concatenation of earlier layers' outputs, channel after channel: pj route_layer.c:74.

    With ``groups`` part ``group_id`` of each of them: AB route_layer.c:80.
    """

    type: ClassVar[str] = "route"
    left_out: ClassVar[tuple[str, ...]] = ("layers",)  # ``sources`` resolves it

    layers: tuple[int, ...] = ()
    groups: int = 1
    group_id: int = 0

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

    def forward(self, m: Any, *inputs: Tensor) -> Tensor:
        """[(N, c1, h, w), (N, c2, h, w), ...] -> (N, (c1 + c2 + ...) / groups, h, w)."""
        import torch

        parts = [x.chunk(self.groups, 1)[self.group_id] for x in inputs]
        # Compared, not hashed: torch.export knows some sizes by name only.
        if any(x.shape[2:] != inputs[0].shape[2:] for x in inputs):
            parts = [x.flatten(1) for x in parts]
        return torch.cat(parts, 1) if len(parts) > 1 else parts[0]

    def onnx(self, g: Graph, shapes: tuple[Shape, ...], *inputs: str) -> str:
        """[(N, c1, h, w), (N, c2, h, w), ...] -> (N, (c1 + c2 + ...) / groups, h, w)."""
        parts = []
        for x, shape in zip(inputs, shapes, strict=True):
            if self.groups > 1:
                count = (shape.c or shape.outputs) // self.groups
                x = g.slice(x, 1, self.group_id * count, (self.group_id + 1) * count)
            parts.append(x)
        if any((s.h, s.w) != (shapes[0].h, shapes[0].w) for s in shapes):
            parts = [g.add("Flatten", x, axis=1) for x in parts]
        return g.add("Concat", *parts, axis=1) if len(parts) > 1 else parts[0]


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
        shape = shapes[0].require_image()
        if self.stride == 0:
            raise Misfit("stride=0 leaves nothing")
        if self.stride > 0:
            return Shape.image(shape.c, shape.h * self.stride, shape.w * self.stride)
        return Shape.image(shape.c, shape.h // -self.stride, shape.w // -self.stride)

    def obstacle(self, shapes: tuple[Shape, ...], dialect: DialectName) -> str | None:
        """Sizes at which the engines mix up the rows."""
        if self.stride < 0 and (shapes[0].h % -self.stride or shapes[0].w % -self.stride):
            return f"stride={self.stride} does not divide its input of {shapes[0]}"
        return None

    def forward(self, m: Any, *inputs: Tensor) -> Tensor:
        """(N, c, h, w) -> (N, c, h', w')."""
        from torch.nn import functional as F

        x = inputs[0]
        if self.stride > 0:
            x = F.interpolate(x, scale_factor=self.stride, mode="nearest")
        else:
            x = F.avg_pool2d(x, -self.stride, divisor_override=1)
        return x if self.scale == 1.0 else x * self.scale

    def onnx(self, g: Graph, shapes: tuple[Shape, ...], *inputs: str) -> str:
        """(N, c, h, w) -> (N, c, h', w')."""
        factor = self.scale
        if self.stride > 0:
            x = g.enlarge(inputs[0], self.stride)
        else:
            sides = [-self.stride] * 2
            x = g.add("AveragePool", inputs[0], kernel_shape=sides, strides=sides)
            factor *= self.stride**2  # a sum is the mean times so many
        return x if factor == 1.0 else g.add("Mul", x, factor)
