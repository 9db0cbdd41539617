"""load(): from a checkpoint to the right model."""

from __future__ import annotations

from typing import Any, TypeVar, overload

import torch

from converter.checkpoint.checkpoint import Checkpoint, native_plan
from converter.darknet.dialects import DialectName
from converter.errors import CheckpointError
from converter.operations.opening import open_stored
from converter.options import BatchNormRule, FamilyChoice, PathLike
from yolov3.backbone import Darknet53
from yolov3.darknet import DarknetModel
from yolov3.model import YOLOv3

Model = YOLOv3 | Darknet53 | DarknetModel
Wanted = TypeVar("Wanted", YOLOv3, Darknet53, DarknetModel)

_CLASSES: dict[str, type[Model]] = {
    model.__name__: model for model in (YOLOv3, Darknet53, DarknetModel)
}


@overload
def load(
    path: PathLike, bn: BatchNormRule = ..., device: torch.device | str | None = ...,
    dtype: torch.dtype | None = ..., strict: bool = ..., *, model_class: None = ...,
    cfg: PathLike | None = ..., dialect: DialectName | None = ..., family: FamilyChoice = ...,
    names: PathLike | None = ..., names_encoding: str | None = ...,
) -> Model: ...  # fmt: skip
@overload
def load(
    path: PathLike, bn: BatchNormRule = ..., device: torch.device | str | None = ...,
    dtype: torch.dtype | None = ..., strict: bool = ..., *, model_class: type[Wanted],
    cfg: PathLike | None = ..., dialect: DialectName | None = ..., family: FamilyChoice = ...,
    names: PathLike | None = ..., names_encoding: str | None = ...,
) -> Wanted: ...  # fmt: skip
def load(
    path: PathLike,
    bn: BatchNormRule = "torch",
    device: torch.device | str | None = None,
    dtype: torch.dtype | None = None,
    strict: bool = True,
    *,
    model_class: type[Any] | None = None,
    cfg: PathLike | None = None,
    dialect: DialectName | None = None,
    family: FamilyChoice = "auto",
    names: PathLike | None = None,
    names_encoding: str | None = None,
) -> Model:
    """The model of a checkpoint, in eval mode, with every tensor accounted for.

    A safetensors file is mapped into memory, not copied; changing the model does not change the
    file. A .weights file is checked as ``convert`` checks it, and nothing is written.

    Args:
        path: a .safetensors file that ``convert`` wrote, or a folder that ``save_pretrained`` did;
            or Darknet's own .weights file; or a checkpoint of another port, .pt and .pth as well.
            Nothing in it is executed.
        bn: batch norm as PyTorch and AlexeyAB's darknet compute it ("torch"), or as pjreddie's
            does on the CPU.
        device: where to put the model.
        dtype: what to cast it to.
        strict: False also takes a checkpoint that does not fill its model (a partial one, or the
            article's wiring); the rest is freshly initialised, and ``model.missing`` names it.
        model_class: the class that the model must be of, for whoever wants only that: type checkers
            know it then. Default: whichever it is.
        cfg: the network, for a file that does not say which it is, as safetensors' own
            ``save_file`` leaves it behind. The names of its tensors tell its family. Of .weights it
            is the .cfg beside it, else it is recognised by its size.
        dialect: whose darknet such a file is for; default: the one that knows all of the cfg. Of
            .weights it is whose wrote it, as the file shows.
        family: whose tensor names such a file has; "auto": what they and the shapes show.
        names: class names, one a line; default: the checkpoint's, or the .names beside .weights.
        names_encoding: of ``names``, by Python's name; default: UTF-8.

    Returns:
        A ``YOLOv3``, a ``Darknet53`` for a backbone file, or for family generic a
        ``DarknetModel``.

    Raises:
        CheckpointError: not a checkpoint of ours, or tensors are missing, surplus or misshapen; or
            the model is not a ``model_class``.
        WeightsError: a .weights file that is not its network's.
        CfgError, NetworkError: ``cfg`` is not one of Darknet, or there are other ``names``.
        UsageError: there is no such ``bn``, or PyTorch has no such ``device`` here.
    """
    stored = open_stored(
        path,
        cfg,
        names,
        dialect=dialect,
        family=family,
        partial=not strict,
        names_encoding=names_encoding,
    )
    model = class_of(stored).from_checkpoint(stored, bn, device, dtype, strict)
    if model_class is not None and not isinstance(model, model_class):
        raise CheckpointError(
            f"is for a {type(model).__name__}, not a {model_class.__name__}",
            path=path,
            remedy="leave model_class= out, or give another file",
        )
    return model


def class_of(stored: Checkpoint) -> type[Model]:
    """Of which class the model of an open checkpoint is."""
    return _CLASSES[native_plan(stored.plan).naming.model]
