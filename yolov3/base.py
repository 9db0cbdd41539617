"""What a loaded model knows beside its tensors, and how it gets both from a checkpoint."""

from __future__ import annotations

import copy
import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from math import prod
from typing import Self, TypeVar

import torch
from torch import nn

from converter.checkpoint.checkpoint import Checkpoint, native_plan
from converter.checkpoint.header import is_counter, unreadable
from converter.checkpoint.metadata import Metadata
from converter.darknet.dialects import DialectName
from converter.darknet.network import Network
from converter.errors import (
    CheckpointError,
    NetworkError,
    UsageError,
    argument,
    errors_name,
    first_line,
    some,
)
from converter.files import portable
from converter.options import BATCH_NORM_RULES, BatchNormRule
from converter.plan import Plan, Slot
from yolov3.blocks import set_batch_norm

log = logging.getLogger("yolov3")

Loaded = TypeVar("Loaded", bound="FromDarknet")

# Values that are initialised freshly for any file, half a GiB; for a large one four times its own.
# The files with pretrained layers that darknet's authors published hold more than half of theirs.
MAX_FRESH = 1 << 27


@contextmanager
def refusing_device(named: str) -> Iterator[None]:
    """Refuse a device that does not work in the block; ``named`` is the option and its value.

    Raises:
        UsageError: with PyTorch's reason, and what is there.
    """
    try:
        yield
    except (AssertionError, NotImplementedError, RuntimeError) as error:
        # What a build without CUDA raises is an AssertionError.
        there = ["cpu", *(f"cuda:{number}" for number in range(torch.cuda.device_count()))]
        if torch.backends.mps.is_available():
            there.append("mps")
        raise UsageError(
            f"{named}: {first_line(error)}", remedy=f"use {' or '.join(there)}"
        ) from error


class FromDarknet(nn.Module):
    """A model, and what it knows of the checkpoint that it was loaded from.

    Attributes:
        metadata: what that checkpoint says of itself, but for the family, which is that of the
            model's own names; None if there was none.
        network: the Darknet network, which ``replace_heads`` changes.
        dialect: whose darknet wrote the weights.
        names: class names, if known.
        input_size: (height, width) of the picture, in pixels.
        strides: pixels a cell, for each output map, fine to coarse.
        anchors: (width, height) in pixels of the picture, for each output map.
        missing: tensors that the checkpoint did not have (``load(strict=False)`` only).
    """

    metadata: Metadata | None = None
    network: Network
    dialect: DialectName
    names: list[str] | None = None
    input_size: tuple[int, int]
    strides: Sequence[int] = ()
    anchors: Sequence[Sequence[tuple[float, float]]] = ()
    missing: Sequence[str] = ()

    @classmethod
    def build(cls, plan: Plan) -> Self:
        """The model whose tensors ``plan`` names, freshly initialised.

        Raises:
            FamilyError: they are those of another class.
            NetworkError: a layer does not run exactly in PyTorch.
        """
        raise NotImplementedError

    @classmethod
    def from_checkpoint(
        cls,
        stored: Checkpoint,
        bn: BatchNormRule = "torch",
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
        strict: bool = True,
    ) -> Self:
        """The model of ``stored``, in eval mode; arguments and errors are those of ``load``."""
        if bn not in BATCH_NORM_RULES:
            raise UsageError(f"bn={bn!r} is unknown", remedy=f"use one of {BATCH_NORM_RULES}")
        with refusing_device(f"device={device}"):
            torch.empty(1, device=device)
        plan = native_plan(stored.plan)
        with errors_name(stored.contents.path, CheckpointError):
            tensors = _read(stored, plan)
            with torch.device("meta"):
                model = cls.build(plan)
            missing = _check(model, tensors, stored, strict=strict)
        if missing:
            model = cls.build(plan)
            model.missing = missing
        model.load_state_dict(tensors, strict=False, assign=True)
        _fill_counters(model)
        model.dialect, model.names = plan.dialect, stored.class_names
        if stored.claims is not None:
            model.metadata = replace(stored.claims, family=plan.naming.family)
        model._set_network(plan.network)
        set_batch_norm(model, bn)
        model.to(device=device, dtype=dtype)
        return model.eval()

    def _require_size(self, x: torch.Tensor, stride: int) -> None:
        """Refuse pictures on which a detector's maps do not lie on one another.

        Args:
            x: (N, channels, height, width); others are left to the layers.
            stride: pixels a cell of the coarsest map.

        Raises:
            NetworkError: height or width is neither the cfg's nor a multiple of ``stride``.
        """
        tracing = torch.jit.is_tracing()  # type: ignore[attr-defined, no-untyped-call]
        if x.dim() != 4 or tracing:  # then sizes are no numbers
            return
        height, width = x.shape[2:]
        own = self.network.input.sides[1:] if hasattr(self, "network") else ()
        if (height % stride or width % stride) and (height, width) != own:
            near = [max(stride, round(side / stride) * stride) for side in (width, height)]
            raise NetworkError(
                f"cannot compute on pictures of {width}x{height} pixels",
                remedy=f"give it multiples of {stride}, such as {near[0]}x{near[1]}",
            )

    def _set_network(self, network: Network) -> None:
        self.network = network
        self.input_size = (network.input.h, network.input.w)
        self.strides, self.anchors = network.strides, network.anchors


