"""Cfgs that lie where Darknet's users keep them, and that a .weights file fits to its last byte."""

from __future__ import annotations

import os
from collections.abc import Iterator
from difflib import SequenceMatcher
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from converter.darknet.evidence import choose, file_size
from converter.darknet.network import read_cfg
from converter.errors import DarknetError, again, command
from converter.files.target import identities

if TYPE_CHECKING:
    from converter.files.source import Source

# Seen from the weights, which darknet writes into backup/: its own cfgs are in cfg/ beside that.
FOLDERS = ("", "cfg", "..", "../cfg")
MOST = 100  # looked at in all, which takes about a second
MOST_BYTES = 1 << 18  # of each; the largest official one has 50 kB


def suggest(source: Source, other_than: Path | None = None) -> str | None:
    """What to do about a file whose cfg was not found, or is another one than was given.

    None if no cfg nearby fits. Near the copy of a URL's file lies nothing that stays.
    """
    if source.is_copy:
        return None
    given = identities(other_than)
    found = [path for path in fitting(source) if given.isdisjoint(identities(path))]
    if not found:
        return None
    cfg = os.fspath(found[0])
    line = again("--cfg", cfg) or command("convert", os.fspath(source.path), "--cfg", cfg)
    others = f"; so does {found[1]}" if found[1:] else ""
    return f"{found[0]} fits to the byte: {line}{others}"


def fitting(source: Source) -> list[Path]:
    """Two cfgs nearby, at most, that ask for as many bytes as ``source`` has.

    Of the files in ``FOLDERS`` ``MOST`` are looked at: first those beside it, in each place first
    those that are most like it by name.
    """
    beside = source.path.parent

    def rank(path: Path) -> tuple[bool, float, Path]:
        likeness = SequenceMatcher(a=path.stem, b=source.path.stem).ratio()
        return path.parent != beside, -likeness, path

    paths = sorted(_cfgs(beside), key=rank)
    return list(islice((path for path in paths[:MOST] if _fits(path, source)), 2))


def _cfgs(folder: Path) -> Iterator[Path]:
    for name in FOLDERS:
        place = Path(os.path.normpath(folder / name))
        try:
            with os.scandir(place) as entries:
                for entry in entries:
                    if entry.name.endswith(".cfg") and entry.stat().st_size <= MOST_BYTES:
                        yield place / entry.name
        except OSError:  # there is none, or it is nobody's business
            continue


def _fits(path: Path, source: Source) -> bool:
    try:
        choice = choose(read_cfg(path), source.head, source.size)
    except DarknetError:
        return False
    return source.size == file_size(choice.network, source.head, choice.dialect)
