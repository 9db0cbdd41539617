"""The two building blocks of Darknet-53 and its neck, and Darknet's batch-norm rules."""

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


def batch_norm_rule(model: nn.Module) -> BatchNormRule:
    """By which rule the batch norms in ``model`` compute."""
    theirs = (PjreddieBatchNorm1d, PjreddieBatchNorm2d)
    found = any(isinstance(module, theirs) for module in model.modules())
    return "pjreddie-cpu" if found else "torch"


def _normalise(norm: nn.BatchNorm1d | nn.BatchNorm2d, x: torch.Tensor) -> torch.Tensor:
    """Compute pj's rule through PyTorch's kernel: sqrt(v' + 0) with v' = (sqrt(var) + 1e-6)^2."""
    if norm.running_var is None:
        msg = "pj's rule needs running statistics"
        raise ValueError(msg)
    deviation = norm.running_var.sqrt() + 1e-6
    return F.batch_norm(
        x, norm.running_mean, deviation * deviation, norm.weight, norm.bias, eps=0.0
    )
