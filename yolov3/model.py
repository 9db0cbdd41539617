"""YOLOv3 from its parts, as in the article."""

import torch
from torch import nn

from yolov3.backbone import Darknet53
from yolov3.described import FromDarknet
from yolov3.head import YOLOHead
from yolov3.neck import FPN, ArticleFPN


class YOLOv3(FromDarknet, nn.Module):
    """Backbone, neck, and a head for each level.

    Args:
        backbone: gives one map per level, fine to coarse.
        fpn: the neck; a head is built for each of its ``channels``.
        num_classes: classes to tell apart.
    """

    def __init__(self, backbone: Darknet53, fpn: FPN | ArticleFPN, num_classes: int) -> None:
        super().__init__()
        self.backbone = backbone
        self.fpn = fpn
        self.num_classes = num_classes
        self.heads = nn.ModuleList(YOLOHead(c, num_classes) for c in fpn.channels)

    def forward(self, x: torch.Tensor) -> list[torch.Tensor]:
        """Raw maps (N, 3 * (5 + num_classes), H_i, W_i), fine to coarse, of pictures in 0..1."""
        maps = self.fpn(*self.backbone(x))
        return [head(m) for head, m in zip(self.heads, maps, strict=True)]
