"""[connected]: pj connected_layer.c, parser.c:259; AB connected_layer.c, parser.c:349."""

from collections.abc import Iterator
from typing import Any, ClassVar

from converter.darknet.dialects import DialectName
from converter.darknet.layers.activation import activate, activate_onnx, require_activation, zeroed
from converter.darknet.layers.base import Array, Graph, Layer, Modules, Shape, Tensor, at_least
from converter.records import dataclass


@dataclass(frozen=True, kw_only=True)
class Connected(Layer):
    """A fully connected layer over all values of its input."""

    type: ClassVar[str] = "connected"
    is_flat: ClassVar[bool] = True  # AB connected_layer.c:64

    output: int = 1
    activation: str = "logistic"
    batch_normalize: int = 0

    def infer(self, *shapes: Shape) -> Shape:
        """Any shape -> (output, 1, 1)."""
        at_least(1, output=self.output)
        require_activation(self.activation)
        return Shape.image(self.output, 1, 1)

    def arrays(self, shapes: tuple[Shape, ...], dialect: DialectName) -> Iterator[Array]:
        """biases, weights, [scales, rolling_mean, rolling_variance]: pj parser.c:1098."""
        yield self.array("biases", "bn.bias" if self.batch_normalize else "fc.bias", self.output)
        sides = (self.output, shapes[0].outputs)
        yield self.array("weights", "fc.weight", *sides, stored="connected")
        if self.batch_normalize:
            yield from self.norm_arrays(self.output)

    def obstacle(self, shapes: tuple[Shape, ...], dialect: DialectName) -> str | None:
        """An activation that it makes zeros of."""
        return zeroed(self.activation)

    def multiply_adds(self, shapes: tuple[Shape, ...], dialect: DialectName) -> int:
        """One for each weight."""
        return shapes[0].outputs * self.output

    def modules(self, shapes: tuple[Shape, ...], dialect: DialectName) -> Modules:
        """``fc``, and ``bn`` with batch norm."""
        from torch import nn

        fc = nn.Linear(shapes[0].outputs, self.output, bias=not self.batch_normalize)
        return {"fc": fc, "bn": nn.BatchNorm1d(self.output)} if self.batch_normalize else {"fc": fc}

    def forward(self, m: Any, *inputs: Tensor) -> Tensor:
        """(N, ...) -> (N, output, 1, 1)."""
        x = m.fc(inputs[0].flatten(1))
        x = m.bn(x) if self.batch_normalize else x
        x = activate(self.activation, x)
        # Not x[:, :, None, None]: OpenCV does not read the ONNX that this becomes.
        return x.reshape(*x.shape, 1, 1)

    def onnx(self, g: Graph, shapes: tuple[Shape, ...], *inputs: str) -> str:
        """(N, ...) -> (N, output, 1, 1)."""
        biases = () if self.batch_normalize else (g.weight("fc.bias"),)
        x = g.add("Flatten", inputs[0], axis=1)
        x = g.add("Gemm", x, g.weight("fc.weight"), *biases, name="fc", transB=1)
        x = g.reshape(x, 0, self.output, 1, 1)
        x = g.batch_norm(x, self.output) if self.batch_normalize else x
        return activate_onnx(g, self.activation, x)
