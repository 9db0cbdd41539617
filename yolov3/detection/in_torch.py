"""A model of PyTorch's as what detection runs."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from converter.darknet.layers.cells import RawMap
from converter.errors import CheckpointError, UsageError, argument
from yolov3.base import FromDarknet
from yolov3.blocks import without_tf32
from yolov3.detection.decode import Runner
from yolov3.detection.image import Floats
from yolov3.model import YOLOv3
from yolov3.neck import ArticleFPN


class TorchModel(Runner):
    """What ``load`` returned, or that fused, cast, compiled, on any device.

    Raises:
        UsageError, CheckpointError: it is no whole model from a checkpoint, ready for inference.
    """

    def __init__(self, model: nn.Module) -> None:
        self._model, self._loaded = model, loaded_of(model)
        self.network, self.dialect = self._loaded.network, self._loaded.dialect
        self.names = self._loaded.names

    @torch.inference_mode()
    def maps(self, x: Floats) -> list[RawMap]:
        """The maps stay on the model's device."""
        with without_tf32():
            maps = self.network.in_file_order(self._model(to_input(self._loaded, x)))
        return [RawMap(raw.float(), lambda values: np.asarray(values.cpu())) for raw in maps]


def loaded_of(model: nn.Module) -> FromDarknet:
    """``model`` itself, which must be a whole one from a checkpoint, ready for inference.

    Raises:
        UsageError, CheckpointError: it is not.
    """
    # torch.compile(model) is a shell around it
    loaded = getattr(model, "_orig_mod", model)
    if not isinstance(loaded, FromDarknet) or not hasattr(loaded, "network"):
        raise UsageError("the model comes from no checkpoint", remedy="get it from load()")
    if loaded.training:
        raise UsageError("the model is in training mode", remedy="call model.eval()")
    if isinstance(loaded, YOLOv3) and isinstance(loaded.fpn, ArticleFPN):
        raise CheckpointError(
            "has the article's wiring, which Darknet's weights do not fill",
            remedy=f"convert with {argument('--family', 'yolov3')}",
        )
    if loaded.missing:
        raise CheckpointError(
            f"fills its model only in part: {len(loaded.missing)} tensors are missing",
            remedy="use the weights of the whole network",
        )
    return loaded


def to_input(loaded: FromDarknet, pictures: Floats) -> torch.Tensor:
    """(N, height, width, channels) as (N, channels, height, width) on the model's device."""
    # The model's convolutions are faster on channels that lie side by side (channels_last).
    x = torch.from_numpy(pictures).permute(0, 3, 1, 2)
    like = next(loaded.parameters(), x)
    return x.to(device=like.device, dtype=like.dtype)
