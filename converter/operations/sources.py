"""What the arguments of a conversion stand for."""

from __future__ import annotations

import glob
import os
from collections.abc import Sequence
from pathlib import Path

from converter.errors import UsageError, WeightsError, command
from converter.files import remote
from converter.files.source import WEIGHTS_SUFFIXES
from converter.options import EXPORT_SUFFIXES, PathLike


def find_sources(arguments: Sequence[str]) -> list[str]:
    """The files that ``arguments`` stand for: files, folders (the files in them) and patterns.

    Raises:
        UsageError: a name is empty, as that of a variable that is not set.
        WeightsError: a folder or pattern with nothing in it.
    """
    if "" in arguments:  # which Path takes for the current folder
        raise UsageError("a source's name is empty", remedy="name a file; . is this folder")
    found: dict[str, None] = {}
    for argument in arguments:
        found.update(dict.fromkeys(_expand(argument)))
    return list(found)


def _expand(argument: str) -> list[str]:
    path, is_url = Path(argument), remote.is_url(argument)
    if not is_url and path.is_dir():
        found = [str(p) for p in sorted(path.iterdir()) if p.suffix in WEIGHTS_SUFFIXES]
    elif not is_url and glob.has_magic(argument) and not os.path.lexists(path):
        found = sorted(glob.glob(argument, recursive=True))
    else:
        return [argument]
    matches = [name for name in found if not os.path.isdir(name)]
    if not matches:
        raise WeightsError("holds no .weights file", path=argument)
    return matches


def wrong_name(
    problem: str, suffix: str, source: PathLike, target: PathLike, cfg: PathLike | None
) -> UsageError:
    """The refusal of ``target`` for its ``problem``: it should end with ``suffix``."""
    line = export_line(source, target, cfg)
    remedy = f"write it with: {line}" if line else f"end it with {suffix}"
    return UsageError(problem, path=target, remedy=remedy)


def export_line(source: PathLike, target: PathLike, cfg: PathLike | None) -> str | None:
    """The command that writes ``target``, if it is ``export`` that makes what ends so."""
    is_url = remote.is_url(source) or remote.is_url(target)  # which it does not take
    if is_url or Path(target).suffix not in EXPORT_SUFFIXES.values():
        return None
    network = () if cfg is None else ("--cfg", os.fspath(cfg))
    return command("export", os.fspath(source), *network, "-o", os.fspath(target))
