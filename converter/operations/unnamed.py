"""The class names of weights that came without a .names file."""

from __future__ import annotations

import logging
from pathlib import Path

from converter.class_names import CLASS_NAMES
from converter.darknet.names import suggest_names
from converter.published import PublicFile, find_by_hash, find_by_size

log = logging.getLogger("converter")


def possible_names(size: int, classes: int | None) -> list[list[str]]:
    """The class names that a file of ``size`` bytes has if its hash is a published one's."""
    return [names for file in find_by_size(size) if (names := names_of(file, classes))]


def find_names(sha256: str, path: Path, classes: int | None) -> list[str] | None:
    """The names of the ``classes`` of the file at ``path``, if its hash is that of a published one.

    What the names of another file could be is proposed in the log: it is not recorded.
    """
    known = find_by_hash(sha256)
    names = names_of(known, classes) if known else None
    if known and names:
        log.info("class names: %s's, since it is %s as published", known.names, known.file)
        return names
    suggest(path, classes)
    return None


def suggest(path: Path, classes: int | None) -> None:
    """Log what the names of the file at ``path`` could be."""
    suggestion = suggest_names(path, classes)
    if suggestion:
        log.info("class names: not known; %s", suggestion)


def names_of(file: PublicFile, classes: int | None) -> list[str] | None:
    """The class names of ``file``, if they are as many as ``classes``."""
    names = CLASS_NAMES[file.names] if file.names else ()
    return list(names) if names and len(names) == classes else None
