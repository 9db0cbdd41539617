"""What a model is loaded from: a checkpoint, or a .weights file, which then is not converted."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from converter.checkpoint.checkpoint import Checkpoint
from converter.checkpoint.unconverted import Unconverted
from converter.darknet.dialects import DialectName
from converter.darknet.names import read_names
from converter.diagnosis.health import Survey
from converter.errors import WeightsError
from converter.files import sniff
from converter.files.hashing import Hashing
from converter.files.opening import read_start
from converter.files.source import CHECKPOINT_SUFFIXES, opened
from converter.identify_checkpoint import open_checkpoint
from converter.operations.weights import read_weights
from converter.options import FILE_NAME, FamilyChoice, PathLike


def open_stored(
    path: PathLike,
    cfg: PathLike | None = None,
    names: PathLike | None = None,
    *,
    dialect: DialectName | None = None,
    family: FamilyChoice = "auto",
    partial: bool = False,
    names_encoding: str | None = None,
) -> Checkpoint:
    """The network at ``path`` with its values; what was found out about it is logged.

    Args:
        path: a .safetensors, .pt or .pth file, a folder that ``save_pretrained`` wrote, or a
            .weights file.
        cfg: the network; default: what a checkpoint says itself or, for a .weights file, the .cfg
            beside it; else it is recognised.
        names: class names, one a line; default: the checkpoint's, or the .names beside .weights.
        dialect: whose darknet ``cfg`` is for, or wrote the .weights file.
        family: the scheme of the tensors' names.
        partial: accept a .weights file that ends after one of the network's layers.
        names_encoding: of ``names``, by Python's name; default: UTF-8.

    Raises:
        DarknetError: those of ``identify_checkpoint``, or of ``convert``.
    """
    file = Path(path, FILE_NAME) if os.path.isdir(path) else Path(path)
    if is_weights(file):
        return _open_weights(
            file,
            cfg,
            names,
            dialect=dialect,
            family=family,
            partial=partial,
            names_encoding=names_encoding,
        )
    stored = open_checkpoint(file, cfg, dialect, family)
    if names is None:
        return stored
    return stored.named(read_names(Path(names), stored.network.classes, names_encoding))


def is_weights(path: Path) -> bool:
    """Whether a file is to be read as Darknet's: no checkpoint by its name or its first bytes.

    So is one that is not there, since only then its refusal says where it can be had.
    """
    if path.suffix in CHECKPOINT_SUFFIXES:
        return False
    return sniff.not_weights(read_start(path, sniff.HEAD)) is None


def _open_weights(
    path: Path,
    cfg: PathLike | None,
    names: PathLike | None,
    *,
    dialect: DialectName | None,
    family: FamilyChoice,
    partial: bool,
    names_encoding: str | None,
) -> Unconverted:
    """A .weights file, checked as ``convert`` checks it."""
    with (
        _naming(path),
        opened(path) as source,
        Hashing(source.read_into, source.size).begin() as hashing,
    ):
        weights = read_weights(
            source,
            cfg,
            names,
            family=family,
            dialect=dialect,
            partial=partial,
            names_encoding=names_encoding,
        )
        weights.metadata()  # refuses before all is read
        weights.examine(Survey(weights.plan))
        claims = weights.metadata(hashing.result())
        source.require_unchanged()
        return Unconverted.of_source(source, weights.plan, claims, weights.inputs)


@contextmanager
def _naming(path: Path) -> Iterator[None]:
    """Have errors of a .weights file name it."""
    try:
        yield
    except WeightsError as error:
        error.path = error.path or os.fspath(path)
        raise
    except OSError as error:
        raise WeightsError(f"cannot be read: {error.strerror}", path=path) from error
