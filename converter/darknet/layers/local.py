"""[local]: a convolution with its own kernels at every place. pj and AB local_layer.c."""

from collections.abc import Iterator
from typing import Any, ClassVar

from converter.darknet.dialects import DialectName
from converter.darknet.layers.activation import activate, activate_onnx, require_activation, zeroed
from converter.darknet.layers.base import Array, Graph, Layer, Modules, Shape, Tensor, at_least
from converter.records import dataclass


@dataclass(frozen=True, kw_only=True)
class Local(Layer):
    """A locally connected layer. ``pad`` is pixels here: pj local_layer.c:104."""

    type: ClassVar[str] = "local"

    filters: int = 1
    size: int = 1
    stride: int = 1
    pad: int = 0
    activation: str = "logistic"

    def infer(self, *shapes: Shape) -> Shape:
        """(c, h, w) -> (filters, h', w'), as if any padding kept the size: pj local_layer.c:10."""
        shape = shapes[0].require_image()
        at_least(1, filters=self.filters, size=self.size, stride=self.stride)
        at_least(0, pad=self.pad)
        require_activation(self.activation)
        lost = 1 if self.pad else self.size
        return Shape.image(
            self.filters,
            (shape.h - lost) // self.stride + 1,
            (shape.w - lost) // self.stride + 1,
        )

    def arrays(self, shapes: tuple[Shape, ...], dialect: DialectName) -> Iterator[Array]:
        """biases, weights: pj parser.c:1292."""
        out = self.infer(*shapes)
        yield self.array("biases", "bias", out.c, out.h, out.w)
        kernels = (out.h * out.w, self.filters, shapes[0].c, self.size, self.size)
        yield self.array("weights", "weight", *kernels)

    def obstacle(self, shapes: tuple[Shape, ...], dialect: DialectName) -> str | None:
        """A padding that does not keep the size, or an activation that it makes zeros of."""
        if self.pad and 2 * self.pad != self.size - 1:
            return f"size={self.size} with pad={self.pad}: the engines read columns at wrong places"
        return zeroed(self.activation)

    def multiply_adds(self, shapes: tuple[Shape, ...], dialect: DialectName) -> int:
        """One for each weight."""
        return self.infer(*shapes).outputs * shapes[0].c * self.size**2

    def modules(self, shapes: tuple[Shape, ...], dialect: DialectName) -> Modules:
        """``bias`` and ``weight``."""
        return self.parameters(shapes, dialect)

    def forward(self, m: Any, *inputs: Tensor) -> Tensor:
        """(N, c, h, w) -> (N, filters, h', w')."""
        import torch
        from torch.nn import functional as F

        columns = F.unfold(inputs[0], self.size, padding=self.pad, stride=self.stride)  # (N, k, l)
        kernels = m.weight.flatten(2)  # (l, filters, k)
        x = torch.einsum("nkl,lfk->nfl", columns, kernels).reshape(-1, *m.bias.shape)
        return activate(self.activation, x + m.bias)

    def onnx(self, g: Graph, shapes: tuple[Shape, ...], *inputs: str) -> str:
        """(N, c, h, w) -> (N, filters, h', w')."""
        import numpy as np

        out, c, area = self.infer(*shapes), shapes[0].c, self.size**2
        places = out.h * out.w
        # Kernels of one 1 each copy the pixels of every window, channel by channel.
        pixel = np.eye(area).reshape(area, 1, self.size, self.size)
        columns = g.add(
            "Conv",
            inputs[0],
            g.constant("pixels", np.tile(pixel, (c, 1, 1, 1))),
            group=c,
            strides=[self.stride] * 2,
            pads=[self.pad] * 4,
        )
        columns = g.add("Transpose", g.reshape(columns, 0, c * area, places), perm=[0, 2, 1])
        kernels = g.weight("weight", (places, self.filters, c * area))
        x = g.add("MatMul", kernels, g.reshape(columns, 0, places, c * area, 1))  # (N, l, f, 1)
        x = g.add("Transpose", x, perm=[0, 2, 1, 3])
        x = g.reshape(x, 0, self.filters, out.h, out.w)
        return activate_onnx(g, self.activation, g.add("Add", x, g.weight("bias")))
