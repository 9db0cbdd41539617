"""What a file is: its network, the engine that wrote it, and how they are known."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any

from converter.checkpoint import formats
from converter.checkpoint.checkpoint import Checkpoint
from converter.checkpoint.header import Contents
from converter.checkpoint.metadata import NetworkUnknown
from converter.darknet import evidence
from converter.darknet.cfg import parse_cfg
from converter.darknet.dialects import DEFAULT, DialectName
from converter.darknet.header import Header
from converter.darknet.network import Network, read_cfg, read_layers
from converter.errors import CfgError, CheckpointError, FamilyError, NetworkError, WeightsError
from converter.families import FAMILIES, find_family
from converter.files.source import Source, companion
from converter.options import FamilyChoice, PathLike
from converter.plan import SizeMismatch

if TYPE_CHECKING:
    from numpy.typing import NDArray

log = logging.getLogger("converter")


@dataclass(frozen=True, kw_only=True)
class Identity:
    """What a file is read as.

    Attributes:
        header: the first bytes of the .weights file.
        network: whose values it holds.
        dialect: whose engine wrote it.
        how: how the network is known, in words.
        cfg: the file that says so; None if there is none.
        assumed: what is taken for granted of a network that was recognised.
        warning: what speaks against the dialect, if anything does.
        doubt: that nothing speaks for it, and what another would do otherwise, if so.
    """

    header: Header
    network: Network
    dialect: DialectName
    how: str
    cfg: Path | None = None
    assumed: Mapping[str, Any] = field(default_factory=dict)
    warning: str | None = None
    doubt: str | None = None


def identify(
    source: Source, cfg: PathLike | None = None, dialect: DialectName | None = None
) -> Identity:
    """What ``source`` is.

    Args:
        source: an open .weights file.
        cfg: its network; default: the .cfg beside it, else recognised by its size.
        dialect: whose engine wrote it; default: decided by its size, cfg and header.

    Raises:
        CfgError, NetworkError: the cfg is no network.
        WeightsError: it has no header, or is nothing that is known, or may be of either engine.
    """
    path = Path(cfg) if cfg is not None else companion(source.path, ".cfg")
    assumed: Mapping[str, Any] = {}
    if path is None:
        text, how, assumed = _recognise(source, dialect or DEFAULT)
        choice = evidence.choose(text, source.head, source.size, dialect)
    else:
        choice = _choose(path, source, dialect)
        how = str(path) if cfg is not None else f"{path}, found beside the weights"
    return Identity(
        header=Header.decode(source.head, choice.dialect),
        network=choice.network,
        dialect=choice.dialect,
        how=how,
        cfg=path,
        assumed=assumed,
        warning=choice.warning,
        doubt=choice.assumed,
    )


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
    found = _recognise_names(contents, family)
    if found is None:
        raise NetworkUnknown(contents.path)
    return found


def _recognise_names(contents: Contents, family: FamilyChoice) -> tuple[Checkpoint, str] | None:
    """A checkpoint whose names and shapes are those of a network that no published cfg is of."""
    wanted = FAMILIES.values() if family == "auto" else [find_family(family)]
    for known in wanted:
        try:
            network = known.recognise(_Values(contents)) if known.recognise else None
        except FamilyError as error:
            error.path = os.fspath(contents.path)
            raise
        if network is None:
            continue
        stored = Checkpoint.of(contents, network, known.name)
        if all(contents.shapes[slot.tensor] == slot.shape for slot in stored.plan.slots):
            size = f"{network.net.width}x{network.net.height}"
            return replace(stored, unpublished=True), (
                f"{known.summary}, with {network.classes} classes, recognised by the names and"
                f" shapes of its tensors; the input size ({size}) is assumed"
            )
    return None


class _Values:
    """A checkpoint's tensors, opened when the values of one are asked for."""

    def __init__(self, contents: Contents) -> None:
        self.shapes = contents.shapes
        self._contents = contents

    def array(self, name: str) -> NDArray[Any]:
        """A tensor's values."""
        with formats.open_tensors(self._contents.path, "float32", self._contents) as tensors:
            return tensors.array(name)


@contextmanager
def explaining(source: Source) -> Iterator[None]:
    """Say why ``source`` does not fit the plan that the block makes for it.

    Raises:
        WeightsError: in place of a ``SizeMismatch``.
    """
    try:
        yield
    except SizeMismatch as mismatch:
        from converter.diagnosis.explain import explain  # late: rarely needed

        raise explain(mismatch, source) from mismatch


def _choose(path: Path, source: Source, dialect: DialectName | None) -> evidence.Choice:
    """The engine whose cfg is in ``path``."""
    try:
        text = read_cfg(path)
        return evidence.choose(text, source.head, source.size, dialect)
    except NetworkError as error:
        from converter.diagnosis.explain import explain_heads  # late: rarely needed

        error.path = os.fspath(path)
        raise explain_heads(error, *read_layers(parse_cfg(text)), source) from error
    except CfgError as error:
        error.path = os.fspath(path)
        raise


def _recognise(source: Source, dialect: DialectName) -> tuple[str, str, Mapping[str, Any]]:
    """The cfg of the known network that has as many floats; in words; and what they leave open."""
    from converter.diagnosis.architectures import recognise  # late: only without a cfg

    header = Header.decode(source.head, dialect)
    floats, rest = divmod(source.size - header.size, 4)
    matches = [] if rest else recognise(floats)
    if not matches:
        from converter.diagnosis.explain import explain_unknown  # late: rarely needed

        raise explain_unknown(header, dialect, source)
    if len(matches) > 1:
        raise WeightsError(
            f"can be {' or '.join(map(str, matches))} by its size", remedy="give its cfg with --cfg"
        )
    (match,) = matches
    how = (
        f"{match}, recognised by the {floats:,} floats of the file; anchors and input size"
        f" ({match.architecture.size}) are assumed to be as published"
    )
    return match.network.text, how, match.assumed
