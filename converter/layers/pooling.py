"""[maxpool] and [avgpool]: pj maxpool_layer.c, avgpool_layer.c, parser.c:481-513."""

import typing
from dataclasses import dataclass
from typing import Any, ClassVar

from converter.layers.base import Layer, Shape, at_least, need_image

if typing.TYPE_CHECKING:
    import torch
    from torch import nn


@dataclass(frozen=True, kw_only=True)
class Maxpool(Layer):
    """Max-pooling whose window starts at -(padding/2); outside counts as -FLT_MAX.

    ``size`` defaults to ``stride`` and ``padding`` to ``size - 1`` (pj parser.c:484-485), which -1
    stands for here.
    """

    type: ClassVar[str] = "maxpool"

    stride: int = 1
    size: int = -1
    padding: int = -1

    @property
    def window(self) -> int:
        """Side of the window, in pixels."""
        return self.stride if self.size == -1 else self.size

    @property
    def pixels(self) -> int:
        """Padding in pixels, both sides together."""
        return self.window - 1 if self.padding == -1 else self.padding

    def infer(self, *shapes: Shape) -> Shape:
        """(c, h, w) -> (c, h', w'): pj maxpool_layer.c:30."""
        shape = need_image(shapes[0])
        at_least(1, stride=self.stride, size=self.window)
        at_least(0, padding=self.pixels)
        return Shape.image(
            shape.c,
            (shape.h + self.pixels - self.window) // self.stride + 1,
            (shape.w + self.pixels - self.window) // self.stride + 1,
        )

    def signature(self) -> dict[str, Any]:
        """Window and padding, however they were written."""
        return {**super().signature(), "size": self.window, "padding": self.pixels}

    def forward(self, m: "nn.Module", *inputs: "torch.Tensor") -> "torch.Tensor":
        """(N, c, h, w) -> (N, c, h', w')."""
        import torch
        from torch.nn import functional as F  # noqa: N812

        x = inputs[0]
        shape = self.infer(Shape.image(*x.shape[1:]))
        before = self.pixels // 2
        below = (shape.h - 1) * self.stride + self.window - x.shape[2] - before
        right = (shape.w - 1) * self.stride + self.window - x.shape[3] - before
        if before == below == right and before <= self.window // 2:
            return F.max_pool2d(x, self.window, self.stride, before)
        if (before, below, right) != (0, 0, 0):
            x = F.pad(x, (before, right, before, below), value=torch.finfo(x.dtype).min)
        return F.max_pool2d(x, self.window, self.stride)


@dataclass(frozen=True, kw_only=True)
class Avgpool(Layer):
    """The mean of every channel."""

    type: ClassVar[str] = "avgpool"

    def infer(self, *shapes: Shape) -> Shape:
        """(c, h, w) -> (c, 1, 1)."""
        return Shape.image(need_image(shapes[0]).c, 1, 1)

    def forward(self, m: "nn.Module", *inputs: "torch.Tensor") -> "torch.Tensor":
        """(N, c, h, w) -> (N, c, 1, 1)."""
        return inputs[0].mean((2, 3), keepdim=True)
