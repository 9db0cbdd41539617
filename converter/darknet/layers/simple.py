"""Layers without weights, or with those of batch norm only, that keep their input's size."""

import typing
from collections.abc import Iterator
from typing import Any, ClassVar

from converter.darknet.dialects import DIALECTS, DialectName
from converter.darknet.layers.activation import activate, activate_onnx, require_activation, zeroed
from converter.darknet.layers.base import (
    NORM,
    Array,
    Graph,
    Layer,
    Misfit,
    Modules,
    Shape,
    Tensor,
    at_least,
)
from converter.records import dataclass


@dataclass(frozen=True, kw_only=True)
class Activation(Layer):
    """A function of every value: pj activation_layer.c:38."""

    type: ClassVar[str] = "activation"

    activation: str = "linear"

    def infer(self, *shapes: Shape) -> Shape:
        """The input's shape."""
        require_activation(self.activation)
        return shapes[0]

    def obstacle(self, shapes: tuple[Shape, ...], dialect: DialectName) -> str | None:
        """An activation that it makes zeros of."""
        return zeroed(self.activation)

    def forward(self, m: Any, *inputs: Tensor) -> Tensor:
        """(N, ...) -> (N, ...)."""
        return activate(self.activation, inputs[0])

    def onnx(self, g: Graph, shapes: tuple[Shape, ...], *inputs: str) -> str:
        """(N, ...) -> (N, ...)."""
        return activate_onnx(g, self.activation, inputs[0])


@dataclass(frozen=True, kw_only=True)
class Logistic(Layer):
    """The logistic function; in training also a cross entropy: pj logistic_layer.c:38."""

    type: ClassVar[str] = "logistic"

    def forward(self, m: Any, *inputs: Tensor) -> Tensor:
        """(N, ...) -> (N, ...)."""
        return activate("logistic", inputs[0])

    def onnx(self, g: Graph, shapes: tuple[Shape, ...], *inputs: str) -> str:
        """(N, ...) -> (N, ...)."""
        return activate_onnx(g, "logistic", inputs[0])


@dataclass(frozen=True, kw_only=True)
class Batchnorm(Layer):
    """Batch norm of every channel: pj batchnorm_layer.c:135, AB batchnorm_layer.c:185."""

    type: ClassVar[str] = "batchnorm"

    def infer(self, *shapes: Shape) -> Shape:
        """The input's shape."""
        return shapes[0].require_image()

    def arrays(self, shapes: tuple[Shape, ...], dialect: DialectName) -> Iterator[Array]:
        """[biases,] scales, rolling_mean, rolling_variance: pj parser.c:1122, AB :2117.

        pj adds biases, too, but neither writes nor reads them: they stay 0.
        """
        if DIALECTS[dialect].batchnorm_biases:
            yield self.array("biases", "bn.bias", shapes[0].c)
        for kind, suffix in NORM.items():
            yield self.array(kind, suffix, shapes[0].c)

    def modules(self, shapes: tuple[Shape, ...], dialect: DialectName) -> Modules:
        """``bn``; without bias as pj writes it."""
        from torch import nn

        bn = nn.BatchNorm2d(shapes[0].c)
        if not DIALECTS[dialect].batchnorm_biases:
            bn.register_parameter("bias", None)
        return {"bn": bn}

    def forward(self, m: Any, *inputs: Tensor) -> Tensor:
        """(N, c, h, w) -> (N, c, h, w)."""
        return typing.cast(Tensor, m.bn(inputs[0]))

    def onnx(self, g: Graph, shapes: tuple[Shape, ...], *inputs: str) -> str:
        """(N, c, h, w) -> (N, c, h, w)."""
        bias = DIALECTS[g.dialect].batchnorm_biases
        return g.batch_norm(inputs[0], shapes[0].c, bias=bias)


class _Unchanged(Layer):
    """What goes in comes out."""

    def forward(self, m: Any, *inputs: Tensor) -> Tensor:
        """The input."""
        return inputs[0]

    def onnx(self, g: Graph, shapes: tuple[Shape, ...], *inputs: str) -> str:
        """The input."""
        return inputs[0]


@dataclass(frozen=True, kw_only=True)
class Dropout(_Unchanged):
    """Nothing at inference."""

    type: ClassVar[str] = "dropout"


@dataclass(frozen=True, kw_only=True)
class Empty(_Unchanged):
    """Nothing at all: AB parser.c:1524."""

    type: ClassVar[str] = "empty"


