"""Layers that move maps around: [route], [shortcut], [upsample]."""

import typing
from dataclasses import dataclass
from typing import Any, ClassVar

from converter.layers.activation import activate, need_activation
from converter.layers.base import Layer, Misfit, Shape, absolute, at_least, need_image

if typing.TYPE_CHECKING:
    import torch
    from torch import nn


@dataclass(frozen=True, kw_only=True)
class Route(Layer):
    """Concatenation of earlier layers' outputs, channel after channel: pj route_layer.c:84."""

    type: ClassVar[str] = "route"

    layers: tuple[int, ...] = ()

    def sources(self, index: int) -> tuple[int, ...]:
        """The layers it names."""
        if not self.layers:
            raise Misfit("has no layers=")
        return tuple(absolute(index, layer) for layer in self.layers)

    def infer(self, *shapes: Shape) -> Shape:
        """Channels add up; maps of unequal size leave only a count (pj parser.c:676-685)."""
        first = shapes[0]
        if first.is_image and all((s.h, s.w) == (first.h, first.w) for s in shapes):
            return Shape.image(sum(s.c for s in shapes), first.h, first.w)
        return Shape(sum(s.outputs for s in shapes))

    def signature(self) -> dict[str, Any]:
        """Without ``layers``, which ``sources`` resolves."""
        facts = super().signature()
        del facts["layers"]
        return facts

    def forward(self, m: "nn.Module", *inputs: "torch.Tensor") -> "torch.Tensor":
        """[(N, c1, h, w), (N, c2, h, w), ...] -> (N, c1 + c2 + ..., h, w)."""
        import torch

        if len({x.shape[2:] for x in inputs}) > 1:
            inputs = tuple(x.flatten(1) for x in inputs)
        return torch.cat(inputs, 1) if len(inputs) > 1 else inputs[0]


@dataclass(frozen=True, kw_only=True)
class Shortcut(Layer):
    """The previous layer's output plus an earlier one's: pj shortcut_layer.c, blas.c:68."""

    type: ClassVar[str] = "shortcut"

    from_: tuple[int, ...] = ()
    activation: str = "linear"
    alpha: float = 1.0
    beta: float = 1.0

    def sources(self, index: int) -> tuple[int, ...]:
        """The previous layer, then those it names."""
        if not self.from_:
            raise Misfit("has no from=")
        return (absolute(index, -1), *(absolute(index, layer) for layer in self.from_))

    def infer(self, *shapes: Shape) -> Shape:
        """The previous layer's shape."""
        need_activation(self.activation)
        return need_image(shapes[0])

    def signature(self) -> dict[str, Any]:
        """Without ``from``, which ``sources`` resolves."""
        facts = super().signature()
        del facts["from_"]
        return facts

    def forward(self, m: "nn.Module", *inputs: "torch.Tensor") -> "torch.Tensor":
        """[(N, c, h, w), (N, c, h, w), ...] -> (N, c, h, w)."""
        x, *others = inputs
        for other in others:
            x = x + other
        return activate(self.activation, x)


@dataclass(frozen=True, kw_only=True)
class Upsample(Layer):
    """Nearest-neighbour enlargement: pj upsample_layer.c, blas.c:334."""

    type: ClassVar[str] = "upsample"

    stride: int = 2
    scale: float = 1.0

    def infer(self, *shapes: Shape) -> Shape:
        """(c, h, w) -> (c, h * stride, w * stride)."""
        shape = need_image(shapes[0])
        at_least(1, stride=self.stride)
        return Shape.image(shape.c, shape.h * self.stride, shape.w * self.stride)

    def forward(self, m: "nn.Module", *inputs: "torch.Tensor") -> "torch.Tensor":
        """(N, c, h, w) -> (N, c, h * stride, w * stride)."""
        from torch.nn import functional as F  # noqa: N812

        x = F.interpolate(inputs[0], scale_factor=self.stride, mode="nearest")
        return x if self.scale == 1.0 else x * self.scale
