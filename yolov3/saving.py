"""From a model back to a checkpoint."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import Any

import torch
from torch import nn

from converter.checkpoint.checkpoint import plan_for, require_way_back
from converter.checkpoint.header import make_head
from converter.checkpoint.metadata import Metadata
from converter.darknet.dialects import DEFAULT, DialectName
from converter.darknet.evidence import read_as_known
from converter.errors import CheckpointError, OutputError, UsageError
from converter.families import name_layers
from converter.files.target import replacing, require_other
from converter.options import PathLike
from converter.plan import Plan, Slot, make_plan
from converter.version import TOOL
from yolov3.base import FromDarknet, shapes_of

Tensors = Mapping[str, torch.Tensor]


def plan_of(model: FromDarknet) -> Plan:
    """Where each tensor of ``model`` lies in the .weights file that it can go back to.

    Raises:
        CheckpointError: the model's network is not known, or it does not hold all that Darknet
            needs.
    """
    meta = model.metadata
    if meta is None and hasattr(model, "network"):
        return plan_for(shapes_of(model.state_dict()), model.network, model.dialect)
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
    dialect: DialectName | None = None,
    seen: int | None = None,
    cfg_out: PathLike | None = None,
    names_out: PathLike | None = None,
    force: bool = False,
) -> None:
    """Write a model, or a state dict, as a Darknet .weights file or as a checkpoint of ours.

    Args:
        model: what ``load`` returned, changed or not; or, with ``cfg``, any model or state dict
            with the tensor names of the modular YOLOv3 or of a ``DarknetModel``. Either may be in
            the shell of ``torch.compile`` or of a parallel trainer.
        path: .weights or .safetensors.
        cfg: the network, for what does not come from a checkpoint. Its header is then what that
            engine writes today, with ``seen`` 0.
        dialect: whose darknet it is for; with ``cfg`` only. Default: the one that knows all of it.
        seen: pictures that the header says the model was trained on, from which darknet goes on:
            it stops at max_batches * batch * subdivisions. Default: as many as its checkpoint says,
            and 0 after ``replace_heads``.
        cfg_out: also write the network's cfg there, so that darknet has what belongs to the file.
            Default: beside a .weights file, if the network is no longer that of its checkpoint.
        names_out: also write the class names there, one a line.
        force: replace existing files.

    Raises:
        UsageError: another suffix, a ``seen`` that no header holds, a model without class names for
            ``names_out``, or two of the files are one.
        CheckpointError: a tensor is missing, surplus, or of another shape or type than Darknet's.
        OutputError: a file is there already, or cannot be written.
    """
    target = Path(path)
    if target.suffix not in (".weights", ".safetensors"):
        raise UsageError("is neither .weights nor .safetensors", path=path)
    if isinstance(model, nn.Module):
        model = _unwrapped(model)
    tensors = model.state_dict() if isinstance(model, nn.Module) else model
    assumed: dict[str, Any] = {}
    if cfg is not None:
        network = read_as_known(cfg, dialect)
        plan = plan_for(shapes_of(tensors), network, network.dialect or DEFAULT)
        prefix = plan.naming.prefix
        tensors = {name.removeprefix(prefix): tensor for name, tensor in tensors.items()}
        plan = plan.renamed(replace(plan.naming, prefix=""))
    elif isinstance(model, FromDarknet):
        plan, meta, assumed = plan_of(model), model.metadata, _assumed(model)
        # It has other heads: it is no longer the network of its checkpoint.
        changed = meta is not None and meta.cfg != model.network.text
        if changed and cfg_out is None and target.suffix == ".weights":
            cfg_out = target.with_suffix(".cfg")
    else:
        raise UsageError("a model that load() did not return needs its cfg", remedy="pass cfg=...")
    if seen is not None:
        plan = _seen(plan, seen)
    names = model.names if isinstance(model, FromDarknet) else None
    beside: dict[Path, bytes] = {}
    if cfg_out is not None:
        beside[Path(cfg_out)] = plan.network.text.encode()
    if names_out is not None:
        beside[Path(names_out)] = _names_text(names, plan.network.classes).encode()
    others = [Path(other) for other in (cfg_out, names_out) if other is not None]
    _require_free([target, *others], cfg, force=force)
    if target.suffix == ".safetensors":
        digest = _sha256(tensors, plan)
        metadata = Metadata.of(plan, tool=TOOL, sha256=digest, names=names, assumed=assumed)
        _write_safetensors(tensors, plan, target, metadata, beside)
    else:
        _write(target, plan.size, _weights_file(tensors, plan), beside)


def _unwrapped(model: nn.Module) -> nn.Module:
    """The model in the shells of ``torch.compile`` and of parallel training."""
    while not isinstance(model, FromDarknet):
        parallel = isinstance(model, nn.DataParallel | nn.parallel.DistributedDataParallel)
        inner = model.module if parallel else getattr(model, "_orig_mod", None)
        if not isinstance(inner, nn.Module):
            break
        model = inner
    return model


def _require_free(targets: Sequence[Path], cfg: PathLike | None, *, force: bool) -> None:
    """Refuse targets that are the input, each other, or there already."""
    for i, target in enumerate(targets):
        require_other(target, cfg, *targets[:i])
        if os.path.lexists(target) and not force:
            raise OutputError("exists already", path=target, remedy="replace it with force=True")


def _names_text(names: Sequence[str] | None, classes: int | None) -> str:
    """A .names file, which darknet reads line by line."""
    if not names:
        raise UsageError(
            "names_out= of a model whose class names are not known", remedy="set model.names"
        )
    if len(names) != classes:
        raise UsageError(f"the model has {len(names)} names, its network {classes} classes")
    unfit = next((name for name in names if name.strip() != name or not name or "\n" in name), None)
    if unfit is not None:
        raise UsageError(f"the class name {unfit!r} cannot be one line of a .names file")
    return "".join(f"{name}\n" for name in names)


def _seen(plan: Plan, seen: int) -> Plan:
    """``plan`` with another counter in its header, which has 4 or 8 bytes for it."""
    bits = 8 * (plan.header.size - 12)  # after three int32
    if not 0 <= seen < 2**bits:
        raise UsageError(f"seen={seen} is outside 0 to 2^{bits} - 1")
    return replace(plan, header=replace(plan.header, seen=seen))


def metadata_of(model: FromDarknet) -> Metadata:
    """What the checkpoint that ``model`` becomes says of itself.

    ``source_sha256`` is that of the .weights file that it goes back to. So it is the one that the
    model came from, if no bit of a tensor has changed.

    Raises:
        CheckpointError: the model cannot go back to Darknet.
    """
    plan = plan_of(model)
    digest = _sha256(model.state_dict(), plan)
    return Metadata.of(plan, tool=TOOL, sha256=digest, names=model.names, assumed=_assumed(model))


def _assumed(model: FromDarknet) -> dict[str, Any]:
    """What its checkpoint took for granted, which the next one does as well."""
    return model.metadata.assumed if model.metadata else {}


def write_checkpoint(
    model: FromDarknet, path: Path, metadata: Metadata, beside: Mapping[Path, bytes]
) -> None:
    """Write a model as ``convert`` would have written it; an existing file is replaced.

    Args:
        model: a model from a checkpoint.
        path: the .safetensors file.
        metadata: what ``metadata_of`` gave.
        beside: what other files shall hold; all get their names when all are written, ``path`` as
            the last.

    Raises:
        CheckpointError: the model cannot go back to Darknet.
        OutputError: a file cannot be written.
    """
    _write_safetensors(model.state_dict(), plan_of(model), path, metadata, beside)


def _write_safetensors(
    tensors: Tensors, plan: Plan, path: Path, metadata: Metadata, beside: Mapping[Path, bytes]
) -> None:
    head = make_head(((slot.tensor, slot.shape) for slot in plan.tensors), metadata.encode())
    values = (tensor.numpy().data for _, tensor in _values(tensors, plan))
    _write(path, len(head) + plan.size - plan.header.size, chain([head], values), beside)


def _write(
    path: Path, size: int, parts: Iterable[bytes | memoryview], beside: Mapping[Path, bytes]
) -> None:
    """Write a file of ``size`` bytes, and others that belong to it: all or, if one fails, none."""
    with ExitStack() as unfinished:  # the first is renamed last
        file = unfinished.enter_context(replacing(path, size))
        for other, data in beside.items():
            small = unfinished.enter_context(replacing(other, len(data)))
            small.write(data)
            small.flush()
        for part in parts:
            file.write(part)
        file.flush()


def _sha256(tensors: Tensors, plan: Plan) -> str:
    digest = hashlib.sha256()
    for data in _weights_file(tensors, plan):
        digest.update(data)
    return digest.hexdigest()


def _weights_file(tensors: Tensors, plan: Plan) -> Iterator[bytes | memoryview]:
    """Its bytes."""
    yield plan.header.encode()
    for slot, tensor in _values(tensors, plan):
        rows = tensor.reshape(slot.shape[0], -1)
        if slot.rule:
            rows = torch.from_numpy(slot.rule.back(rows.numpy()))
        yield (rows.T.contiguous() if slot.transposed else rows).numpy().data


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
