"""A .weights file to read from, and the files that belong to it."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from converter import registry, sniff, weights
from converter.errors import CfgError, WeightsError

# What trainers append to a net's name: yolov3_final.weights, yolov3_10000.weights, ...
_TRAINED = re.compile(r"_(?:final|best|last|\d+)$")
WEIGHTS_SUFFIXES = (".weights", ".backup")
COMPANIONS = (".cfg", ".names")


@dataclass(frozen=True, kw_only=True)
class Source:
    """An open .weights file. ``head`` is its beginning, ``size`` its length in bytes."""

    path: Path
    file: IO[bytes]
    size: int
    head: bytes

    def read_into(self, buffer: memoryview, offset: int) -> None:
        """Fill ``buffer`` from byte ``offset`` on.

        Raises:
            WeightsError: the file is shorter than it was.
        """
        done = 0
        while done < len(buffer):
            count = os.preadv(self.file.fileno(), [buffer[done:]], offset + done)
            if not count:
                raise WeightsError("became shorter while it was read", path=self.path)
            done += count


@contextmanager
def opened(path: Path) -> Iterator[Source]:
    """Open a .weights file.

    Raises:
        WeightsError: it cannot be read, or is something else by its first bytes.
    """
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            kind = "a directory" if stat.S_ISDIR(status.st_mode) else "not a regular file"
            raise WeightsError(f"is {kind}", path=path, remedy="give a .weights file")
        file = open(path, "rb", buffering=0)  # noqa: SIM115 - closed below
    except FileNotFoundError:
        download = registry.suggest(path)
        remedy = f"download it: {download}" if download else "check the path"
        raise WeightsError("no such file", path=path, remedy=remedy) from None
    except OSError as error:
        raise WeightsError(f"cannot be read: {error.strerror}", path=path) from error
    with file:
        head = file.read(max(sniff.HEAD, weights.MAX_SIZE))
        found = sniff.what(head)
        if found:
            raise WeightsError(
                f"is {found}", path=path, remedy="give the .weights file that darknet wrote"
            )
        yield Source(path=path, file=file, size=os.fstat(file.fileno()).st_size, head=head)


def companion(path: Path, suffix: str) -> Path | None:
    """The file beside ``path`` with ``suffix`` and its stem, as trained or as the net is called.

    Of ``net_final.weights`` these are ``net_final.cfg``, then ``net.cfg``.
    """
    candidates = (path.with_name(name) for name in companion_names(path, suffix))
    return next((candidate for candidate in candidates if candidate.is_file()), None)


def companion_names(path: Path, suffix: str) -> list[str]:
    """What such a file may be called, the most particular name first."""
    stem = path.stem if path.suffix in WEIGHTS_SUFFIXES else path.name
    return [name + suffix for name in dict.fromkeys((stem, _TRAINED.sub("", stem)))]


def read_names(path: Path, classes: int | None) -> list[str]:
    """The class names in a .names file, one a line.

    Raises:
        CfgError: it cannot be read, or has another number of names than ``classes``.
    """
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError:
        text = path.read_bytes().decode("latin-1")
    except OSError as error:
        raise CfgError(f"cannot be read: {error.strerror}", path=path) from error
    names = [line.strip() for line in text.rstrip().splitlines()]
    if classes is not None and len(names) != classes:
        raise CfgError(
            f"has {len(names)} names, the network has {classes} classes",
            path=path,
            remedy="give the right file with --names",
        )
    return names
