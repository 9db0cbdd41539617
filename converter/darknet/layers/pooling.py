"""[maxpool], [local_avgpool] and [avgpool].

pj maxpool_layer.c, avgpool_layer.c, parser.c:483-511; AB maxpool_layer.c, parser.c:814-859.
"""

from typing import Any, ClassVar

from converter.darknet.dialects import DialectName
from converter.darknet.layers.base import Graph, Layer, Misfit, Shape, Tensor, at_least
from converter.darknet.layers.blur import blur, blur_onnx, blurred
from converter.records import dataclass

LOWEST = -3.4028234663852886e38  # -FLT_MAX


@dataclass(frozen=True, kw_only=True)
class Pool(Layer):
    """A window that starts at -(padding/2) and moves over the picture.

    ``size`` defaults to ``stride`` and ``padding`` to ``size - 1`` (pj parser.c:485-487), which -1
    stands for here.
    """

    left_out: ClassVar[tuple[str, ...]] = ("stride_x", "stride_y")

    stride: int = 1
    stride_x: int = -1
    stride_y: int = -1
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

    @property
    def strides(self) -> tuple[int, int]:
        """Steps in y and in x: AB parser.c:840."""
        return tuple(self.stride if s == -1 else s for s in (self.stride_y, self.stride_x))  # type: ignore[return-value]

    def signature(self) -> dict[str, Any]:
        """Window, strides and padding, however they were written."""
        facts = {"size": self.window, "padding": self.pixels, "stride": self.strides}
        return super().signature() | facts

    def pooled(self, shape: Shape, strides: tuple[int, int]) -> Shape:
        """(c, h, w) -> (c, h', w'): pj maxpool_layer.c:30."""
        at_least(1, stride=min(strides), size=self.window)
        at_least(0, padding=self.pixels)
        y, x = strides
        return Shape.image(
            shape.c,
            (shape.h + self.pixels - self.window) // y + 1,
            (shape.w + self.pixels - self.window) // x + 1,
        )

    def margins(self, h: int, w: int, strides: tuple[int, int]) -> tuple[int, int, int, int]:
        """Pixels left, right, above and below that the windows reach beyond (h, w); may be < 0."""
        out = self.pooled(Shape.image(1, h, w), strides)
        before = self.pixels // 2  # C rounds -pad/2 towards zero: pj maxpool_layer.c:82
        below = (out.h - 1) * strides[0] + self.window - h - before
        right = (out.w - 1) * strides[1] + self.window - w - before
        return before, right, before, below


@dataclass(frozen=True, kw_only=True)
class Maxpool(Pool):
    """The largest value in the window; outside the picture counts as -FLT_MAX.

    With ``maxpool_depth`` it is the largest of every ``out_channels``-th channel, and the picture
    keeps its size (AB maxpool_layer.c:245).
    """

    type: ClassVar[str] = "maxpool"

    maxpool_depth: int = 0
    out_channels: int = 1
    antialiasing: int = 0

    def infer(self, *shapes: Shape) -> Shape:
        """(c, h, w) -> (c, h', w'), or (out_channels, h, w) with ``maxpool_depth``."""
        shape = shapes[0].require_image()
        if self.maxpool_depth:
            at_least(1, out_channels=self.out_channels)
            if self.out_channels > shape.c:
                raise Misfit(f"out_channels={self.out_channels} exceeds its {shape.c} channels")
            return Shape.image(self.out_channels, shape.h, shape.w)
        if not self.antialiasing:
            return self.pooled(shape, self.strides)
        return blurred(self.pooled(shape, (1, 1)), self.strides, self.antialiasing)

    def obstacle(self, shapes: tuple[Shape, ...], dialect: DialectName) -> str | None:
        """Two options that AlexeyAB's engine only seems to combine."""
        if self.maxpool_depth and self.antialiasing:
            return "AlexeyAB's engine does not blur with maxpool_depth, but goes on as if it had"
        return None

    def forward(self, m: Any, *inputs: Tensor) -> Tensor:
        """(N, c, h, w) -> (N, c', h', w')."""
        import torch
        from torch.nn import functional as F

        x = inputs[0]
        lowest = torch.finfo(x.dtype).min
        if self.maxpool_depth:
            x = F.pad(x, (0, 0, 0, 0, 0, -x.shape[1] % self.out_channels), value=lowest)
            return x.reshape(x.shape[0], -1, self.out_channels, *x.shape[2:]).amax(1)
        strides = (1, 1) if self.antialiasing else self.strides
        left, right, above, below = self.margins(x.shape[2], x.shape[3], strides)
        if left == right == above == below and left <= self.window // 2:
            x = F.max_pool2d(x, self.window, strides, left)
        else:
            x = F.pad(x, (left, right, above, below), value=lowest)
            x = F.max_pool2d(x, self.window, strides)
        return blur(x, self.strides, self.antialiasing) if self.antialiasing else x

    def onnx(self, g: Graph, shapes: tuple[Shape, ...], *inputs: str) -> str:
        """(N, c, h, w) -> (N, c', h', w')."""
        x, shape = inputs[0], shapes[0]
        if self.maxpool_depth:
            return self._deepest_onnx(g, x, shape)
        strides = (1, 1) if self.antialiasing else self.strides
        pads = _pads(self.margins(shape.h, shape.w, strides))
        if max(pads) >= self.window:  # windows without any pixel, which no runtime takes
            x = g.add("Pad", x, (0, 0, *pads[:2], 0, 0, *pads[2:]), LOWEST)
            pads = [0] * 4
        x = g.add("MaxPool", x, kernel_shape=[self.window] * 2, strides=list(strides), pads=pads)
        return blur_onnx(g, x, self.strides, self.antialiasing) if self.antialiasing else x

    def _deepest_onnx(self, g: Graph, x: str, shape: Shape) -> str:
        missing = -shape.c % self.out_channels
        if missing:
            x = g.add("Pad", x, (0, 0, 0, 0, 0, missing, 0, 0), LOWEST)
        parts = [
            g.slice(x, 1, first, first + self.out_channels)
            for first in range(0, shape.c + missing, self.out_channels)
        ]
        return g.add("Max", *parts)


