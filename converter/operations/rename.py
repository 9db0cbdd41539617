"""rename(): from a checkpoint to one with the tensor names of another program."""

from __future__ import annotations

import os
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from converter.checkpoint import formats
from converter.errors import RENAMING, DarknetError, require_text
from converter.families.table import read_table
from converter.files.target import require_other
from converter.operations.convert import convert
from converter.operations.revert import revert
from converter.options import DialectChoice, Dtype, FamilyChoice, PathLike

if TYPE_CHECKING:
    from converter.operations.conversion import Conversion


def rename(
    checkpoint: PathLike,
    output: PathLike,
    *,
    cfg: PathLike | None = None,
    names: PathLike | None = None,
    family: FamilyChoice = "auto",
    source_family: FamilyChoice = "auto",
    dialect: DialectChoice = "auto",
    dtype: Dtype = "float32",
    verify: bool = True,
    dry_run: bool = False,
    force: bool = False,
    strict: bool = False,
    names_encoding: str | None = None,
) -> Conversion:
    """Write a checkpoint's values under other names, and check it.

    By way of the .weights file that it goes back to, which is removed again.

    Args:
        checkpoint: a .safetensors, .pt or .pth file.
        output: the new checkpoint, as for ``convert``.
        cfg: the network, for a file that does not say which it is.
        names: class names, one a line; default: those that the checkpoint has.
        family: whose names the new one gets, ours or another port's; "auto": ours.
        source_family: whose names ``checkpoint`` has, if it does not say; "auto": what they show.
        dialect: whose darknet a file is for that does not say so; "auto": who knows all of the cfg.
        dtype: round the values to this type.
        verify: read what is written back and compare every value.
        dry_run: plan only.
        force: replace an output that is another file, and accept values that were once rounded.
        strict: refuse values that no training gives, instead of warning.
        names_encoding: of ``names``, by Python's name; default: UTF-8.

    Raises:
        DarknetError: the reason why it was refused; nothing was changed.
    """
    require_text(
        {
            "checkpoint": checkpoint,
            "output": output,
            "family": family,
            "source_family": source_family,
        },
        cfg=cfg,
        names=names,
        dialect=dialect,
        names_encoding=names_encoding,
    )
    require_other(output, checkpoint, cfg, names)
    with TemporaryDirectory() as folder:
        weights = Path(folder, Path(checkpoint).stem + ".weights")
        token = RENAMING.set(True)
        try:
            there = revert(
                checkpoint,
                weights,
                cfg=cfg,
                dialect=dialect,
                family=source_family,
                verify=verify,
                force=force,
            )
        finally:
            RENAMING.reset(token)
        cfg = cfg or there.cfg
        claims = there.claims
        if cfg is None and claims and not claims.assumed:  # else it is recognised again
            cfg = weights.with_suffix(".cfg")
            cfg.write_text(claims.cfg, encoding="utf-8", newline="")
        if not names and claims and claims.names is not None:
            names = weights.with_suffix(".names")
            names.write_text("".join(f"{name}\n" for name in claims.names), encoding="utf-8")
        try:
            return convert(
                weights,
                output,
                cfg=cfg,
                names=names,
                family=family,
                dialect=there.plan.dialect,
                partial=there.plan.cutoff is not None,
                dtype=dtype,
                verify=verify,
                dry_run=dry_run,
                force=force,
                strict=strict,
                names_encoding=names_encoding,
            )
        except DarknetError as error:
            if error.path and Path(error.path).parent == Path(folder):
                error.path = os.fspath(checkpoint)  # the other is gone when this is read
            raise


def has_names(checkpoint: PathLike, table: PathLike) -> bool:
    """Whether a checkpoint has some of the names of a table.

    Raises:
        CheckpointError, FamilyError: one of them is none, or cannot be read.
    """
    return not formats.read(checkpoint).names.isdisjoint(read_table(table).tensors.values())
