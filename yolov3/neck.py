"""The feature pyramid, wired as Darknet does (FPN) and as the article does (ArticleFPN)."""

from collections.abc import Sequence

import torch
from torch import nn
from torch.nn import functional as F

from yolov3.blocks import BasicConv2d


class SPP(nn.Module):
    """Spatial pyramid pooling: pools of 13, 9 and 5 beside the map itself, and a 1x1 conv back.

    yolov3-spp.cfg, layers 78 to 84; shape unchanged.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = BasicConv2d(4 * channels, channels, kernel_size=1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, C, H, W) -> (N, C, H, W)."""
        pooled = [F.max_pool2d(x, size, stride=1, padding=size // 2) for size in (13, 9, 5)]
        y: torch.Tensor = self.conv(torch.cat([*pooled, x], 1))
        return y


class FPN(nn.Module):
    """YOLOv3's neck: from each level to the next finer one, and a tail for each head.

    Attribute names are the article's; lateral and merge convs are Darknet's (with batch norm and
    activation), which is what makes official weights fit.

    Args:
        channels_list: channels of the backbone's maps, fine to coarse.
        num_repeats: (3x3, 1x1) pairs of each level.
        merge_channels: channels handed down from each level to the next finer one, fine to coarse;
            default: half of the finer level's.
        spp: spatial pyramid pooling after the first pair of the coarsest level.
    """

    def __init__(
        self,
        channels_list: Sequence[int],
        num_repeats: int = 2,
        *,
        merge_channels: Sequence[int] | None = None,
        spp: bool = False,
    ) -> None:
        super().__init__()
        self.channels = list(channels_list)
        merged = list(merge_channels or (c // 2 for c in self.channels[:-1]))
        count = len(self.channels) - 1
        if len(merged) != count:
            raise ValueError(f"merge_channels needs {count} values, not {len(merged)}")
        self.lateral_convs = nn.ModuleList(
            BasicConv2d(c + extra, c // 2, kernel_size=1)
            for c, extra in zip(self.channels, [*merged, 0], strict=True)
        )
        self.fpn_convs = nn.ModuleList(_repeats(c, num_repeats) for c in self.channels)
        self.tail_convs = nn.ModuleList(
            BasicConv2d(c // 2, c, kernel_size=3, padding=1) for c in self.channels
        )
        self.merge_convs = nn.ModuleList(
            BasicConv2d(c // 2, m, kernel_size=1)
            for c, m in zip(self.channels[1:], merged, strict=True)
        )
        if spp:
            self.spp = SPP(self.channels[-1] // 2)

    def forward(self, *features: torch.Tensor) -> list[torch.Tensor]:
        """Maps (N, C_i, H_i, W_i), fine to coarse -> maps of the same shapes."""
        outputs: list[torch.Tensor] = []
        x = features[-1]
        for level in reversed(range(len(self.channels))):
            x = self.lateral_convs[level](x)
            x = self._pairs(level, x)
            outputs.append(self.tail_convs[level](x))
            if level:
                x = self.merge_convs[level - 1](x)
                x = F.interpolate(x, scale_factor=2, mode="nearest")
                x = torch.cat([x, features[level - 1]], 1)
        return outputs[::-1]

    def _pairs(self, level: int, x: torch.Tensor) -> torch.Tensor:
        convs = self.fpn_convs[level]
        for i, conv in enumerate(convs.children()):
            x = conv(x)
            if i == 1 and level == len(self.channels) - 1 and hasattr(self, "spp"):
                x = self.spp(x)
        return x


class ArticleFPN(nn.Module):
    """The neck exactly as the article wires it. Darknet's weights do not fit it.

    Lateral and merge convs are bare ``nn.Conv2d``; half of the coarser level's channels are
    upsampled without a reducing conv and concatenated after the finer feature; and the lateral and
    fpn convs of all but the coarsest level run a first time for nothing, which its count of
    mult-adds includes.
    """

    def __init__(self, channels_list: Sequence[int], num_repeats: int = 2) -> None:
        super().__init__()
        self.channels = list(channels_list)
        self.lateral_convs = nn.ModuleList(nn.Conv2d(c, c // 2, 1) for c in self.channels)
        self.fpn_convs = nn.ModuleList(_repeats(c, num_repeats) for c in self.channels)
        self.tail_convs = nn.ModuleList(
            BasicConv2d(c // 2, c, kernel_size=3, padding=1) for c in self.channels
        )
        self.merge_convs = nn.ModuleList(
            nn.Conv2d(fine + coarse // 2, fine // 2, 1)
            for fine, coarse in zip(self.channels, self.channels[1:], strict=False)
        )

    def forward(self, *features: torch.Tensor) -> list[torch.Tensor]:
        """Maps (N, C_i, H_i, W_i), fine to coarse -> maps of the same shapes."""
        laterals = [conv(x) for conv, x in zip(self.lateral_convs, features, strict=True)]
        maps = [convs(x) for convs, x in zip(self.fpn_convs, laterals, strict=True)]
        for level in reversed(range(len(maps) - 1)):
            up = F.interpolate(maps[level + 1], scale_factor=2, mode="nearest")
            merged = self.merge_convs[level](torch.cat([features[level], up], 1))
            maps[level] = self.fpn_convs[level](merged)
        return [conv(x) for conv, x in zip(self.tail_convs, maps, strict=True)]


def _repeats(channels: int, num_repeats: int) -> nn.Sequential:
    convs: list[nn.Module] = []
    for _ in range(num_repeats):
        convs.append(BasicConv2d(channels // 2, channels, kernel_size=3, padding=1))
        convs.append(BasicConv2d(channels, channels // 2, kernel_size=1))
    return nn.Sequential(*convs)
