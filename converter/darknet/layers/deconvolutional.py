"""[deconvolutional]: pj deconvolutional_layer.c, parser.c:153-207."""

from collections.abc import Iterator
from typing import Any, ClassVar

from converter.darknet.dialects import DialectName
from converter.darknet.layers.activation import activate, activate_onnx, require_activation
from converter.darknet.layers.base import (
    Array,
    Graph,
    Layer,
    Misfit,
    Modules,
    Shape,
    Tensor,
    at_least,
)
from converter.darknet.layers.convolutional import bias_and_norm
from converter.records import dataclass


@dataclass(frozen=True, kw_only=True)
class Deconvolutional(Layer):
    """Transposed convolution, then batch norm if asked for, then bias, then activation."""

    type: ClassVar[str] = "deconvolutional"

    filters: int = 1
    size: int = 1
    stride: int = 1
    pad: int = 0
    padding: int = 0
    batch_normalize: int = 0
    activation: str = "logistic"

    @property
    def pixels(self) -> int:
        """Pixels that are cut off on each side: any non-zero ``pad`` means size/2."""
        return self.size // 2 if self.pad else self.padding

    @property
    def has_norm(self) -> bool:
        """Whether batch norm follows."""
        return bool(self.batch_normalize)

    def infer(self, *shapes: Shape) -> Shape:
        """(c, h, w) -> (filters, h', w'): pj deconvolutional_layer.c:67."""
        shape = shapes[0].require_image()
        at_least(1, filters=self.filters, size=self.size, stride=self.stride)
        at_least(0, padding=self.pixels)
        require_activation(self.activation)
        if self.numload not in (0, self.filters):
            raise Misfit(f"numload={self.numload} leaves some of its {self.filters} filters unset")
        around = self.size - 2 * self.pixels
        return Shape.image(
            self.filters,
            (shape.h - 1) * self.stride + around,
            (shape.w - 1) * self.stride + around,
        )

    def arrays(self, shapes: tuple[Shape, ...], dialect: DialectName) -> Iterator[Array]:
        """As a convolution's; a kernel is (c, filters, size, size): pj :222, parser.c:1164."""
        yield from bias_and_norm(self, self.filters, has_norm=self.has_norm)
        kernels = (shapes[0].c, self.filters, self.size, self.size)
        yield self.array("weights", "conv.weight", *kernels)

    def multiply_adds(self, shapes: tuple[Shape, ...], dialect: DialectName) -> int:
        """Every value of the input meets every filter."""
        return shapes[0].outputs * self.filters * self.size**2

    def modules(self, shapes: tuple[Shape, ...], dialect: DialectName) -> Modules:
        """``conv``, and ``bn`` with batch norm."""
        from torch import nn

        conv = nn.ConvTranspose2d(
            shapes[0].c,
            self.filters,
            self.size,
            stride=self.stride,
            padding=self.pixels,
            bias=not self.has_norm,
        )
        return (
            {"conv": conv, "bn": nn.BatchNorm2d(self.filters)} if self.has_norm else {"conv": conv}
        )

    def forward(self, m: Any, *inputs: Tensor) -> Tensor:
        """(N, c, h, w) -> (N, filters, h', w')."""
        x = m.conv(inputs[0])
        return activate(self.activation, m.bn(x) if self.has_norm else x)

    def onnx(self, g: Graph, shapes: tuple[Shape, ...], *inputs: str) -> str:
        """(N, c, h, w) -> (N, filters, h', w')."""
        x = g.add(
            "ConvTranspose",
            inputs[0],
            g.weight("conv.weight"),
            *(() if self.has_norm else (g.weight("conv.bias"),)),
            name="conv",
            kernel_shape=[self.size] * 2,
            strides=[self.stride] * 2,
            pads=[self.pixels] * 4,
        )
        x = g.batch_norm(x, self.filters) if self.has_norm else x
        return activate_onnx(g, self.activation, x)
