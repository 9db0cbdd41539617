"""Darknet-53: YOLOv3 paper, table 1."""

from collections.abc import Iterator
from itertools import islice
from typing import Self

import torch
from torch import nn

from converter.errors import UsageError
from converter.families import native_naming
from converter.families.template import BLOCKS
from converter.plan import Plan
from yolov3.blocks import BasicConv2d, ResidualBlock
from yolov3.finetune import CLASSIFIER, Anchors, FineTuning, initialise, rewritten
from yolov3.sharing.pretrained import Pretrained


class Darknet53(FineTuning, Pretrained):
    """The backbone: 52 convolutions in five stages, and a classifier if ``num_classes`` is given.

    Args:
        in_channels: channels of the picture.
        num_classes: outputs of ``fc``; None builds no ``fc``, as for a detector.
        width: filters of the first convolution; stage i has ``width * 2**i`` channels.
        levels: how many of the last stages ``forward`` returns.
    """

    def __init__(
        self,
        in_channels: int = 3,
        num_classes: int | None = 1000,
        *,
        width: int = 32,
        levels: int = 3,
    ) -> None:
        super().__init__()
        if not 1 <= levels <= len(BLOCKS):
            raise ValueError(f"levels={levels} is outside 1 to {len(BLOCKS)}")
        self.levels = levels
        self.stem = nn.Sequential(
            BasicConv2d(in_channels, width, kernel_size=3, padding=1),
            _downsample(width),
        )
        self.res_conv_1 = _residuals(2 * width, BLOCKS[0])
        self.conv_2_in = _downsample(2 * width)
        self.res_conv_2 = _residuals(4 * width, BLOCKS[1])
        self.conv_3_in = _downsample(4 * width)
        self.res_conv_3 = _residuals(8 * width, BLOCKS[2])
        self.conv_4_in = _downsample(8 * width)
        self.res_conv_4 = _residuals(16 * width, BLOCKS[3])
        self.conv_5_in = _downsample(16 * width)
        self.res_conv_5 = _residuals(32 * width, BLOCKS[4])
        if num_classes is not None:
            self.fc = _classifier(32 * width, num_classes)

    @classmethod
    def build(cls, plan: Plan) -> Self:
        """The backbone alone, with the classifier that ``plan`` names."""
        spec = plan.naming.require_spec()
        classes = None if spec.backbone == "features" else spec.classes
        return cls(spec.in_channels, classes, width=spec.width)

    @property
    def channels(self) -> list[int]:
        """Channels of the maps that ``forward`` returns, fine to coarse."""
        coarsest = self.conv_5_in.conv.out_channels
        return [coarsest >> i for i in reversed(range(self.levels))]

    def stages(self, x: torch.Tensor) -> Iterator[torch.Tensor]:
        """All five stages' maps: (N, 2w, H/2, W/2), (N, 4w, H/4, W/4), ... (N, 32w, H/32, W/32).

        One after the other, so that none lives longer than the caller wants it.
        """
        for into, blocks in (
            (self.stem, self.res_conv_1),
            (self.conv_2_in, self.res_conv_2),
            (self.conv_3_in, self.res_conv_3),
            (self.conv_4_in, self.res_conv_4),
            (self.conv_5_in, self.res_conv_5),
        ):
            x = into(x)  # on a line of its own: the stage before is not kept while the blocks run
            x = blocks(x)
            yield x

    def forward(self, x: torch.Tensor) -> list[torch.Tensor]:
        """The last ``levels`` stages' maps, fine to coarse, of pictures (N, C, H, W) in 0..1."""
        return list(islice(self.stages(x), len(BLOCKS) - self.levels, None))

    def classify(self, x: torch.Tensor) -> torch.Tensor:
        """Class logits (N, num_classes) of pictures (N, C, H, W) in 0..1."""
        y: torch.Tensor = self.fc(next(islice(self.stages(x), len(BLOCKS) - 1, None)))
        return y

    def _replace_heads(self, num_classes: int, anchors: Anchors | None) -> None:
        if anchors is not None:
            raise UsageError("anchors= are for [yolo] heads, and a Darknet53 has none")
        if hasattr(self, "network"):
            text, linear = self.network.text, native_naming(self.network).linear
            if linear is None:
                text += CLASSIFIER.format(classes=num_classes)
            else:
                text = rewritten(text, {linear: {"filters": num_classes}})
            self._become(text)
        like = self.conv_5_in.conv.weight
        self.fc = _classifier(like.shape[0], num_classes)
        initialise(self.fc, like)

    def _backbone(self) -> list[nn.Module]:
        return [part for name, part in self.named_children() if name != "fc"]


def _downsample(channels: int) -> BasicConv2d:
    return BasicConv2d(channels, 2 * channels, kernel_size=3, stride=2, padding=1)


def _residuals(channels: int, count: int) -> nn.Sequential:
    return nn.Sequential(*(ResidualBlock(channels) for _ in range(count)))


def _classifier(channels: int, num_classes: int) -> nn.Sequential:
    return nn.Sequential(
        nn.AdaptiveAvgPool2d((1, 1)), nn.Flatten(), nn.Linear(channels, num_classes)
    )
