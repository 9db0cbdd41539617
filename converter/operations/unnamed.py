"""The class names of weights that came without a .names file."""

from __future__ import annotations

import logging

from converter.class_names import CLASS_NAMES
from converter.darknet.names import suggest_names
from converter.files.hashing import Hashing
from converter.files.source import Source
from converter.published import PublicFile, find_by_hash, has_published_size

log = logging.getLogger("converter")


def find_names(source: Source, hashing: Hashing, classes: int | None) -> list[str] | None:
    """The names of the ``classes`` of ``source``, if its hash is that of a published file.

    What the names of another file could be is proposed in the log: it is not recorded.
    """
    # A hash takes as long as all the rest, and is worth nothing for a file of another size.
    if has_published_size(source.size):
        known = find_by_hash(hashing.begin().result())
        names = names_of(known, classes) if known else None
        if known and names:
            log.info("class names: %s's, since it is %s as published", known.names, known.file)
            return names
    suggestion = suggest_names(source.path, classes)
    if suggestion:
        log.info("class names: not known; %s", suggestion)
    return None


def names_of(file: PublicFile, classes: int | None) -> list[str] | None:
    """The class names of ``file``, if they are as many as ``classes``."""
    names = CLASS_NAMES[file.names] if file.names else ()
    return list(names) if names and len(names) == classes else None
