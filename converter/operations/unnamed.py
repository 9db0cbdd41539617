"""The class names of weights that came without a .names file."""

from __future__ import annotations

import logging
from pathlib import Path

from converter.class_names import CLASS_NAMES
from converter.darknet.names import suggest_names
from converter.published import PublicFile, find_by_hash, find_by_size

log = logging.getLogger("converter")


def possible_names_of(path: Path, classes: int | None, size: int) -> tuple[list[str], ...]:
    """The class names that a file of ``size`` bytes has if its hash is a published one's.

    Where there are none, what they could be is logged.
    """
    found = tuple(names for file in find_by_size(size) if (names := names_of(file, classes)))
    if not found:
        _suggest(path, classes)
    return found


def names_by_hash(sha256: str, classes: int | None) -> list[str] | None:
    """The names of the ``classes`` of the published file with that hash."""
    known = find_by_hash(sha256)
    return names_of(known, classes) if known else None


def report(names: list[str] | None, path: Path, classes: int | None, size: int) -> None:
    """Log whose ``names`` those of the file at ``path`` are; without names, whose they could be."""
    for file in find_by_size(size):
        if names is not None and names == names_of(file, classes):
            log.info("class names: %s's, since it is %s as published", file.names, file.file)
            return
    _suggest(path, classes)


def _suggest(path: Path, classes: int | None) -> None:
    """Log what the names of the file at ``path`` could be: they are not recorded."""
    suggestion = suggest_names(path, classes)
    if suggestion:
        log.info("class names: not known; %s", suggestion)


def names_of(file: PublicFile, classes: int | None) -> list[str] | None:
    """The class names of ``file``, if they are as many as ``classes``."""
    names = CLASS_NAMES[file.names] if file.names else ()
    return list(names) if names and len(names) == classes else None
