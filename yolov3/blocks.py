"""The two building blocks of Darknet-53 and its neck, and Darknet's batch-norm rules."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

from converter.options import BatchNormRule


class BasicConv2d(nn.Module):
    """Convolution without bias, batch norm, leaky ReLU with slope 0.1.

    (N, in_channels, H, W) -> (N, out_channels, H', W'). Keyword arguments go to ``nn.Conv2d``.
    """

    def __init__(self, in_channels: int, out_channels: int, **kwargs: Any) -> None:
        super().__init__()
        self.conv = nn.Conv2d(in_channels, out_channels, bias=False, **kwargs)
        self.bn = nn.BatchNorm2d(out_channels)
        self.relu = nn.LeakyReLU(0.1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Convolve, normalise, activate."""
        y: torch.Tensor = self.relu(self.bn(self.conv(x)))
        return y


class ResidualBlock(nn.Module):
    """A 1x1 conv to half the channels, a 3x3 conv back, and the input added: shape unchanged."""

    def __init__(self, in_channels: int) -> None:
        super().__init__()
        self.conv1 = BasicConv2d(in_channels, in_channels // 2, kernel_size=1)
        self.conv2 = BasicConv2d(in_channels // 2, in_channels, kernel_size=3, padding=1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """The input plus its residual."""
        y: torch.Tensor = x + self.conv2(self.conv1(x))
        return y


class PjreddieBatchNorm2d(nn.BatchNorm2d):
    """Batch norm as pjreddie's darknet computes it on the CPU: (x - mean) / (sqrt(var) + 1e-6).

    pj blas.c:147. Its GPU code, and all of AlexeyAB's, compute sqrt(var + 1e-5) as PyTorch does. In
    training this is the ordinary rule.
    """

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, C, H, W) -> (N, C, H, W)."""
        return super().forward(x) if self.training else _normalise(self, x)


class PjreddieBatchNorm1d(nn.BatchNorm1d):
    """The same rule after a connected layer."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, C) -> (N, C)."""
        return super().forward(x) if self.training else _normalise(self, x)


def set_batch_norm(model: nn.Module, rule: BatchNormRule) -> None:
    """Let every batch norm in ``model`` compute by ``rule``; its tensors stay as they are.

    "torch" is also what AlexeyAB's darknet computes, and pjreddie's on a GPU.
    """
    classes: dict[type[nn.Module], type[nn.Module]] = {
        nn.BatchNorm1d: PjreddieBatchNorm1d,
        nn.BatchNorm2d: PjreddieBatchNorm2d,
    }
    if rule == "torch":
        classes = {new: old for old, new in classes.items()}
    for module in model.modules():
        # Same tensors, same attributes, another forward: exactly what another class is.
        module.__class__ = classes.get(type(module), type(module))


@contextmanager
def without_tf32() -> Iterator[None]:
    """Let convolutions on a GPU use all bits of float32.

    PyTorch lets cuDNN round their inputs to 10 bits (TF32). On an H200 that moves boxes of the
    sample by 0.014 pixels and scores by 0.0022; without it they are those of the CPU within 2e-5
    pixels and 2e-7.
    """
    allowed = torch.backends.cudnn.allow_tf32
    torch.backends.cudnn.allow_tf32 = False
    try:
        yield
    finally:
        torch.backends.cudnn.allow_tf32 = allowed


def batch_norm_rule(model: nn.Module) -> BatchNormRule:
    """By which rule the batch norms in ``model`` compute."""
    theirs = (PjreddieBatchNorm1d, PjreddieBatchNorm2d)
    found = any(isinstance(module, theirs) for module in model.modules())
    return "pjreddie-cpu" if found else "torch"


def _normalise(norm: nn.BatchNorm1d | nn.BatchNorm2d, x: torch.Tensor) -> torch.Tensor:
    """Compute pj's rule through PyTorch's kernel, which demands an epsilon.

    (sqrt(var) + 1e-6)^2 is var + 2e-6 * sqrt(var), and 1e-12.
    """
    if norm.running_var is None:
        raise ValueError("pj's rule needs running statistics")
    variance = norm.running_var + 2e-6 * norm.running_var.sqrt()
    return F.batch_norm(x, norm.running_mean, variance, norm.weight, norm.bias, eps=1e-12)
