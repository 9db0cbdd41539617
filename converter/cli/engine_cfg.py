"""``--cfg-out FILE --for ENGINE``: the network's cfg as another engine takes it."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from converter.darknet.dialects import DialectName
from converter.errors import CfgError, NetworkError
from converter.files.target import is_written, require_other, write_whole
from converter.options import PathLike, Silu


def rewritten(
    arguments: argparse.Namespace,
    source: PathLike,
    text: str,
    dialect: DialectName,
    silu: Silu | None = None,
) -> bytes:
    """``text``, the cfg of ``source`` and for ``dialect``, for the engine that was asked for.

    Raises:
        CfgError, NetworkError: with ``source`` and the line that cannot be written so.
    """
    from converter.darknet.rewrite import rewrite  # late: for those who ask for it

    try:
        return rewrite(text, dialect, arguments.engine, silu).encode()
    except (CfgError, NetworkError) as error:
        error.path = os.fspath(source)
        raise


def check(arguments: argparse.Namespace, data: bytes, *others: PathLike | None) -> None:
    """Refuse a ``--cfg-out`` that is one of ``others``, or another file that is there.

    Raises:
        UsageError, OutputError: it is.
    """
    require_other(arguments.cfg_out, *others)
    is_written(Path(arguments.cfg_out), data, force=arguments.force)


def write(arguments: argparse.Namespace, data: bytes) -> None:
    """Write ``--cfg-out``.

    Raises:
        OutputError: it is there already, or cannot be written.
    """
    write_whole(Path(arguments.cfg_out), data, force=arguments.force)
