"""From a model back to a checkpoint."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

import torch

from converter import families, store
from converter import plan as plans
from converter.errors import CheckpointError
from converter.metadata import Metadata
from converter.plan import Plan, Slot
from converter.version import TOOL
from yolov3.described import FromDarknet


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
    if meta.family == "article":
        raise CheckpointError(
            "the article's wiring has no place for all that a .weights file holds",
            remedy="convert with --family yolov3",
        )
    return plans.make(
        header=meta.header,
        size=None,
        network=model.network,
        family=families.named(model.network, meta.family),
        dialect=meta.dialect,
    )


def values(model: FromDarknet, plan: Plan) -> Iterator[tuple[Slot, torch.Tensor]]:
    """Each slot of ``plan`` with its tensor: float32, on the CPU, contiguous.

    Raises:
        CheckpointError: naming a tensor that the model lacks, or has in another shape or type.
    """
    tensors = model.state_dict()
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


def write_checkpoint(model: FromDarknet, path: str | os.PathLike[str]) -> Metadata:
    """Write a model as ``convert`` would have written it; an existing file is replaced.

    ``source_sha256`` is that of the .weights file that it goes back to: the one that the model came
    from if no bit of a tensor has changed.

    Returns:
        What the checkpoint says of itself.

    Raises:
        CheckpointError: the model cannot go back to Darknet.
        OutputError: ``path`` cannot be written.
    """
    plan = plan_of(model)
    meta = Metadata.of(
        plan,
        tool=TOOL,
        sha256=weights_sha256(model, plan),
        classes=model.network.classes,
        names=model.names,
        assumed=model.metadata.assumed if model.metadata else {},
    )
    head = store.head(((slot.tensor, slot.shape) for slot in plan.tensors), meta.encode())
    with store.replacing(Path(path), len(head) + plan.size - plan.header.size) as file:
        file.write(head)
        for _, tensor in values(model, plan):
            file.write(tensor.numpy().data)
    return meta


def weights_sha256(model: FromDarknet, plan: Plan) -> str:
    """The SHA-256 of the .weights file that ``model`` goes back to, in hexadecimal."""
    digest = hashlib.sha256(plan.header.encode())
    for slot, tensor in values(model, plan):
        stored = tensor.reshape(slot.shape[0], -1).T.contiguous() if slot.transposed else tensor
        digest.update(stored.numpy().data)
    return digest.hexdigest()