@dataclass(frozen=True, kw_only=True)
class Cost(Layer):
    """The training loss; nothing at inference."""

    type: ClassVar[str] = "cost"
    has_output: ClassVar[bool] = False

    def infer(self, *shapes: Shape) -> Shape:
        """Only the count survives: pj cost_layer.c:41."""
        return Shape(shapes[0].outputs)


@dataclass(frozen=True, kw_only=True)
class Contrastive(Layer):
    """A training loss on embeddings; its output stays 0 at inference: AB softmax_layer.c:219."""

    type: ClassVar[str] = "contrastive"

    def infer(self, *shapes: Shape) -> Shape:
        """Only the count survives: AB softmax_layer.c:167."""
        return Shape(shapes[0].outputs)

    def forward(self, m: Any, *inputs: Tensor) -> Tensor:
        """(N, ...) -> (N, outputs) zeros."""
        import torch

        return torch.zeros_like(inputs[0].flatten(1))

    def onnx(self, g: Graph, shapes: tuple[Shape, ...], *inputs: str) -> str:
        """(N, ...) -> (N, outputs) zeros."""
        return g.zeros((shapes[0].outputs,), inputs[0])


@dataclass(frozen=True, kw_only=True)
class L2norm(Layer):
    """Every pixel's channels to length 1: pj l2norm_layer.c:37, blas.c:126."""

    type: ClassVar[str] = "l2norm"

    def infer(self, *shapes: Shape) -> Shape:
        """The input's shape."""
        return shapes[0].require_image()

    def forward(self, m: Any, *inputs: Tensor) -> Tensor:
        """(N, c, h, w) -> (N, c, h, w)."""
        return inputs[0] / inputs[0].square().sum(1, keepdim=True).sqrt()

    def onnx(self, g: Graph, shapes: tuple[Shape, ...], *inputs: str) -> str:
        """(N, c, h, w) -> (N, c, h, w)."""
        return g.add("Div", inputs[0], g.reduce("ReduceL2", inputs[0], 1))


@dataclass(frozen=True, kw_only=True)
class Normalization(Layer):
    """Local response normalisation with Darknet's running window: pj normalization_layer.c:66.

    Channel k is divided by (kappa + alpha * S)^beta. S starts with the squares of channels
    0 ... size/2 - 1; from channel to channel one enters and one leaves, but the square of channel
    size/2 never entered before it leaves.
    """

    type: ClassVar[str] = "normalization"

    alpha: float = 0.0001
    beta: float = 0.75
    kappa: float = 1.0
    size: int = 5

    def infer(self, *shapes: Shape) -> Shape:
        """The input's shape."""
        at_least(1, size=self.size)
        if self.size // 2 > shapes[0].require_image().c:
            raise Misfit(f"size={self.size} is too large for its {shapes[0].c} channels")
        return shapes[0]

    def forward(self, m: Any, *inputs: Tensor) -> Tensor:
        """(N, c, h, w) -> (N, c, h, w)."""
        import torch
        from torch.nn import functional as F

        x = inputs[0]
        squares = self.alpha * x.square()
        steps = x.shape[1] - 1
        half, behind = self.size // 2, (self.size - 1) // 2
        first = self.kappa + squares[:, :half].sum(1, keepdim=True)
        entering = squares[:, half + 1 :]
        leaving = squares[:, : max(0, steps - behind)]
        change = F.pad(entering, (0, 0, 0, 0, 0, steps - entering.shape[1])) - F.pad(
            leaving, (0, 0, 0, 0, steps - leaving.shape[1], 0)
        )
        norms = torch.cat([first, first + change.cumsum(1)], 1)
        return x * norms.pow(-self.beta)

    def onnx(self, g: Graph, shapes: tuple[Shape, ...], *inputs: str) -> str:
        """(N, c, h, w) -> (N, c, h, w); what S sums up is a 1x1 convolution."""
        x, c = inputs[0], shapes[0].c
        terms = [[[[self.alpha * n]] for n in row] for row in self._terms(c)]
        sums = g.add(
            "Conv",
            g.add("Mul", x, x),
            g.constant("terms", terms),
            g.constant("kappa", [self.kappa] * c),
        )
        return g.add("Mul", x, g.add("Pow", sums, -self.beta))

    def _terms(self, channels: int) -> list[list[int]]:
        """How often S of each channel has the square of each channel."""
        half, behind = self.size // 2, (self.size - 1) // 2
        row = [int(channel < half) for channel in range(channels)]
        rows = [row]
        for channel in range(1, channels):
            row = list(row)
            if channel + half < channels:
                row[channel + half] += 1
            if channel > behind:
                row[channel - behind - 1] -= 1
            rows.append(row)
        return rows
