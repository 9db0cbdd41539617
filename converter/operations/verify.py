"""verify(): a checkpoint, and all that it says of itself, against the files it was made from."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import fields
from itertools import zip_longest
from pathlib import Path
from typing import Any

from converter.checkpoint import formats, payload
from converter.checkpoint.changes import Change, changes
from converter.checkpoint.checkpoint import Checkpoint
from converter.checkpoint.metadata import Metadata
from converter.checkpoint.payload import Comparison
from converter.darknet.dialects import DialectName
from converter.darknet.header import Header
from converter.darknet.layers import Layer
from converter.darknet.names import read_names
from converter.darknet.network import Network, read_network, reread
from converter.errors import WeightsError, argument, require_text
from converter.files.hashing import Hashing, sha256_of
from converter.files.source import Source, file_errors_name, opened
from converter.identify_checkpoint import open_checkpoint
from converter.notebook import Record
from converter.options import FamilyChoice, PathLike
from converter.plan import Plan, SizeMismatch, make_plan
from converter.records import dataclass


@dataclass(frozen=True, kw_only=True)
class Claim:
    """One thing that the checkpoint says of itself.

    Attributes:
        name: its key in the metadata; "network" for ``cfg``, which is compared as it is parsed.
        ok: whether it is true; None if there was nothing to compare it with.
        text: why not, or what it could have been compared with.
    """

    name: str
    ok: bool | None
    text: str = ""


@dataclass(frozen=True, kw_only=True, repr=False)
class Verification(Record):
    """What ``verify`` found.

    Attributes:
        plan: which bytes should be where.
        metadata: what the checkpoint says of itself; what it would say, if it says nothing.
        comparison: what is.
        changes: what the rules of another port's scheme make of the file's values.
        claims: what it says of itself, compared.
    """

    plan: Plan
    metadata: Metadata
    comparison: Comparison
    changes: tuple[Change, ...]
    claims: tuple[Claim, ...]

    shown = "ok", "comparison", "plan", "metadata.dialect", "metadata.classes", "metadata.dtype"

    @property
    def ok(self) -> bool:
        """Whether the checkpoint holds exactly this file, and says nothing that is not true."""
        return self.comparison.ok and not any(claim.ok is False for claim in self.claims)

    @property
    def of_another(self) -> bool:
        """Whether the checkpoint says that it was made from another file, and differs from this."""
        hashes = next((claim.ok for claim in self.claims if claim.name == "source_sha256"), None)
        return hashes is False and not self.comparison.ok

    def as_dict(self) -> dict[str, Any]:
        """The object that ``verify --json`` prints."""
        claims = {claim.name: claim.ok for claim in self.claims}
        return {
            "schema": 1,
            "ok": self.ok,
            "tensors": len(self.comparison.rows),
            "mismatched": list(self.comparison.mismatched),
            "missing": list(self.comparison.missing),
            "unexpected": list(self.comparison.unexpected),
            "changes": [change.as_dict() for change in self.changes],
            "header": claims.get("header"),
            "claims": claims,
            "remarks": {claim.name: claim.text for claim in self.claims if claim.text},
            "dtype": self.metadata.dtype,
        }


def verify(
    source: PathLike,
    checkpoint: PathLike,
    *,
    cfg: PathLike | None = None,
    names: PathLike | None = None,
    dialect: DialectName | None = None,
    family: FamilyChoice = "auto",
    names_encoding: str | None = None,
) -> Verification:
    """Compare ``checkpoint`` with the .weights file it was made from, value by value.

    What it says of itself is compared, too: the header, the end and the hash with the .weights
    file, and with what else is given.

    Args:
        source: the .weights file.
        checkpoint: the .safetensors, .pt or .pth file. Of one that says nothing of itself, only the
            values are compared; where a rule of its scheme changes them, either file may have been
            made from the other.
        cfg: the network that it should be; or is, if it does not say that.
        names: the class names that it should have, one a line.
        dialect: whose darknet it should be of.
        family: whose tensor names it has, if it does not say that itself; "auto": what they show.
        names_encoding: of ``names``, by Python's name; default: UTF-8.

    Raises:
        DarknetError: they cannot be compared.
    """
    require_text(
        {"source": source, "checkpoint": checkpoint, "family": family},
        cfg=cfg,
        names=names,
        dialect=dialect,
        names_encoding=names_encoding,
    )
    contents = formats.read(checkpoint)
    if "schema" not in contents.metadata:
        stored = open_checkpoint(checkpoint, cfg, dialect, family, contents)
        return _verify_bare(Path(source), stored, names)
    stored = Checkpoint.of(contents, family=family)
    meta = stored.metadata
    network = read_network(cfg) if cfg else stored.network
    with (
        opened(Path(source)) as weights,
        Hashing(weights.read_into, weights.size) as hashing,
        stored.tensors() as tensors,
    ):
        plan = _plan(weights, stored, partial=meta.cutoff is not None)
        hashing.begin()
        comparison = payload.compare(weights, plan, tensors)
        by_rule = changes(weights, plan)
        claims = (
            _compared("header", meta.header, plan.header, weights),
            _compared("cutoff", meta.cutoff, plan.cutoff, weights),
            _compared("source_sha256", meta.source_sha256, hashing.result(), weights),
            _network(stored.network, network, cfg),
            _names(meta.names, names, network.classes, names_encoding),
            _dialect(meta.dialect, dialect),
        )
    return Verification(
        plan=plan, metadata=meta, comparison=comparison, changes=by_rule, claims=claims
    )


def _verify_bare(source: Path, stored: Checkpoint, names: PathLike | None) -> Verification:
    """The same for a checkpoint without metadata: there is nothing but values to compare."""
    with opened(source) as weights:
        plan = _plan(weights, stored)
        with stored.tensors() as tensors:
            comparison = payload.compare(weights, plan, tensors)
            if not comparison.ok:
                back = payload.compare(weights, plan, tensors, restored=True)
                comparison = back if back.ok else comparison
        meta = Metadata.of(plan, tool="", sha256=sha256_of(weights), names=None, dtype=stored.dtype)
        by_rule = changes(weights, plan)
    claims = () if names is None else (Claim(name="names", ok=None, text="it has none"),)
    return Verification(
        plan=plan, metadata=meta, comparison=comparison, changes=by_rule, claims=claims
    )


def _plan(weights: Source, stored: Checkpoint, *, partial: bool = False) -> Plan:
    """What lies where in ``weights``, if it is of the checkpoint's network.

    Raises:
        WeightsError: it is not as long as that asks for, or has no header.
    """
    with file_errors_name(weights.path):
        header = Header.decode(weights.head, stored.plan.dialect)
    try:
        return make_plan(
            header=header,
            size=weights.size,
            network=stored.network,
            naming=stored.plan.naming,
            dialect=stored.plan.dialect,
            partial=partial,
        )
    except SizeMismatch as mismatch:
        path = stored.contents.path
        raise WeightsError(
            f"does not belong to {path}: it has {weights.size:,} bytes, and a .weights file of that"
            f" network {stored.plan.size:,}",
            path=weights.path,
            remedy=f"give the file that {path.name} was made from",
        ) from mismatch


def _compared(name: str, stored: object, actual: object, weights: Source) -> Claim:
    text = "" if stored == actual else f"{_shown(stored)}, but {weights.path} has {_shown(actual)}"
    return Claim(name=name, ok=stored == actual, text=text)


def _shown(value: object) -> str:
    if isinstance(value, Header):
        return f"version {value.version}, {value.seen:,} pictures seen"
    return str(value)


def _network(stored: Network, actual: Network, cfg: PathLike | None) -> Claim:
    if cfg is None:
        text = f"its own cfg was believed: {argument('--cfg')} compares it"
        return Claim(name="network", ok=None, text=text)
    # With all options of both: which of them count is the same for both, once they are equal.
    difference = next(_differences(reread(stored, None), actual), None)
    text = f"differs from {os.fspath(cfg)}: {difference}" if difference else ""
    return Claim(name="network", ok=difference is None, text=text)


def _differences(stored: Network, actual: Network) -> Iterator[str]:
    """Where two networks differ, as they are parsed: what only training reads does not count."""
    for option, ours, theirs in _unequal(stored.net, actual.net):
        yield f"{option} of [net] is {ours}, there {theirs}"
    if len(stored.nodes) != len(actual.nodes):
        yield f"it has {len(stored.nodes)} layers, there are {len(actual.nodes)}"
    for node, other in zip(stored.nodes, actual.nodes, strict=False):
        if type(node.layer) is not type(other.layer):
            yield f"{node.place} is [{other.layer.type}] there"
            return
        for option, ours, theirs in _unequal(node.layer, other.layer):
            yield f"{option} of {node.place} is {ours}, there {theirs}"


def _unequal(ours: Layer, theirs: Layer) -> Iterator[tuple[str, str, str]]:
    """Options of two layers of one type that differ: (name, the one, the other)."""
    for option in fields(ours):
        pair = getattr(ours, option.name), getattr(theirs, option.name)
        if option.compare and pair[0] != pair[1]:
            yield option.name.rstrip("_"), _option(pair[0]), _option(pair[1])


def _option(value: object) -> str:
    text = ",".join(f"{v:g}" for v in value) if isinstance(value, tuple) else str(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _names(
    stored: Sequence[str] | None, path: PathLike | None, classes: int | None, encoding: str | None
) -> Claim:
    if path is None:
        text = f"they were believed: {argument('--names')} compares them"
        return Claim(name="names", ok=None, text=text)
    actual = read_names(Path(path), classes, encoding)
    pairs = zip_longest(stored or (), actual, fillvalue="nothing")
    for label, (ours, theirs) in enumerate(pairs):
        if ours != theirs:
            text = f"class {label} is {ours}, but {theirs} in {os.fspath(path)}"
            return Claim(name="names", ok=False, text=text)
    return Claim(name="names", ok=True)


def _dialect(stored: DialectName, actual: DialectName | None) -> Claim:
    if actual is None:
        text = f"{stored} was believed: {argument('--dialect')} compares it"
        return Claim(name="dialect", ok=None, text=text)
    text = "" if stored == actual else f"{stored}, not {actual}"
    return Claim(name="dialect", ok=stored == actual, text=text)
