"""load(): from a checkpoint to the right model."""

from __future__ import annotations

import os
from pathlib import Path

import torch

from converter.checkpoint.checkpoint import native_plan
from converter.darknet.dialects import DialectName
from converter.identify_checkpoint import open_checkpoint
from converter.options import FILE_NAME, BatchNormRule, FamilyChoice, PathLike
from yolov3.backbone import Darknet53
from yolov3.darknet import DarknetModel
from yolov3.model import YOLOv3

Model = YOLOv3 | Darknet53 | DarknetModel

_CLASSES: dict[str, type[Model]] = {
    model.__name__: model for model in (YOLOv3, Darknet53, DarknetModel)
}


def load(
    path: PathLike,
    bn: BatchNormRule = "torch",
    device: torch.device | str | None = None,
    dtype: torch.dtype | None = None,
    strict: bool = True,
    *,
    cfg: PathLike | None = None,
    dialect: DialectName | None = None,
    family: FamilyChoice = "auto",
) -> Model:
    """The model of a checkpoint, in eval mode, with every tensor accounted for.

    The file is mapped into memory, not copied; changing the model does not change the file.

    Args:
        path: a .safetensors file that ``convert`` wrote, or a folder that ``save_pretrained`` did;
            or a checkpoint of another port, .pt and .pth as well. Nothing in it is executed.
        bn: batch norm as PyTorch and AlexeyAB's darknet compute it ("torch"), or as pjreddie's
            does on the CPU.
        device: where to put the model.
        dtype: what to cast it to.
        strict: False also takes a checkpoint that does not fill its model (a partial one, or the
            article's wiring); the rest is freshly initialised, and ``model.missing`` names it.
        cfg: the network, for a file that does not say which it is, as safetensors' own
            ``save_file`` leaves it behind. The names of its tensors tell its family.
        dialect: whose darknet such a file is for; default: the one that knows all of the cfg.
        family: whose tensor names such a file has; "auto": what they and the shapes show.

    Returns:
        A ``YOLOv3``, a ``Darknet53`` for a backbone file, or for family generic a
        ``DarknetModel``.

    Raises:
        CheckpointError: not a checkpoint of ours, or tensors are missing, surplus or misshapen.
        CfgError, NetworkError: ``cfg`` is not one of Darknet.
    """
    file = Path(path, FILE_NAME) if os.path.isdir(path) else path
    stored = open_checkpoint(file, cfg, dialect, family)
    model_class = _CLASSES[native_plan(stored.plan).naming.model]
    return model_class.from_checkpoint(stored, bn, device, dtype, strict)
