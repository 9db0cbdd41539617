"""From a model back to a checkpoint."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from converter.checkpoint.checkpoint import plan_for, require_way_back
from converter.checkpoint.header import make_head
from converter.checkpoint.metadata import Metadata
from converter.darknet.dialects import DialectName
from converter.darknet.network import read_network
from converter.errors import CheckpointError, OutputError, UsageError
from converter.families import name_layers
from converter.files.target import replacing
from converter.options import PathLike
from converter.plan import Plan, Slot, make_plan
from converter.version import TOOL
from yolov3.base import FromDarknet

Tensors = Mapping[str, torch.Tensor]

FILE_NAME = "model.safetensors"  # in a folder that save_pretrained writes


def plan_of(model: FromDarknet) -> Plan:
    """Where each tensor of ``model`` lies in the .weights file that it can go back to.

    Raises:
        CheckpointError: the model comes from no checkpoint, or does not hold all that Darknet
            needs.
    """
    meta = model.metadata
    if meta is None:
        raise CheckpointError(
            "this model comes from no checkpoint, so its cfg and header are not known",
            remedy="take one that load() returned",
        )
    require_way_back(meta.family)
    return make_plan(
        header=meta.header,
        size=None,
        network=model.network,
        naming=name_layers(model.network, meta.family),
        dialect=meta.dialect,
    )


def save(
    model: nn.Module | Tensors,
    path: PathLike,
    *,
    cfg: PathLike | None = None,
    dialect: DialectName = "pjreddie",
    seen: int | None = None,
    force: bool = False,
) -> None:
    """Write a model, or a state dict, as a Darknet .weights file or as a checkpoint of ours.

    Args:
        model: what ``load`` returned, changed or not; or, with ``cfg``, any model or state dict
            with the tensor names of the modular YOLOv3 or of a ``DarknetModel``.
        path: .weights or .safetensors.
        cfg: the network, for what does not come from a checkpoint. Its header is then what that
            engine writes today, with ``seen`` 0.
        dialect: whose darknet it is for; with ``cfg`` only.
        seen: pictures that the header says the model was trained on, from which darknet goes on:
            it stops at max_batches * batch * subdivisions. Default: as many as its checkpoint says,
            and 0 after ``replace_heads``.
        force: replace an existing file.

    Raises:
        UsageError: another suffix, or a ``seen`` that no header holds.
        CheckpointError: a tensor is missing, surplus, or of another shape or type than Darknet's.
        OutputError: ``path`` is there already, or cannot be written.
    """
    target = Path(path)
    if target.suffix not in (".weights", ".safetensors"):
        raise UsageError("is neither .weights nor .safetensors", path=path)
    tensors = model.state_dict() if isinstance(model, nn.Module) else model
    if cfg is not None:
        plan = plan_for(tensors.keys(), read_network(cfg), dialect)
    elif isinstance(model, FromDarknet):
        plan = plan_of(model)
    else:
        raise UsageError("a model that load() did not return needs its cfg", remedy="pass cfg=...")
    if seen is not None:
        plan = _seen(plan, seen)
    if os.path.lexists(target) and not force:
        raise OutputError("exists already", path=path, remedy="replace it with force=True")
    if target.suffix == ".safetensors":
        names = model.names if isinstance(model, FromDarknet) else None
        _write_safetensors(tensors, plan, target, names)
        return
    with replacing(target, plan.size) as file:
        file.write(plan.header.encode())
        for data in _in_file_order(tensors, plan):
            file.write(data)


def _seen(plan: Plan, seen: int) -> Plan:
    """``plan`` with another counter in its header, which has 4 or 8 bytes for it."""
    bits = 8 * (plan.header.size - 12)  # after three int32
    if not 0 <= seen < 2**bits:
        raise UsageError(f"seen={seen} is outside 0 to 2^{bits} - 1")
    return replace(plan, header=replace(plan.header, seen=seen))


def write_checkpoint(model: FromDarknet, path: PathLike) -> Metadata:
    """Write a model as ``convert`` would have written it; an existing file is replaced.

    Returns:
        What the checkpoint says of itself.

    Raises:
        CheckpointError: the model cannot go back to Darknet.
        OutputError: ``path`` cannot be written.
    """
    assumed = model.metadata.assumed if model.metadata else {}
    return _write_safetensors(
        model.state_dict(), plan_of(model), Path(path), model.names, assumed=assumed
    )


def weights_sha256(model: FromDarknet, plan: Plan) -> str:
    """The SHA-256 of the .weights file that ``model`` goes back to, in hexadecimal."""
    return _sha256(model.state_dict(), plan)


def _write_safetensors(
    tensors: Tensors,
    plan: Plan,
    path: Path,
    names: list[str] | None,
    *,
    assumed: dict[str, Any] | None = None,
) -> Metadata:
    """``source_sha256`` is that of the .weights file that it goes back to.

    So it is the one that the model came from, if no bit of a tensor has changed.
    """
    meta = Metadata.of(
        plan,
        tool=TOOL,
        sha256=_sha256(tensors, plan),
        names=names,
        assumed=assumed,
    )
    head = make_head(((slot.tensor, slot.shape) for slot in plan.tensors), meta.encode())
    with replacing(path, len(head) + plan.size - plan.header.size) as file:
        file.write(head)
        for _, tensor in _values(tensors, plan):
            file.write(tensor.numpy().data)
    return meta


def _sha256(tensors: Tensors, plan: Plan) -> str:
    digest = hashlib.sha256(plan.header.encode())
    for data in _in_file_order(tensors, plan):
        digest.update(data)
    return digest.hexdigest()


def _in_file_order(tensors: Tensors, plan: Plan) -> Iterator[memoryview]:
    for slot, tensor in _values(tensors, plan):
        stored = tensor.reshape(slot.shape[0], -1).T.contiguous() if slot.transposed else tensor
        yield stored.numpy().data


def _values(tensors: Tensors, plan: Plan) -> Iterator[tuple[Slot, torch.Tensor]]:
    """Each slot of ``plan`` with its tensor: float32, on the CPU, contiguous.

    Raises:
        CheckpointError: naming a tensor that is missing, or has another shape or type.
    """
    for slot in plan.slots:
        tensor = tensors.get(slot.tensor)
        if tensor is None:
            raise CheckpointError(
                "the model lacks it", place=slot.tensor, remedy="a fused model cannot be saved"
            )
        if tensor.dtype != torch.float32 or tuple(tensor.shape) != slot.shape:
            raise CheckpointError(
                f"is {tensor.dtype} {tuple(tensor.shape)}, Darknet's is float32 {slot.shape}",
                place=slot.tensor,
                remedy="model.float() makes a model float32",
            )
        yield slot, tensor.detach().cpu().contiguous()
