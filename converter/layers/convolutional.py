"""[convolutional]: pj convolutional_layer.c, parser.c:181; AB convolutional_layer.c, parser.c:171."""

import typing
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

from converter.layers.activation import activate, need_activation
from converter.layers.base import (
    Array,
    Dialect,
    Layer,
    Misfit,
    Shape,
    at_least,
    need_image,
)

if typing.TYPE_CHECKING:
    import torch
    from torch import nn


@dataclass(frozen=True, kw_only=True)
class Convolutional(Layer):
    """2-d convolution, then batch norm if asked for, then bias, then activation."""

    type: ClassVar[str] = "convolutional"

    filters: int = 1
    size: int = 1
    stride: int = 1
    pad: int = 0
    padding: int = 0
    groups: int = 1
    batch_normalize: int = 0
    activation: str = "logistic"
    flipped: int = 0
    binary: int = 0
    xnor: int = 0

    @property
    def pixels(self) -> int:
        """Pixels of zero padding on each side: any non-zero ``pad`` means size/2 (pj :189)."""
        return self.size // 2 if self.pad else self.padding

    def infer(self, *shapes: Shape) -> Shape:
        """(c, h, w) -> (filters, h', w')."""
        shape = need_image(shapes[0])
        at_least(1, filters=self.filters, size=self.size, stride=self.stride, groups=self.groups)
        at_least(0, padding=self.pixels)
        need_activation(self.activation)
        for what, count in (("input channels", shape.c), ("filters", self.filters)):
            if count % self.groups:
                raise Misfit(f"groups={self.groups} does not divide its {count} {what}")
        if self.numload not in (0, self.filters):
            raise Misfit(f"numload={self.numload} leaves some of its {self.filters} filters unset")
        # pj convolutional_layer.c:67-75
        return Shape.image(
            self.filters,
            (shape.h + 2 * self.pixels - self.size) // self.stride + 1,
            (shape.w + 2 * self.pixels - self.size) // self.stride + 1,
        )

    def arrays(self, shapes: tuple[Shape, ...], dialect: Dialect) -> Iterator[Array]:
        """biases, [scales, rolling_mean, rolling_variance,] weights: pj parser.c:1164."""
        kernel = (self.filters, shapes[0].c // self.groups, self.size, self.size)
        yield from bias_and_norm(self, self.filters)
        yield Array(
            kind="weights",
            suffix="conv.weight",
            shape=kernel,
            stored="transposed" if self.flipped else "as is",
            on_disk=not self.dontload,
        )

    def signature(self) -> dict[str, Any]:
        """Padding in pixels, however it was written."""
        facts = super().signature()
        del facts["pad"]
        return {**facts, "padding": self.pixels, "batch_normalize": bool(self.batch_normalize)}

    def modules(self, shapes: tuple[Shape, ...]) -> "dict[str, nn.Module]":
        """``conv``, and ``bn`` with batch norm."""
        from torch import nn

        conv = nn.Conv2d(
            shapes[0].c,
            self.filters,
            self.size,
            stride=self.stride,
            padding=self.pixels,
            groups=self.groups,
            bias=not self.batch_normalize,
        )
        return {"conv": conv, "bn": nn.BatchNorm2d(self.filters)} if self.batch_normalize else {"conv": conv}

    def forward(self, m: "nn.Module", *inputs: "torch.Tensor") -> "torch.Tensor":
        """(N, c, h, w) -> (N, filters, h', w')."""
        x = m.conv(inputs[0])
        return activate(self.activation, m.bn(x) if self.batch_normalize else x)


def bias_and_norm(layer: "Convolutional", count: int) -> Iterator[Array]:
    """The arrays of one value a filter, in file order; with batch norm ``biases`` is its beta."""
    load = not layer.dontload
    if not layer.batch_normalize:
        yield Array(kind="biases", suffix="conv.bias", shape=(count,), on_disk=load)
        return
    yield Array(kind="biases", suffix="bn.bias", shape=(count,), on_disk=load)
    scales = load and not layer.dontloadscales
    for kind, suffix in (
        ("scales", "bn.weight"),
        ("rolling_mean", "bn.running_mean"),
        ("rolling_variance", "bn.running_var"),
    ):
        yield Array(kind=kind, suffix=suffix, shape=(count,), on_disk=scales)
