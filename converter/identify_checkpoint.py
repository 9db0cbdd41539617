"""What a checkpoint is: its network, the scheme of its tensors' names, and how they are known."""

from __future__ import annotations

import logging
import os
from contextlib import suppress
from dataclasses import replace
from math import prod
from typing import TYPE_CHECKING, Any

from converter.checkpoint import formats
from converter.checkpoint.checkpoint import Checkpoint
from converter.checkpoint.header import Contents
from converter.checkpoint.metadata import NetworkUnknown
from converter.darknet import evidence
from converter.darknet.dialects import DialectName
from converter.errors import CheckpointError, FamilyError, errors_name
from converter.families import FAMILIES, find_family
from converter.options import FamilyChoice, PathLike

if TYPE_CHECKING:
    from numpy.typing import NDArray

log = logging.getLogger("converter")


def open_checkpoint(
    path: PathLike,
    cfg: PathLike | None = None,
    dialect: DialectName | None = None,
    family: FamilyChoice = "auto",
    contents: Contents | None = None,
) -> Checkpoint:
    """The checkpoint at ``path``; what it does not say itself, and was found out, is logged.

    ``contents`` is its header, if that was read already: a .safetensors, .pt or .pth file's.

    Args, Raises: as ``identify_checkpoint``, and a CheckpointError if it cannot be read.
    """
    stored, how = identify_checkpoint(contents or formats.read(path), cfg, dialect, family)
    if stored.contents.where:
        log.info("tensors: %s", stored.contents.where)
    if stored.claims is None:
        if cfg is None:
            log.info("network: %s", how)
        log.info("family: %s, by the names of its tensors", stored.plan.naming.family)
    return stored


def identify_checkpoint(
    contents: Contents,
    cfg: PathLike | None = None,
    dialect: DialectName | None = None,
    family: FamilyChoice = "auto",
) -> tuple[Checkpoint, str]:
    """The checkpoint of a header, and how its network is known, in words.

    Args:
        contents: the header.
        cfg: its network; default: what it says itself, else recognised by its tensors.
        dialect: whose darknet ``cfg`` is for; default: the one that knows all of it.
        family: the scheme of its tensors' names; "auto": what it says itself, or what they show.

    Raises:
        NetworkUnknown: it does not say which network it is of, none is given, and it is none that
            is known.
        CheckpointError, FamilyError, UsageError: those of ``Checkpoint.of``.
        CfgError, NetworkError: ``cfg`` is no network.
    """
    if cfg is not None:
        network = evidence.read_as_known(cfg, dialect)
        return Checkpoint.of(contents, network, family), os.fspath(cfg)
    if "schema" not in contents.metadata:
        return _recognise_tensors(contents, family)
    stored = Checkpoint.of(contents, None, family)
    return stored, f"the network that {stored.metadata.tool} wrote into it"


def _recognise_tensors(contents: Contents, family: FamilyChoice) -> tuple[Checkpoint, str]:
    """A checkpoint that has as many values as a known network, under names of some scheme."""
    from converter.diagnosis.architectures import recognise  # late: only without a cfg

    values = [
        prod(entry.shape)
        for name, entry in contents.entries.items()
        if name.rpartition(".")[2] in ("weight", "bias", "running_mean", "running_var")
    ]
    for match in recognise(sum(values)):
        with suppress(CheckpointError, FamilyError):
            stored = Checkpoint.of(contents, match.network, family)
            slots = stored.plan.slots
            if all(contents.shapes[slot.tensor] == slot.shape for slot in slots):
                return stored, (
                    f"{match}, recognised by the names and the {sum(values):,} values of its"
                    f" tensors; anchors and input size ({match.architecture.size}) are assumed to"
                    " be as published"
                )
    return _recognise_names(contents, family)


def _recognise_names(contents: Contents, family: FamilyChoice) -> tuple[Checkpoint, str]:
    """A checkpoint whose names and shapes are those of a network that no published cfg is of."""
    wanted = FAMILIES.values() if family == "auto" else [find_family(family)]
    for known in wanted:
        with errors_name(contents.path, FamilyError):
            network = known.recognise(_Values(contents)) if known.recognise else None
        if network is None:
            continue
        stored = Checkpoint.of(contents, network, known.name)
        if all(contents.shapes[slot.tensor] == slot.shape for slot in stored.plan.slots):
            size = f"{network.net.width}x{network.net.height}"
            return replace(stored, unpublished=True), (
                f"{known.summary}, with {network.classes} classes, recognised by the names and"
                f" shapes of its tensors; the input size ({size}) is assumed"
            )
    raise NetworkUnknown(contents.path)


class _Values:
    """A checkpoint's tensors, opened when the values of one are asked for."""

    def __init__(self, contents: Contents) -> None:
        self.shapes = contents.shapes
        self._contents = contents

    def array(self, name: str) -> NDArray[Any]:
        """A tensor's values."""
        with formats.open_tensors(self._contents.path, "float32", self._contents) as tensors:
            return tensors.array(name)