def shapes_of(tensors: Mapping[str, torch.Tensor]) -> dict[str, tuple[int, ...]]:
    """The shapes in a state dict, but for what only counts."""
    return {name: tuple(tensor.shape) for name, tensor in tensors.items() if not is_counter(name)}


def in_float32(model: Loaded) -> Loaded:
    """``model``, or a copy that computes in float32 from its values if they are of another type."""
    dtype = next((parameter.dtype for parameter in model.parameters()), torch.float32)
    if dtype == torch.float32:
        return model
    log.info("the values are %s: computing in float32 from them", str(dtype).split(".")[1])
    return copy.deepcopy(model).float()


def _read(stored: Checkpoint, plan: Plan) -> dict[str, torch.Tensor]:
    """The tensors of ``stored`` by the names of ``plan``; what is not in it keeps its name."""
    found = _map(stored) if stored.is_mappable else _copy(stored)
    if plan is not stored.plan:
        for theirs, ours in zip(stored.plan.slots, plan.slots, strict=True):
            tensor = found.pop(theirs.tensor, None)
            if tensor is not None:
                same = tuple(tensor.shape) == theirs.shape
                found[ours.tensor] = _native(tensor, theirs, ours) if same else tensor
    return found


def _map(stored: Checkpoint) -> dict[str, torch.Tensor]:
    """Those of a safetensors file, which stays open."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(stored.contents.path, framework="pt") as file:
            found = {name: file.get_tensor(name) for name in stored.names}
    except SafetensorError as error:
        raise unreadable(stored.contents.path, error) from error
    if portable.WINDOWS:  # else nobody could replace the file for as long as the model lives
        found = {name: tensor.clone() for name, tensor in found.items()}
    return found


def _copy(stored: Checkpoint) -> dict[str, torch.Tensor]:
    """Those of any other file, in memory."""
    with stored.tensors() as tensors:
        found = {name: torch.from_numpy(tensors.array(name)) for name in stored.names}
    if stored.dtype == "bfloat16":
        found = {name: tensor.view(torch.bfloat16) for name, tensor in found.items()}
    return found


def _native(tensor: torch.Tensor, theirs: Slot, ours: Slot) -> torch.Tensor:
    """A tensor of another scheme, with Darknet's values and in the shape of our model's."""
    if theirs.rule:
        rows = tensor.to(torch.float32).reshape(theirs.shape[0], -1).numpy()
        tensor = torch.from_numpy(theirs.rule.back(rows)).to(tensor.dtype)
    return tensor.reshape(ours.shape)


def _check(
    model: nn.Module, tensors: Mapping[str, torch.Tensor], stored: Checkpoint, *, strict: bool
) -> tuple[str, ...]:
    """Names that the checkpoint lacks; anything else that is wrong, or those if strict, raises."""
    wanted = shapes_of(model.state_dict())
    surplus = sorted(tensors.keys() - wanted)
    if surplus:
        raise CheckpointError(f"has tensors that its model lacks: {some(surplus)}")
    wrong = [name for name, tensor in tensors.items() if tuple(tensor.shape) != wanted[name]]
    if wrong:
        raise CheckpointError(f"has tensors of another shape than its model: {some(wrong)}")
    dtype = getattr(torch, stored.dtype)
    wrong = [name for name, tensor in tensors.items() if tensor.dtype != dtype]
    if wrong:
        raise CheckpointError(f"has tensors that are not {stored.dtype}: {some(wrong)}")
    missing = tuple(name for name in wanted if name not in tensors)
    if missing and strict:
        whole = "use the weights of the whole network, or load(..., strict=False)"
        raise CheckpointError(
            f"does not fill its model, missing are {some(missing)}",
            remedy=f"convert with {argument('--family', 'yolov3')}"
            if stored.plan.naming.unfilled
            else whole,
        )
    fresh = sum(prod(wanted[name]) for name in missing)
    if fresh > max(MAX_FRESH, 4 * sum(tensor.numel() for tensor in tensors.values())):
        raise CheckpointError(
            f"lacks {fresh:,} values of its model, missing are {some(missing)}",
            remedy="use the weights of the whole network",
        )
    return missing


def _fill_counters(model: nn.Module) -> None:
    """``num_batches_tracked`` is in no Darknet file; it starts at zero."""
    for module in model.modules():
        counter = getattr(module, "num_batches_tracked", None)
        if counter is not None and counter.is_meta:
            module.num_batches_tracked = torch.zeros((), dtype=torch.long)
