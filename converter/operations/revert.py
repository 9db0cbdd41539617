"""revert(): from a checkpoint back to .weights, by the same Plan read the other way."""

from __future__ import annotations

import logging
import os
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from converter.checkpoint import payload
from converter.checkpoint.dtypes import CODES, DTYPES
from converter.checkpoint.header import read_entries, read_metadata
from converter.checkpoint.metadata import Metadata
from converter.darknet.dialects import DEFAULT, DialectName
from converter.darknet.header import Header
from converter.darknet.network import Network, parse_network, read_network, render_cfg
from converter.errors import CheckpointError, DarknetError, FamilyError, OutputError, UsageError
from converter.families import FAMILIES, name_layers
from converter.files.hashing import sha256_of
from converter.files.source import opened
from converter.files.target import remove_leftovers, replacing, require_other, write_whole
from converter.options import DialectChoice, Dtype, PathLike
from converter.plan import Plan, make_plan

log = logging.getLogger("converter")


@dataclass(frozen=True, kw_only=True)
class Reversion:
    """What ``revert`` did.

    Attributes:
        status: "converted", "up to date" (the output was there already) or "dry run".
        output: the .weights file.
        plan: which bytes came from where.
        sha256: of the output; "" for a dry run.
        identical: whether that is the hash of the file that the checkpoint was made from; None if
            there was none.
        verified: whether the written file was read back and found equal.
    """

    status: Literal["converted", "up to date", "dry run"]
    output: Path
    plan: Plan
    sha256: str
    identical: bool | None
    verified: bool

    def as_dict(self) -> dict[str, Any]:
        """The object that ``convert --json`` prints for this direction."""
        return {
            "schema": 1,
            "status": self.status,
            "output": str(self.output),
            "family": self.plan.naming.family,
            "dialect": self.plan.dialect,
            "tensors": len(self.plan.slots),
            "floats": sum(slot.floats for slot in self.plan.slots),
            "sha256": self.sha256 or None,
            "identical": self.identical,
            "verified": self.verified,
        }


def revert(
    checkpoint: PathLike,
    output: PathLike | None = None,
    *,
    cfg: PathLike | None = None,
    dialect: DialectChoice = "auto",
    cfg_out: PathLike | None = None,
    verify: bool = True,
    dry_run: bool = False,
    force: bool = False,
) -> Reversion:
    """Write the Darknet .weights file of a checkpoint, and check it.

    Byte for byte the file that the checkpoint was made from, if no tensor has changed since.

    Args:
        checkpoint: a .safetensors file.
        output: the .weights file; default: ``checkpoint`` with that suffix.
        cfg: the network, for a file that does not say which it is.
        dialect: whose darknet it is for, for such a file; "auto" is pjreddie.
        cfg_out: also write the network's cfg there, in our own words.
        verify: read the output back and compare every value.
        dry_run: plan only.
        force: replace an output that is another file, and accept values that were once rounded.

    Raises:
        DarknetError: the reason why it was refused; nothing was changed.
    """
    source = Path(checkpoint)
    target = source.with_suffix(".weights") if output is None else Path(output)
    if target.suffix == ".safetensors":
        raise UsageError(
            "would hold Darknet's format under a checkpoint's name",
            path=target,
            remedy="end it with .weights",
        )
    try:
        plan, dtype, digest = _plan(source, cfg, dialect)
        if dtype != "float32" and not force:
            raise CheckpointError(
                f"holds {dtype} values: the float32 values that they once were are lost",
                remedy="--force writes them as they are now",
            )
    except DarknetError as error:
        error.path = error.path or os.fspath(checkpoint)
        raise
    if dry_run:
        payload.need_all(source, plan, dtype)
        return _done("dry run", target, plan, "", digest, verified=False)
    require_other(target, checkpoint, cfg)
    if cfg_out is not None:
        require_other(cfg_out, checkpoint, cfg, target)
    there = os.path.lexists(target)
    current = _current(target, plan, source, dtype) if there else None
    if there and current is None and not force:
        raise OutputError(
            "exists already, and is not this conversion",
            path=target,
            remedy="replace it with --force, or choose another output with -o",
        )
    if current is not None:
        remove_leftovers(target)
        _write_cfg(cfg_out, plan.network, force=force)
        return _done("up to date", target, plan, current, digest, verified=True)
    with replacing(target, plan.size) as file:
        written = payload.restore(source, plan, file, dtype)
        file.flush()
        if verify and not _holds(Path(file.name), plan, source, dtype):
            raise OutputError("does not hold what was written to it", path=target)
        _write_cfg(cfg_out, plan.network, force=force)
    return _done("converted", target, plan, written, digest, verified=verify)


