"""YOLOv3 from its parts, as in the article."""

from typing import Self

import torch
from torch import nn

from converter.errors import UsageError
from converter.families.template import BLOCKS
from converter.plan import Plan
from yolov3.backbone import Darknet53
from yolov3.finetune import Anchors, FineTuning, initialise, with_heads
from yolov3.head import YOLOHead
from yolov3.neck import FPN, ArticleFPN
from yolov3.sharing.pretrained import Pretrained


class YOLOv3(FineTuning, Pretrained):
    """Backbone, neck, and a head for each level.

    Args:
        backbone: gives one map per level, fine to coarse.
        fpn: the neck; a head is built for each of its ``channels``.
        num_classes: how many classes.
    """

    def __init__(self, backbone: Darknet53, fpn: FPN | ArticleFPN, num_classes: int) -> None:
        super().__init__()
        self.backbone = backbone
        self.fpn = fpn
        self.num_classes = num_classes
        self.heads = nn.ModuleList(YOLOHead(c, num_classes) for c in fpn.channels)

    @classmethod
    def build(cls, plan: Plan) -> Self:
        """The detector, with Darknet's neck or the article's, whichever ``plan`` names."""
        spec = plan.naming.require_spec()
        darknet = spec.wiring == "darknet"
        backbone = Darknet53(
            spec.in_channels, None if darknet else 1000, width=spec.width, levels=spec.levels
        )
        if darknet:
            merged = spec.merge_channels
            fpn = FPN(spec.channels, spec.num_repeats, merge_channels=merged, spp=spec.spp)
            return cls(backbone, fpn, spec.classes)
        return cls(backbone, ArticleFPN(spec.channels, spec.num_repeats), spec.classes)

    def forward(self, x: torch.Tensor) -> list[torch.Tensor]:
        """Raw maps (N, 3 * (5 + num_classes), H_i, W_i), fine to coarse.

        Args:
            x: pictures (N, channels, height, width), RGB in 0..1.

        Raises:
            NetworkError: height or width is no multiple of 32, the backbone's coarsest stride.
        """
        self._require_size(x, 2 ** len(BLOCKS))
        maps = self.fpn(*self.backbone(x))
        return [head(m) for head, m in zip(self.heads, maps, strict=True)]

    def _replace_heads(self, num_classes: int, anchors: Anchors | None) -> None:
        if hasattr(self, "network"):
            self._become(with_heads(self.network, num_classes, anchors))
        elif anchors is not None:
            raise UsageError("anchors= belong to a cfg, and this model comes from no checkpoint")
        like = next(self.heads.parameters())
        self.num_classes = num_classes
        self.heads = nn.ModuleList(YOLOHead(c, num_classes) for c in self.fpn.channels)
        initialise(self.heads, like)

    def _backbone(self) -> list[nn.Module]:
        return [self.backbone]
