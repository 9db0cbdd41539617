"""Layers without weights that keep their input's size: [dropout], [softmax], [cost]."""

import typing
from dataclasses import dataclass
from typing import ClassVar

from converter.layers.base import Layer, Misfit, Shape

if typing.TYPE_CHECKING:
    import torch
    from torch import nn


@dataclass(frozen=True, kw_only=True)
class Dropout(Layer):
    """Nothing at inference."""

    type: ClassVar[str] = "dropout"

    def forward(self, m: "nn.Module", *inputs: "torch.Tensor") -> "torch.Tensor":
        """The input."""
        return inputs[0]


@dataclass(frozen=True, kw_only=True)
class Softmax(Layer):
    """Softmax over ``groups`` equal parts of all values: pj softmax_layer.c, blas.c:299."""

    type: ClassVar[str] = "softmax"

    groups: int = 1
    temperature: float = 1.0
    spatial: float = 0.0
    tree: str = ""

    def infer(self, *shapes: Shape) -> Shape:
        """Only the count survives: pj softmax_layer.c:11 sets no out_c, out_h, out_w."""
        if self.groups < 1 or shapes[0].outputs % self.groups:
            raise Misfit(f"groups={self.groups} does not divide its {shapes[0].outputs} values")
        return Shape(shapes[0].outputs)


@dataclass(frozen=True, kw_only=True)
class Cost(Layer):
    """The training loss; nothing at inference."""

    type: ClassVar[str] = "cost"

    def infer(self, *shapes: Shape) -> Shape:
        """Only the count survives: pj cost_layer.c:38."""
        return Shape(shapes[0].outputs)