def _plan(
    checkpoint: Path, cfg: PathLike | None, dialect: DialectChoice
) -> tuple[Plan, Dtype, str | None]:
    """The plan of the .weights file, the checkpoint's type, and the hash of its source."""
    entries = read_metadata(checkpoint)
    if "schema" not in entries:
        if cfg is None:
            raise CheckpointError(
                "does not say which network it is", remedy="give its cfg with --cfg"
            )
        wanted = DEFAULT if dialect == "auto" else dialect
        return plan_for(_names(checkpoint), read_network(cfg), wanted), _dtype(checkpoint), None
    if dialect != "auto" and dialect != entries.get("dialect"):
        raise UsageError(
            f"--dialect {dialect} contradicts the checkpoint, which is {entries.get('dialect')}"
        )
    meta = Metadata.decode(entries)
    require_way_back(meta)
    network = read_network(cfg) if cfg is not None else parse_network(meta.cfg)
    plan = make_plan(
        header=meta.header,
        size=None,
        network=network,
        naming=name_layers(network, meta.family),
        dialect=meta.dialect,
        cutoff=meta.cutoff,
    )
    _refuse_surplus(_names(checkpoint), plan)
    return plan, meta.dtype, meta.source_sha256


def _names(checkpoint: Path) -> set[str]:
    return {name for name in read_entries(checkpoint) if name != "__metadata__"}


def plan_for(names: Collection[str], network: Network, dialect: DialectName) -> Plan:
    """The plan of the .weights file that tensors with these ``names`` make: they tell the family.

    Raises:
        CheckpointError: they are no network of any family.
    """
    lacking: dict[str, list[str]] = {}
    for family in FAMILIES.values():
        if family.one_way:
            continue
        try:
            naming = family.name_layers(network)
        except FamilyError:
            continue
        plan = make_plan(
            header=Header.written_by(dialect),
            size=None,
            network=network,
            naming=naming,
            dialect=dialect,
        )
        lacking[family.name] = [slot.tensor for slot in plan.slots if slot.tensor not in names]
        if not lacking[family.name]:
            _refuse_surplus(names, plan)
            return plan
    name, missing = min(lacking.items(), key=lambda item: len(item[1]))
    raise CheckpointError(
        f"lacks {len(missing)} tensors of family {name}",
        place=missing[0],
        remedy="rename its tensors as `convert --dry-run` prints them",
    )


def require_way_back(meta: Metadata) -> None:
    """Refuse a checkpoint that does not hold all that its .weights file did.

    Raises:
        CheckpointError: with the reason.
    """
    reason = FAMILIES[meta.family].one_way
    if reason:
        raise CheckpointError(
            reason, remedy=f"convert the .weights again without --family {meta.family}"
        )


def _refuse_surplus(names: Collection[str], plan: Plan) -> None:
    """Refuse tensors that the .weights file has no place for."""
    surplus = sorted(
        name
        for name in set(names).difference(slot.tensor for slot in plan.slots)
        if not name.endswith("num_batches_tracked")
    )
    if surplus:
        raise CheckpointError(
            f"has {len(surplus)} tensors that its network lacks",
            place=surplus[0],
            remedy="give the cfg that it belongs to with --cfg",
        )


def _dtype(checkpoint: Path) -> Dtype:
    codes = {
        entry.get("dtype")
        for name, entry in read_entries(checkpoint).items()
        if name != "__metadata__" and not name.endswith("num_batches_tracked")
    }
    found = next((dtype for dtype in DTYPES if codes == {CODES[dtype]}), None)
    if found is None:
        raise CheckpointError(f"holds {', '.join(map(str, codes))}, Darknet knows float32 only")
    return found


def _current(target: Path, plan: Plan, checkpoint: Path, dtype: Dtype) -> str | None:
    """The hash of ``target`` if it is this conversion already."""
    try:
        if not _holds(target, plan, checkpoint, dtype):
            return None
        with opened(target) as source:
            return sha256_of(source)
    except DarknetError:
        return None


def _holds(weights: Path, plan: Plan, checkpoint: Path, dtype: Dtype) -> bool:
    with opened(weights) as source:
        head = plan.header.encode()
        return (
            source.size == plan.size
            and source.head.startswith(head)
            and payload.compare(source, plan, checkpoint, dtype).ok
        )


def _write_cfg(path: PathLike | None, network: Network, *, force: bool) -> None:
    if path is not None:
        text = render_cfg(network.net, [node.layer for node in network.nodes])
        write_whole(Path(path), text.encode(), force=force)


def _done(
    status: Literal["converted", "up to date", "dry run"],
    output: Path,
    plan: Plan,
    sha256: str,
    source_sha256: str | None,
    *,
    verified: bool,
) -> Reversion:
    known = source_sha256 if sha256 else None
    return Reversion(
        status=status,
        output=output,
        plan=plan,
        sha256=sha256,
        identical=None if known is None else known == sha256,
        verified=verified,
    )
