"""revert(): from a checkpoint back to .weights, by the same Plan read the other way."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal

from converter.checkpoint import payload
from converter.checkpoint.checkpoint import Checkpoint, require_no_surplus, require_way_back
from converter.checkpoint.metadata import Metadata
from converter.darknet.dialects import DialectName
from converter.errors import (
    CheckpointError,
    DarknetError,
    OutputError,
    UsageError,
    argument,
    errors_name,
    require_text,
)
from converter.files.hashing import sha256_of
from converter.files.source import CHECKPOINT_SUFFIXES, is_weights_name, opened
from converter.files.target import (
    another,
    is_written,
    remove_leftovers,
    replacing,
    require_other,
    write_whole,
)
from converter.identify_checkpoint import open_checkpoint
from converter.notebook import Record
from converter.operations.sources import wrong_name
from converter.options import DialectChoice, FamilyChoice, PathLike
from converter.plan import Plan
from converter.records import dataclass

log = logging.getLogger("converter")


@dataclass(frozen=True, kw_only=True, repr=False)
class Reversion(Record):
    """What ``revert`` did.

    Attributes:
        status: "converted", "up to date" (the output was there already) or "dry run".
        output: the .weights file.
        plan: which bytes came from where.
        sha256: of the output; "" for a dry run.
        identical: whether that is the hash of the file that the checkpoint was made from; None if
            there was none.
        verified: whether the written file was read back and found equal.
        claims: what the checkpoint says of itself; None if it says nothing.
        class_names: those of the checkpoint, if it says them.
        cfg: the network's cfg, if one was asked for or there is no other; None if not written.
    """

    status: Literal["converted", "up to date", "dry run"]
    output: Path
    plan: Plan
    sha256: str
    identical: bool | None
    verified: bool
    claims: Metadata | None = None
    class_names: list[str] | None = None
    cfg: Path | None = None

    shown = "status", "output", "plan", "plan.dialect", "sha256", "identical", "verified", "cfg"

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
            "cfg": str(self.cfg) if self.cfg else None,
        }


def revert(
    checkpoint: PathLike,
    output: PathLike | None = None,
    *,
    cfg: PathLike | None = None,
    dialect: DialectChoice = "auto",
    family: FamilyChoice = "auto",
    cfg_out: PathLike | None = None,
    engine: DialectName | None = None,
    verify: bool = True,
    dry_run: bool = False,
    force: bool = False,
) -> Reversion:
    """Write the Darknet .weights file of a checkpoint, and check it.

    Byte for byte the file that the checkpoint was made from, if no tensor has changed since.

    Args:
        checkpoint: a .safetensors, .pt or .pth file.
        output: the .weights file; default: ``checkpoint`` with that suffix.
        cfg: the network, for a file that does not say which it is.
        dialect: whose darknet it is for, for such a file; "auto": who knows all of the cfg.
        family: whose tensor names such a file has; "auto": what they and the shapes show.
        cfg_out: also write the network's cfg there, as it is in the checkpoint or in ``cfg``;
            default: beside ``output``, with the class names, for a network that no published cfg
            is of.
        engine: whose darknet ``cfg_out`` is for; default: that of the checkpoint.
        verify: read the output back and compare every value.
        dry_run: plan only.
        force: replace an output that is another file, and accept values that were once rounded.

    Raises:
        DarknetError: the reason why it was refused; nothing was changed.
    """
    require_text(
        {"checkpoint": checkpoint, "family": family},
        output=output,
        cfg=cfg,
        dialect=dialect,
        cfg_out=cfg_out,
        engine=engine,
    )
    source = Path(checkpoint)
    if not source.name:
        raise CheckpointError("is a directory", path=source, remedy="give a .safetensors file")
    target = source.with_suffix(".weights") if output is None else Path(output)
    if target.suffix in CHECKPOINT_SUFFIXES:
        problem = "would hold Darknet's format under a checkpoint's name"
        raise wrong_name(problem, ".weights", source, target, cfg)
    if not is_weights_name(target):
        problem = "is no name of Darknet's weights"
        raise wrong_name(problem, ".weights", source, target, cfg)
    stored = _open(source, cfg, dialect, family, force=force)
    beside = _beside(stored, target, cfg_out, engine)
    if dry_run:
        with stored.tensors() as tensors:
            payload.require_all(tensors, stored.plan)
        return _done("dry run", target, stored, "", {}, verified=False)
    require_other(target, checkpoint, cfg)
    for path, text in beside.items():
        require_other(path, checkpoint, cfg, target)
        is_written(path, text, force=force)
    if os.path.lexists(target):
        current = _current(target, stored)
        if current is not None:
            remove_leftovers(target)
            _write(beside, force=force)
            return _done("up to date", target, stored, current, beside, verified=True)
        if not force:
            raise another(target)
    with replacing(target, stored.plan.size) as file:
        with stored.tensors() as tensors:
            written = payload.restore(tensors, stored.plan, file)
        file.flush()
        if verify and not _is_equal(Path(file.name), stored):
            raise OutputError("does not hold what was written to it", path=target)
        _write(beside, force=force)
    return _done("converted", target, stored, written, beside, verified=verify)


def _open(
    path: Path,
    cfg: PathLike | None,
    dialect: DialectChoice,
    family: FamilyChoice,
    *,
    force: bool,
) -> Checkpoint:
    """The checkpoint, if it can go back."""
    with errors_name(path, DarknetError):
        stored = open_checkpoint(path, cfg, None if dialect == "auto" else dialect, family)
        if dialect not in ("auto", stored.plan.dialect):
            raise UsageError(
                f"{argument('--dialect', dialect)} contradicts the checkpoint, which is"
                f" {stored.plan.dialect}"
            )
        require_way_back(stored.plan.naming.family)
        require_no_surplus(stored.contents.names, stored.plan)
        if stored.dtype != "float32" and stored.claims is None:
            log.info("its values are %s, and are written as float32", stored.dtype)
        elif stored.dtype != "float32" and not force:
            raise CheckpointError(
                f"holds {stored.dtype} values: the float32 values that they once were are lost",
                remedy=f"{argument('--force')} writes them as they are now",
            )
        return stored


def _current(target: Path, stored: Checkpoint) -> str | None:
    """The hash of ``target`` if it is this conversion already."""
    with suppress(DarknetError):
        if _is_equal(target, stored):
            with opened(target) as source:
                return sha256_of(source)
    return None


def _is_equal(weights: Path, stored: Checkpoint) -> bool:
    plan = stored.plan
    with opened(weights) as source, stored.tensors() as tensors:
        return (
            source.size == plan.size
            and source.head.startswith(plan.header.encode())
            and payload.compare(source, plan, tensors, restored=True).ok
        )


def _beside(
    stored: Checkpoint, target: Path, cfg_out: PathLike | None, engine: DialectName | None
) -> dict[Path, bytes]:
    """The small files that are written with ``target``, the cfg first."""
    if cfg_out is None and not stored.unpublished:
        return {}
    cfg = target.with_suffix(".cfg") if cfg_out is None else Path(cfg_out)
    # The network's cfg as it was read, with what is for training.
    text = stored.network.text
    if engine is None:
        files = {cfg: text.encode()}
    else:
        from converter.operations.engine_cfg import cfg_for  # late: for those who ask for it

        files = {cfg: cfg_for(engine, text, stored.plan.dialect, stored.contents.path)}
    if stored.unpublished and stored.class_names:
        names = "".join(f"{name}\n" for name in stored.class_names)
        files[cfg.with_suffix(".names")] = names.encode()
    return files


def _write(files: Mapping[Path, bytes], *, force: bool) -> None:
    for path, text in files.items():
        write_whole(path, text, force=force)


def _done(
    status: Literal["converted", "up to date", "dry run"],
    output: Path,
    stored: Checkpoint,
    sha256: str,
    beside: Mapping[Path, bytes],
    *,
    verified: bool,
) -> Reversion:
    claims = stored.claims
    return Reversion(
        status=status,
        output=output,
        plan=stored.plan,
        sha256=sha256,
        identical=claims.source_sha256 == sha256 if claims and sha256 else None,
        verified=verified,
        claims=claims,
        class_names=stored.class_names,
        cfg=next(iter(beside), None),
    )