@dataclass(frozen=True, kw_only=True)
class LocalAvgpool(Pool):
    """The mean of those pixels of the window that lie in the picture: AB maxpool_layer.c:343."""

    type: ClassVar[str] = "local_avgpool"

    def infer(self, *shapes: Shape) -> Shape:
        """(c, h, w) -> (c, h', w')."""
        return self.pooled(shapes[0].require_image(), self.strides)

    def obstacle(self, shapes: tuple[Shape, ...], dialect: DialectName) -> str | None:
        """Windows of which the engine divides nothing by nothing."""
        if max(self.margins(shapes[0].h, shapes[0].w, self.strides)) < self.window:
            return None
        return f"padding={self.pixels} leaves windows without any pixel to average"

    def forward(self, m: Any, *inputs: Tensor) -> Tensor:
        """(N, c, h, w) -> (N, c, h', w')."""
        import torch
        from torch.nn import functional as F

        def total(x: Tensor) -> Tensor:
            padded = F.pad(x, self.margins(x.shape[2], x.shape[3], self.strides))
            return F.avg_pool2d(padded, self.window, self.strides, divisor_override=1)

        x = inputs[0]
        return total(x) / total(torch.ones_like(x[:1, :1]))

    def onnx(self, g: Graph, shapes: tuple[Shape, ...], *inputs: str) -> str:
        """(N, c, h, w) -> (N, c, h', w')."""
        return g.add(
            "AveragePool",
            inputs[0],
            kernel_shape=[self.window] * 2,
            strides=list(self.strides),
            pads=_pads(self.margins(shapes[0].h, shapes[0].w, self.strides)),
        )


@dataclass(frozen=True, kw_only=True)
class Avgpool(Layer):
    """The mean of every channel."""

    type: ClassVar[str] = "avgpool"

    def infer(self, *shapes: Shape) -> Shape:
        """(c, h, w) -> (c, 1, 1)."""
        return Shape.image(shapes[0].require_image().c, 1, 1)

    def forward(self, m: Any, *inputs: Tensor) -> Tensor:
        """(N, c, h, w) -> (N, c, 1, 1)."""
        return inputs[0].mean((2, 3), keepdim=True)

    def onnx(self, g: Graph, shapes: tuple[Shape, ...], *inputs: str) -> str:
        """(N, c, h, w) -> (N, c, 1, 1)."""
        return g.add("GlobalAveragePool", inputs[0])


def _pads(margins: tuple[int, int, int, int]) -> list[int]:
    """``Pool.margins`` as ONNX has them: above, left, below, right.

    One below 0 is what no window reaches, which needs no saying.
    """
    left, right, above, below = (max(0, margin) for margin in margins)
    return [above, left, below, right]
