"""convert(): where its input comes from and its output goes; ``conversion`` does the rest.

Kept light: hashing a file takes as long as all else, and begins before the classes of networks are
imported, which take a third of that.
"""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from converter.checkpoint.dtypes import DTYPES
from converter.errors import UsageError, WeightsError, argument, require_text
from converter.files import remote
from converter.files.hashing import Hashing
from converter.files.source import TORCH_SUFFIXES, WEIGHTS_SUFFIXES, file_errors_name, opened
from converter.operations.sources import wrong_name
from converter.options import DialectChoice, Dtype, FamilyChoice, PathLike

if TYPE_CHECKING:
    from converter.darknet.dialects import DialectName
    from converter.operations.conversion import Conversion


def convert(
    source: PathLike,
    output: PathLike | None = None,
    *,
    cfg: PathLike | None = None,
    names: PathLike | None = None,
    family: FamilyChoice = "auto",
    dialect: DialectChoice = "auto",
    partial: bool = False,
    dtype: Dtype = "float32",
    verify: bool = True,
    dry_run: bool = False,
    force: bool = False,
    strict: bool = False,
    max_download: int = remote.MAX_DOWNLOAD,
    names_encoding: str | None = None,
    cfg_out: PathLike | None = None,
    engine: DialectName | None = None,
) -> Conversion:
    """Convert a Darknet .weights file to a safetensors checkpoint, and check it.

    Args:
        source: the .weights (or .backup) file; its name, or a URL that fsspec knows.
        output: the checkpoint, likewise; default: ``source`` with the suffix ``.safetensors``, in
            the current folder for a URL. With another port's ``family`` it may end with .pt or
            .pth: that is then a plain state dict, as torch.save writes it.
        cfg: the network; default: the .cfg beside ``source``, else recognised by its size.
        names: class names, one a line, or ``coco``, ``openimages`` or ``voc``; default: the .names
            beside ``source``, else those of the published file that it is.
        family: which model's tensor names to use, ours or another port's, or a table of names (a
            .json file); "auto": yolov3 if it is one, else generic.
        dialect: whose engine wrote the file; "auto": decided by the file.
        partial: accept a file that ends after one of the network's layers.
        dtype: round the values to this type; only float32 is lossless.
        verify: read the checkpoint back and compare every value.
        dry_run: plan only.
        force: replace an output that is another file.
        strict: refuse values that no training gives, instead of warning.
        names_encoding: of ``names``, by Python's name; default: UTF-8.
        cfg_out: also write the network's cfg there, as ``engine`` takes it.
        engine: whose darknet ``cfg_out`` is for; it must be given with that.
        max_download: bytes that a URL may have whose server does not say how many it has.

    Raises:
        DarknetError: the reason why it was refused; nothing was changed.
    """
    require_text(
        {"source": source, "family": family},
        output=output,
        cfg=cfg,
        names=names,
        dialect=dialect,
        names_encoding=names_encoding,
        cfg_out=cfg_out,
        engine=engine,
    )
    if (cfg_out is None) != (engine is None):
        raise UsageError(
            f"{argument('--cfg-out')} is for the way back, or for another engine",
            remedy=f"give a .safetensors file, or say whose cfg with {argument('--for')}",
        )
    if dtype not in DTYPES:
        raise UsageError(f"dtype={dtype!r} is unknown", remedy=f"use one of {', '.join(DTYPES)}")
    source = remote.plain(source)
    target = default_output(source) if output is None else remote.plain(output)
    if _local_name(target).suffix in WEIGHTS_SUFFIXES:
        if not remote.is_url(source):
            with opened(Path(source)):  # no other name of the output helps what is no source
                pass
        problem = "would hold safetensors under a Darknet file's name"
        raise wrong_name(problem, ".safetensors", source, target, cfg)
    if _local_name(target).suffix in TORCH_SUFFIXES:
        _require_port(family, dtype, target)
    elif _local_name(target).suffix != ".safetensors":
        raise wrong_name("is no checkpoint's name", ".safetensors", source, target, cfg)
    with (
        remote.local_source(source, max_download) as local,
        opened(local, is_copy=remote.is_url(source)) as opened_source,
        Hashing(opened_source.read_into, opened_source.size) as hashing,
        remote.local_target(target, force=force, dry_run=dry_run) as local_target,
    ):
        if not verify or dtype != "float32" or os.path.lexists(local_target):
            hashing.begin()  # else what is written is hashed
        from converter.operations.conversion import Job  # late: see above
        from converter.operations.weights import read_weights

        with file_errors_name(source):
            weights = read_weights(
                opened_source,
                cfg,
                names,
                family=family,
                dialect=None if dialect == "auto" else dialect,
                partial=partial,
                strict=strict,
                names_encoding=names_encoding,
            )
            result = Job(
                weights=weights, hashing=hashing, target=local_target, dtype=dtype, force=force,
                verify=verify, strict=strict, cfg_out=cfg_out, engine=engine,
            ).run(dry_run=dry_run)  # fmt: skip
    return replace(result, output=os.fspath(target)) if remote.is_url(target) else result


def _require_port(family: FamilyChoice, dtype: Dtype, target: PathLike) -> None:
    """Refuse a PyTorch file that no other port asks for: ours are safetensors.

    Raises:
        UsageError: ``family`` is one of ours, or ``dtype`` is not float32.
    """
    from converter.families import FAMILIES, find_family  # late: seldom needed

    if family == "auto" or find_family(family).native:
        ports = ", ".join(name for name in FAMILIES if not FAMILIES[name].native)
        raise UsageError(
            "is a PyTorch file's name, and tensors of our own names go into safetensors",
            path=target,
            remedy="end it with .safetensors, or say whose it is to be with"
            f" {argument('--family')}: {ports}",
        )
    if dtype != "float32":
        raise UsageError(
            f"{dtype} is for safetensors", path=target, remedy="end it with .safetensors"
        )


def default_output(source: PathLike) -> Path:
    """``.weights`` or ``.backup`` replaced by ``.safetensors``, which is else appended.

    Raises:
        WeightsError: ``source`` is a folder's name (``.`` or ``/``).
        UsageError: it is a URL that names no file.
    """
    path = _local_name(source)
    if not path.name:
        raise WeightsError("is a directory", path=path, remedy="give a .weights file")
    if path.suffix in WEIGHTS_SUFFIXES:
        return path.with_suffix(".safetensors")
    return path.with_name(path.name + ".safetensors")


def _local_name(path: PathLike) -> Path:
    """``path``, or the last part of a URL."""
    return Path(remote.name_of(path) if remote.is_url(path) else path)
