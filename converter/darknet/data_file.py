"""Darknet's .data file, as lines ``key = value``, and the lists of files that it names.

Both are UTF-8. What they name is taken from the working directory, as Darknet does; else it is
looked for beside the file, and from the folder above, where Darknet is often started
("data/valid.txt" in data/obj.data).
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Self

from converter.errors import DarknetError, shortened
from converter.files.opening import read_text
from converter.records import dataclass

log = logging.getLogger("converter")

MAX_DATA_BYTES = 1 << 16  # a handful of lines
MAX_LIST_BYTES = 1 << 27  # Open Images' 1.7 million pictures, and long paths


@dataclass(frozen=True)
class DataFile:
    """A .data file.

    Attributes:
        path: where it is.
        options: line and value of each key; None for one without ``=``.
        error: what it is refused with.
    """

    path: Path
    options: Mapping[str, tuple[int, str | None]]
    error: type[DarknetError]

    @classmethod
    def read(cls, path: Path, error: type[DarknetError]) -> Self:
        """The file at ``path``; the first one of a key counts.

        Darknet warns of a line that ends with its ``=`` and skips it, and takes one without ``=``
        for a key without a value (pjreddie/darknet@f6afaab src/option_list.c:24, 52-66); of both is
        warned here.

        Raises:
            DarknetError: as ``error``: it cannot be read.
        """
        options: dict[str, tuple[int, str | None]] = {}
        for number, key, value in data_options(read_text(path, MAX_DATA_BYTES, error)):
            if not value:
                what = f"{shortened(key)}{'' if value is None else '='} has no value"
                log.warning("%s: line %d: %s: Darknet reads on without it", path, number, what)
            if value != "":
                options.setdefault(key, (number, value))
        return cls(path, options, error)

    def file(self, key: str) -> Path | None:
        """The file that ``key`` names; None without such a line, or a value in it.

        Raises:
            DarknetError: as ``error``: it is not there.
        """
        number, value = self.options.get(key, (0, None))
        if value is None:
            return None
        found = find(value, self.path)
        if found is None:
            raise self.error(
                f"{key} = {shortened(value)} is not there",
                path=self.path,
                place=f"line {number}",
                remedy="paths are taken from the working directory, or from the file's folder",
            )
        return found


def data_options(text: str) -> Iterator[tuple[int, str, str | None]]:
    """Line, key and value of each line that is none of ``#`` or ``;``.

    Every space is dropped, inside a path as well. The value is None where there is no ``=``. The
    first one of a key counts. pjreddie/darknet@f6afaab src/option_list.c:7-68, src/utils.c:302.
    """
    for number, line in enumerate(text.split("\n"), start=1):
        words = "".join(line.split())
        if words and words[0] not in "#;":
            key, parted, value = words.partition("=")
            yield number, key, value if parted else None


def listed_files(path: Path, error: type[DarknetError]) -> Iterator[Path | DarknetError]:
    """The files that the lines of a list name; in the place of one that is not there, an ``error``.

    Raises:
        DarknetError: as ``error``: the list cannot be read.
    """
    for number, name in lines_of(path, error):
        yield find(name, path) or error(
            f"{shortened(name)!r} is no file, neither here nor around the list",
            path=path,
            place=f"line {number}",
            remedy="give one picture's path on a line",
        )


def lines_of(path: Path, error: type[DarknetError]) -> Iterator[tuple[int, str]]:
    """Number and text of each line of a list that has one, without spaces around it.

    Raises:
        DarknetError: as ``error``: it cannot be read.
    """
    for number, line in enumerate(read_text(path, MAX_LIST_BYTES, error).split("\n"), start=1):
        if line.strip():
            yield number, line.strip()


def find(name: str, file: Path) -> Path | None:
    """The file that a .data file or list names, if it is there."""
    return next(filter(os.path.isfile, places(name, file)), None)


def places(name: str, file: Path) -> Iterator[Path]:
    """Where what a .data file or list names may be, in turn."""
    yield Path(name)
    yield file.parent / name
    yield Path(os.path.normpath(file.parent / "..")) / name
