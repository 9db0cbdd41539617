"""YOLOv3's output convolutions."""

import torch
from torch import nn


class YOLOHead(nn.Module):
    """A 1x1 conv to three anchors of (x, y, w, h, objectness, classes...), before any sigmoid."""

    def __init__(self, in_channels: int, num_classes: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(in_channels, 3 * (5 + num_classes), kernel_size=1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, in_channels, H, W) -> (N, 3 * (5 + num_classes), H, W)."""
        y: torch.Tensor = self.conv(x)
        return y
