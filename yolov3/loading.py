"""load(): from a checkpoint to the right model."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import nn

from converter.checkpoint.checkpoint import Checkpoint
from converter.checkpoint.metadata import Metadata
from converter.darknet.layers.yolo import Yolo
from converter.darknet.network import Network
from converter.errors import CheckpointError, UsageError
from converter.families import name_layers
from converter.families.template import Spec
from converter.options import PathLike
from yolov3.backbone import Darknet53
from yolov3.blocks import BATCH_NORM_RULES, BatchNormRule, set_batch_norm
from yolov3.darknet import DarknetModel
from yolov3.model import YOLOv3
from yolov3.neck import FPN, ArticleFPN

Model = YOLOv3 | Darknet53 | DarknetModel

FILE_NAME = "model.safetensors"  # in a folder that save_pretrained wrote


def load(
    path: PathLike,
    bn: BatchNormRule = "torch",
    device: torch.device | str | None = None,
    dtype: torch.dtype | None = None,
    strict: bool = True,
) -> Model:
    """The model of a checkpoint, in eval mode, with every tensor accounted for.

    The file is mapped into memory, not copied; changing the model does not change the file.

    Args:
        path: a .safetensors file that ``convert`` wrote, or a folder that ``save_pretrained`` did.
        bn: batch norm as PyTorch and AlexeyAB's darknet compute it ("torch"), or as pjreddie's
            does on the CPU.
        device: where to put the model.
        dtype: what to cast it to.
        strict: False also takes a checkpoint that does not fill its model (a partial one, or the
            article's wiring); the rest is freshly initialised, and ``model.missing`` names it.

    Returns:
        A ``YOLOv3``, a ``Darknet53`` for a backbone file, or for family generic a
        ``DarknetModel``.

    Raises:
        CheckpointError: not a checkpoint of ours, or tensors are missing, surplus or misshapen.
    """
    if bn not in BATCH_NORM_RULES:
        raise UsageError(f"bn={bn!r} is unknown", remedy=f"use one of {BATCH_NORM_RULES}")
    path = Path(path, FILE_NAME) if os.path.isdir(path) else Path(path)
    stored = Checkpoint.open(path)
    meta, network = stored.metadata, stored.network
    try:
        tensors = _read(path)
        with torch.device("meta"):
            model = _build(meta, network)
        model.missing = _check(model, tensors, strict=strict)
    except CheckpointError as error:
        error.path = os.fspath(path)
        raise
    if model.missing:
        missing, model = model.missing, _build(meta, network)
        model.missing = missing
    model.load_state_dict(tensors, strict=False, assign=True)
    _fill_counters(model)
    _describe(model, meta, network)
    set_batch_norm(model, bn)
    model.to(device=device, dtype=dtype)
    return model.eval()


def _read(path: Path) -> dict[str, torch.Tensor]:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt") as file:
            return {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except SafetensorError as error:
        raise CheckpointError(f"is not a safetensors file: {error}") from error


def _build(meta: Metadata, network: Network) -> Model:
    spec = name_layers(network, meta.family).spec
    if spec is None:
        return DarknetModel(network, meta.dialect)
    if not spec.levels:
        classes = None if spec.backbone == "features" else spec.classes
        return Darknet53(spec.in_channels, classes, width=spec.width)
    return _detector(spec)


def _detector(spec: Spec) -> YOLOv3:
    article = spec.wiring == "article"
    channels = spec.channels
    backbone = Darknet53(
        spec.in_channels, 1000 if article else None, width=spec.width, levels=spec.levels
    )
    if article:
        return YOLOv3(backbone, ArticleFPN(channels, spec.num_repeats), spec.classes)
    fpn = FPN(channels, spec.num_repeats, merge_channels=spec.merge_channels, spp=spec.spp)
    return YOLOv3(backbone, fpn, spec.classes)


def _check(
    model: nn.Module, tensors: Mapping[str, torch.Tensor], *, strict: bool
) -> tuple[str, ...]:
    """Names that the checkpoint lacks; anything else that is wrong, or those if strict, raises."""
    wanted = {
        name: tuple(tensor.shape)
        for name, tensor in model.state_dict().items()
        if not name.endswith("num_batches_tracked")
    }
    surplus = sorted(tensors.keys() - wanted)
    if surplus:
        raise CheckpointError(f"has tensors that its model lacks: {_some(surplus)}")
    wrong = [name for name, tensor in tensors.items() if tuple(tensor.shape) != wanted[name]]
    if wrong:
        raise CheckpointError(f"has tensors of another shape than its model: {_some(wrong)}")
    missing = tuple(name for name in wanted if name not in tensors)
    if missing and strict:
        raise CheckpointError(
            f"does not fill its model, missing are {_some(missing)}",
            remedy="load(..., strict=False) initialises the rest freshly",
        )
    return missing


def _some(names: tuple[str, ...] | list[str]) -> str:
    shown = ", ".join(names[:8])
    return shown if len(names) <= 8 else f"{shown} and {len(names) - 8} more"


def _fill_counters(model: nn.Module) -> None:
    """``num_batches_tracked`` is in no Darknet file; it starts at zero."""
    for module in model.modules():
        counter = getattr(module, "num_batches_tracked", None)
        if counter is not None and counter.is_meta:
            module.num_batches_tracked = torch.zeros((), dtype=torch.long)


def _describe(model: Model, meta: Metadata, network: Network) -> None:
    model.metadata = meta
    model.network = network
    model.dialect = meta.dialect
    model.names = meta.names
    model.input_size = (network.input.h, network.input.w)
    # The modular model's maps run fine to coarse, the file's coarse to fine.
    outputs = reversed(network.outputs) if isinstance(model, YOLOv3) else network.outputs
    heads = [(node, node.layer) for node in outputs if isinstance(node.layer, Yolo)]
    model.strides = [network.input.h // node.output.h for node, _ in heads]
    model.anchors = [list(layer.sizes) for _, layer in heads]
