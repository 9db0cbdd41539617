"""What a model is loaded from: a checkpoint, or a .weights file, which then is not converted."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from converter.errors import CheckpointError, require_text
from converter.files.source import file_errors_name, is_weights, opened
from converter.options import FILE_NAME, FamilyChoice, PathLike

if TYPE_CHECKING:
    from converter.checkpoint.checkpoint import Checkpoint
    from converter.darknet.dialects import DialectName


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
    require_text(
        {"path": path, "family": family},
        cfg=cfg,
        names=names,
        dialect=dialect,
        names_encoding=names_encoding,
    )
    file = Path(path)
    if file.is_dir():
        file = file / FILE_NAME
        if not os.path.lexists(file):
            raise CheckpointError(
                f"is a directory without {FILE_NAME}",
                path=path,
                remedy="give the file of weights, which comes first",
            )
    if not is_weights(file):
        from converter.identify_checkpoint import open_checkpoint  # late: .weights need none of it

        stored = open_checkpoint(file, cfg, dialect, family)
        if names is None:
            return stored
        from converter.darknet.names import read_names  # late: seldom needed

        return stored.named(read_names(Path(names), stored.network.classes, names_encoding))
    from converter.checkpoint.unconverted import Unconverted  # late: a checkpoint needs none of it
    from converter.diagnosis.health import Survey
    from converter.files.hashing import Hashing
    from converter.operations.weights import read_weights

    with (
        file_errors_name(file),
        opened(file) as source,
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
        weights.report_names(claims)
        source.require_unchanged()
        return Unconverted.of_source(source, weights.plan, claims, weights.inputs)
