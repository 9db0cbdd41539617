"""Layers that weigh maps by others: [sam], [scale_channels], and [implicit] that they weigh with.

AB sam_layer.c, scale_channels_layer.c, representation_layer.c, parser.c:1001-1041.
"""

import typing
from collections.abc import Iterator
from typing import Any, ClassVar

from converter.darknet.dialects import DIALECTS, DialectName
from converter.darknet.layers.activation import activate, activate_onnx, require_activation, zeroed
from converter.darknet.layers.base import (
    Array,
    Graph,
    Layer,
    Misfit,
    Modules,
    Shape,
    Tensor,
    absolute,
    at_least,
)
from converter.records import dataclass


@dataclass(frozen=True, kw_only=True)
class Product(Layer):
    """The previous layer's output times an earlier one's."""

    left_out: ClassVar[tuple[str, ...]] = ("from_",)  # ``sources`` resolves it

    from_: tuple[int, ...] = ()
    activation: str = "linear"

    def sources(self, index: int) -> tuple[int, ...]:
        """The previous layer, then the one it names."""
        if len(self.from_) != 1:
            raise Misfit("needs one layer in from=")
        return (absolute(index, -1), absolute(index, self.from_[0]))

    def refusal(self, shapes: tuple[Shape, ...], dialect: DialectName) -> str | None:
        """Activations that a strict engine does not take here: HK darknet_cfg.cpp:2233, :2261."""
        if DIALECTS[dialect].strict and self.activation in ("mish", "swish"):
            return f"activation={self.activation} is for other layers"
        return None

    def obstacle(self, shapes: tuple[Shape, ...], dialect: DialectName) -> str | None:
        """An activation that it makes zeros of."""
        return zeroed(self.activation)

    def forward(self, m: Any, *inputs: Tensor) -> Tensor:
        """(N, c, h, w), (N, c, 1, 1) or (N, 1, h, w); and (N, c, h, w) -> (N, c, h, w)."""
        return activate(self.activation, inputs[0] * inputs[1])

    def onnx(self, g: Graph, shapes: tuple[Shape, ...], *inputs: str) -> str:
        """(N, c, h, w), (N, c, 1, 1) or (N, 1, h, w); and (N, c, h, w) -> (N, c, h, w)."""
        return activate_onnx(g, self.activation, g.add("Mul", *inputs))


@dataclass(frozen=True, kw_only=True)
class Sam(Product):
    """Value by value: AB sam_layer.c:61."""

    type: ClassVar[str] = "sam"

    def infer(self, *shapes: Shape) -> Shape:
        """The shape of both."""
        require_activation(self.activation)
        if shapes[0].require_image() != shapes[1]:
            raise Misfit(f"multiplies {shapes[0]} by {shapes[1]}")
        return shapes[1]


@dataclass(frozen=True, kw_only=True)
class ScaleChannels(Product):
    """Each channel times one value, or with ``scale_wh`` each pixel: AB scale_channels_layer.c:65.

    The values are the previous layer's, (c, 1, 1) or (1, h, w).
    """

    type: ClassVar[str] = "scale_channels"

    scale_wh: int = 0

    def infer(self, *shapes: Shape) -> Shape:
        """The earlier layer's shape: AB scale_channels_layer.c:18-25."""
        require_activation(self.activation)
        factors, shape = map(Shape.require_image, shapes)
        wanted = (1, shape.h, shape.w) if self.scale_wh else (shape.c, 1, 1)
        if (factors.c, factors.h, factors.w) != wanted:
            raise Misfit(f"scales {shape} by {factors}, not {' x '.join(map(str, wanted))}")
        return shape


@dataclass(frozen=True, kw_only=True)
class Implicit(Layer):
    """Learned values that do not depend on the picture: AB representation_layer.c:58."""

    type: ClassVar[str] = "implicit"

    filters: int = 128
    atoms: int = 1

    def infer(self, *shapes: Shape) -> Shape:
        """(filters, atoms, 1), whatever the previous layer's."""
        at_least(1, filters=self.filters, atoms=self.atoms)
        return Shape.image(self.filters, self.atoms, 1)

    def arrays(self, shapes: tuple[Shape, ...], dialect: DialectName) -> Iterator[Array]:
        """weights: AB parser.c:2227."""
        yield self.array("weights", "weight", self.filters, self.atoms, 1)

    def modules(self, shapes: tuple[Shape, ...], dialect: DialectName) -> Modules:
        """``weight``."""
        return self.parameters(shapes, dialect)

    def forward(self, m: Any, *inputs: Tensor) -> Tensor:
        """(N, ...) -> (N, filters, atoms, 1), the same N times."""
        return typing.cast(Tensor, m.weight.repeat(inputs[0].shape[0], 1, 1, 1))

    def onnx(self, g: Graph, shapes: tuple[Shape, ...], *inputs: str) -> str:
        """(N, ...) -> (N, filters, atoms, 1), the same N times."""
        sides = (self.filters, self.atoms, 1)
        return g.each(g.weight("weight", (1, *sides)), sides, inputs[0])
