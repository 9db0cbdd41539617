"""[convolutional]: pj convolutional_layer.c, parser.c:153-207; AB parser.c:169-249."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any, ClassVar

from converter.darknet.dialects import DIALECTS, DialectName
from converter.darknet.layers.activation import activate, activate_onnx, require_activation
from converter.darknet.layers.base import (
    Array,
    Graph,
    Layer,
    Misfit,
    Modules,
    Shape,
    Stored,
    Tensor,
    absolute,
    at_least,
)
from converter.darknet.layers.blur import blur, blur_onnx, blurred
from converter.records import dataclass

NOT_SHARED = -1000000000  # AB parser.c:198
DEFORMATIONS = ("sway", "rotate", "stretch", "stretch_sway")


@dataclass(frozen=True, kw_only=True)
class Convolutional(Layer):
    """2-d convolution, then batch norm if asked for, then bias, then activation.

    ``xnor`` convolves the signs of its input with the signs of its weights, times the mean
    magnitude of each filter: pj convolutional_layer.c:451, AB convolutional_kernels.cu:184, :417.
    Not followed are AB's CPU code, which takes filter 0's mean over the whole layer and reads
    beyond its arrays (convolutional_layer.c:1214), and its packed bits, which it detects with and
    which count padding as -1 (:1239). ``bin_output`` only matters to those (AB network.c:1410).

    ``binary`` and ``coordconv`` change nothing here, as in the CPU builds of pj and AB, which
    swap binary weights in a copy of the layer (pj convolutional_layer.c:484, AB :1406); only their
    GPU code computes with them (pj convolutional_kernels.cu:77, AB :179).
    """

    type: ClassVar[str] = "convolutional"
    left_out: ClassVar[tuple[str, ...]] = ("pad", "stride_x", "stride_y", "cbn")

    filters: int = 1
    size: int = 1
    stride: int = 1
    stride_x: int = -1
    stride_y: int = -1
    dilation: int = 1
    pad: int = 0
    padding: int = 0
    groups: int = 1
    batch_normalize: int = 0
    cbn: int = 0
    activation: str = "logistic"
    flipped: int = 0
    binary: int = 0
    xnor: int = 0
    antialiasing: int = 0
    share_index: int = NOT_SHARED
    sway: int = 0
    rotate: int = 0
    stretch: int = 0
    stretch_sway: int = 0
    coordconv: int = 0

    @property
    def pixels(self) -> int:
        """Pixels of zero padding on each side: any non-zero ``pad`` means size/2 (pj parser.c:187).

        With a dilation the picture is padded by that many times as much (AB :1375).
        """
        return self.size // 2 if self.pad else self.padding

    @property
    def strides(self) -> tuple[int, int]:
        """Steps in y and in x: AB parser.c:176-186."""
        return tuple(s if s >= 1 else self.stride for s in (self.stride_y, self.stride_x))  # type: ignore[return-value]

    @property
    def spread(self) -> int:
        """The dilation, which a 1x1 kernel has none of: AB parser.c:188."""
        return 1 if self.size == 1 else self.dilation

    @property
    def has_norm(self) -> bool:
        """Whether batch norm follows; ``cbn`` differs from it in training only."""
        return bool(self.batch_normalize or self.cbn)

    @property
    def shares(self) -> bool:
        """Whether it uses another layer's arrays and owns none."""
        return self.share_index != NOT_SHARED

    def groups_of(self, dialect: DialectName) -> int:
        """Groups that its channels are split into: AB convolves signs undivided (AB :510)."""
        return self.groups if DIALECTS[dialect].xnor_groups or not self.xnor else 1

    def owner(self, index: int) -> int:
        """The layer that ``share_index`` names: AB parser.c:198-201."""
        return absolute(index, self.share_index) if self.shares else index

    def infer(self, *shapes: Shape) -> Shape:
        """(c, h, w) -> (filters, h', w'); the dilation does not count: AB :78-86."""
        shape = shapes[0].require_image()
        at_least(1, filters=self.filters, size=self.size, groups=self.groups)
        at_least(1, stride=min(self.strides), dilation=self.dilation)
        at_least(0, padding=self.pixels)
        require_activation(self.activation)
        for what, count in (("input channels", shape.c), ("filters", self.filters)):
            if count % self.groups:
                raise Misfit(f"groups={self.groups} does not divide its {count} {what}")
        if self.numload not in (0, self.filters):
            raise Misfit(f"numload={self.numload} leaves some of its {self.filters} filters unset")
        y, x = (1, 1) if self.antialiasing else self.strides
        around = 2 * self.pixels - self.size
        h, w = shape.h + around, shape.w + around
        full = Shape.image(self.filters, h // y + 1, w // x + 1)
        return blurred(full, self.strides, self.antialiasing) if self.antialiasing else full

    def arrays(self, shapes: tuple[Shape, ...], dialect: DialectName) -> Iterator[Array]:
        """biases, [scales, rolling_mean, rolling_variance,] weights: pj parser.c:1164.

        A layer that shares owns no bytes: AB parser.c:2280.
        """
        if self.shares:
            return
        channels = shapes[0].c // self.groups_of(dialect)
        kernels = (self.filters, channels, self.size, self.size)
        yield from bias_and_norm(self, self.filters, has_norm=self.has_norm)
        stored: Stored = "transposed" if self.flipped else "as is"
        yield self.array("weights", "conv.weight", *kernels, stored=stored)

    def signature(self) -> dict[str, Any]:
        """Padding and strides in pixels, however they were written."""
        return {
            **super().signature(),
            "padding": self.pixels,
            "stride": self.strides,
            "dilation": self.spread,
            "batch_normalize": self.has_norm,
        }

    def obstacle(self, shapes: tuple[Shape, ...], dialect: DialectName) -> str | None:
        """Kernels that only GPU code computes, and those that an engine misplaces."""
        deformed = next((name for name in DEFORMATIONS if getattr(self, name)), None)
        if deformed:
            return f"{deformed}=1 deforms its kernels, which only AlexeyAB's GPU code does"
        if self.spread > 1 and 2 * self.pixels != self.size - 1:
            return (
                f"dilation={self.dilation} without padding that keeps the size:"
                " AlexeyAB's engine reads its columns at wrong places"
            )
        return None

    def multiply_adds(self, shapes: tuple[Shape, ...], dialect: DialectName) -> int:
        """With antialiasing of every pixel: the blur picks some of them afterwards (AB :617)."""
        layer = self
        if self.antialiasing:
            layer = replace(self, stride=1, stride_x=-1, stride_y=-1, antialiasing=0)
        channels = shapes[0].c // self.groups_of(dialect)
        return layer.infer(*shapes).outputs * channels * self.size**2

    def modules(self, shapes: tuple[Shape, ...], dialect: DialectName) -> Modules:
        """``conv``, and ``bn`` with batch norm; none if shared."""
        from torch import nn

        if self.shares:
            return {}
        conv = nn.Conv2d(
            shapes[0].c,
            self.filters,
            self.size,
            stride=(1, 1) if self.antialiasing else self.strides,
            padding=self.pixels * self.spread,
            dilation=self.spread,
            groups=self.groups_of(dialect),
            bias=not self.has_norm,
        )
        return (
            {"conv": conv, "bn": nn.BatchNorm2d(self.filters)} if self.has_norm else {"conv": conv}
        )

    def forward(self, m: Any, *inputs: Tensor) -> Tensor:
        """(N, c, h, w) -> (N, filters, h', w'); ``m`` is the owner's, so the options are not."""
        from torch.nn import functional as F

        x, kernels = inputs[0], m.conv.weight
        if self.xnor:
            x, kernels = _binarised(x, kernels, training=m.training)
        x = F.conv2d(
            x,
            kernels,
            m.conv.bias,
            (1, 1) if self.antialiasing else self.strides,
            self.pixels * self.spread,
            self.spread,
            self.groups_of(m.dialect),
        ) if self.shares or self.xnor else m.conv(x)  # fmt: skip
        x = activate(self.activation, m.bn(x) if self.has_norm else x)
        return blur(x, self.strides, self.antialiasing) if self.antialiasing else x

    def onnx(self, g: Graph, shapes: tuple[Shape, ...], *inputs: str) -> str:
        """(N, c, h, w) -> (N, filters, h', w')."""
        x, kernels = inputs[0], g.weight("conv.weight")
        if self.xnor:
            x, kernels = _binarised_onnx(g, x, kernels)
        x = g.add(
            "Conv",
            x,
            kernels,
            *(() if self.has_norm else (g.weight("conv.bias"),)),
            kernel_shape=[self.size] * 2,
            strides=[1, 1] if self.antialiasing else list(self.strides),
            pads=[self.pixels * self.spread] * 4,
            dilations=[self.spread] * 2,
            group=self.groups_of(g.dialect),
        )
        x = g.batch_norm(x, self.filters) if self.has_norm else x
        x = activate_onnx(g, self.activation, x)
        return blur_onnx(g, x, self.strides, self.antialiasing) if self.antialiasing else x


def _binarised(x: Tensor, kernels: Tensor, *, training: bool) -> tuple[Tensor, Tensor]:
    """The signs of both, those of a filter times its mean magnitude; 0 counts as negative.

    pj convolutional_layer.c:28-48. In training the gradients pass as in pj's GPU code: to ``x``
    where it lies between -1 and 1, to ``kernels`` unchanged (convolutional_kernels.cu:195-228);
    that of a sign itself is 0.
    """
    import torch
    from torch.nn import functional as F

    mean = kernels.abs().mean((1, 2, 3), keepdim=True)
    signs, scaled = (x > 0).to(x.dtype) * 2 - 1, torch.where(kernels > 0, mean, -mean)
    if not training:
        return signs, scaled
    # What is added is 0, and has the gradient.
    clipped = F.hardtanh(x)
    return signs + (clipped - clipped.detach()), scaled.detach() + (kernels - kernels.detach())


def _binarised_onnx(g: Graph, x: str, kernels: str) -> tuple[str, str]:
    """The same as nodes."""
    mean = g.add("Abs", kernels)
    mean = g.reduce("ReduceMean", mean, 1, 2, 3)
    signs = g.add("Where", g.add("Greater", x, 0.0), 1.0, -1.0)
    return signs, g.add("Where", g.add("Greater", kernels, 0.0), mean, g.add("Neg", mean))


def bias_and_norm(layer: Layer, count: int, *, has_norm: bool) -> Iterator[Array]:
    """The arrays of one value a filter, in file order; with batch norm ``biases`` is its beta."""
    yield layer.array("biases", "bn.bias" if has_norm else "conv.bias", count)
    if has_norm:
        yield from layer.norm_arrays(count)
