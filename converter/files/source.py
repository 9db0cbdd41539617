"""A file of weights to read from, and the files that belong to it."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from converter.errors import DarknetError, WeightsError, errors_name
from converter.files import sniff
from converter.files.opening import open_regular, read_start
from converter.files.portable import read_at
from converter.options import PathLike
from converter.records import dataclass

# What trainers append to a net's name: yolov3_final.weights, yolov3_10000.weights, ...
_TRAINED = re.compile(r"_(?:final|best|last|\d+)$")
_PARTIAL = re.compile(r"\.conv\.\d+$")  # as darknet partial calls the first layers: x.conv.15
WEIGHTS_SUFFIXES = (".weights", ".backup")
TORCH_SUFFIXES = (".pt", ".pth")
CHECKPOINT_SUFFIXES = (".safetensors", *TORCH_SUFFIXES)
# The largest official cfg (AB cfg/cspx-p7-mish_hp.cfg) has 50 kB, YOLO9000's 9,418 names 150 kB.
COMPANION_BYTES = {".cfg": 4 << 20, ".names": 1 << 20}


@dataclass(frozen=True, kw_only=True)
class Source:
    """An open file of weights.

    Attributes:
        path: where it is.
        file: the file itself.
        size: its length in bytes when it was opened.
        head: its beginning, ``sniff.HEAD`` bytes or all.
        changed_at: when it was last changed before it was opened, in nanoseconds.
        error: what it is refused with.
        is_copy: whether it is the local copy of a URL's file, which is soon gone.
    """

    path: Path
    file: IO[bytes]
    size: int
    head: bytes
    changed_at: int
    error: type[DarknetError] = WeightsError
    is_copy: bool = False

    def read(self, offset: int, count: int) -> bytes:
        """``count`` bytes from byte ``offset`` on.

        Raises:
            DarknetError: as ``error``: the file is shorter than it was, or cannot be read.
        """
        data = bytearray(count)
        self.read_into(memoryview(data), offset)
        return bytes(data)

    def read_into(self, buffer: memoryview, offset: int) -> None:
        """Fill ``buffer`` from byte ``offset`` on.

        Raises:
            DarknetError: as ``error``: the file is shorter than it was, or cannot be read.
        """
        try:
            count = read_at(self.file.fileno(), buffer, offset)
        except OSError as error:
            raise self.error(f"cannot be read: {error.strerror}", path=self.path) from error
        if count < len(buffer):
            raise self.error("became shorter while it was read", path=self.path)

    def pieces(self, buffer: memoryview, start: int, end: int) -> Iterator[tuple[memoryview, int]]:
        """The bytes from ``start`` to ``end``, as many at once as ``buffer`` has room for.

        Yields:
            The part of it that is filled, valid until the next, and the byte where that begins.

        Raises:
            DarknetError: as ``error``: the file is shorter than it was, or cannot be read.
        """
        for offset in range(start, end, len(buffer)):
            view = buffer[: end - offset]
            self.read_into(view, offset)
            yield view, offset

    def require_unchanged(self) -> None:
        """Refuse a file that somebody wrote to since it was opened.

        Raises:
            DarknetError: as ``error``: it has another length or time of change.
        """
        status = os.fstat(self.file.fileno())
        if (status.st_size, status.st_mtime_ns) != (self.size, self.changed_at):
            raise self.changed()

    def changed(self) -> DarknetError:
        """The refusal of a file that somebody wrote to."""
        return self.error(
            "changed while it was read",
            path=self.path,
            remedy="wait until it is completely written, then convert it again",
        )

    def damaged(self, problem: str, place: str | None = None) -> DarknetError:
        """The refusal of a file that is not as its writer left it."""
        return self.error(problem, path=self.path, place=place, remedy="download or copy it again")


@contextmanager
def opened(
    path: Path,
    error: type[DarknetError] = WeightsError,
    foreign: Callable[[bytes], sniff.Finding | None] = sniff.not_weights,
    suffix: str = ".weights",
    *,
    is_copy: bool = False,
) -> Iterator[Source]:
    """Open a file of weights.

    Args:
        path: the file.
        error: what it is refused with.
        foreign: what a file is that starts with these bytes, if it is no such file.
        suffix: how the name of such a file ends.
        is_copy: whether it is the local copy of a URL's file.

    Raises:
        DarknetError: as ``error``: it cannot be read, or is something else by its first bytes.
    """
    try:
        file = open_regular(path, error, f"give a {suffix} file")
    except FileNotFoundError:
        from converter.published import suggest_download  # late: a file that is there needs none

        download = suggest_download(path)
        remedy = f"download it: {download}" if download else "check the path"
        raise error("no such file", path=path, remedy=remedy) from None
    with file:
        status = os.fstat(file.fileno())
        head = file.read(sniff.HEAD)
        found = foreign(head)
        if found:
            raise error(f"is {found.name}", path=path, remedy=found.remedy)
        yield Source(
            path=path,
            file=file,
            size=status.st_size,
            head=head,
            changed_at=status.st_mtime_ns,
            error=error,
            is_copy=is_copy,
        )


@contextmanager
def file_errors_name(path: PathLike) -> Iterator[None]:
    """Have errors of a .weights file in the block name it, those of the system as well.

    Raises:
        WeightsError: in place of an OSError.
    """
    try:
        with errors_name(path, WeightsError):
            yield
    except OSError as error:
        raise WeightsError(f"cannot be read: {error.strerror}", path=path) from error


def is_weights(path: Path) -> bool:
    """Whether a file is to be read as Darknet's: no checkpoint by its name or its first bytes.

    So is what is neither, or is not there: its refusal says what it is, or where it can be had.
    """
    if path.suffix in CHECKPOINT_SUFFIXES:
        return False
    head = read_start(path, sniff.HEAD)
    return not sniff.is_safetensors(head) and sniff.not_torch(head) is not None


def is_weights_name(path: Path) -> bool:
    """Whether a file is called as Darknet calls weights."""
    return path.suffix in WEIGHTS_SUFFIXES or _PARTIAL.search(path.name) is not None


def first_layers_name(path: Path, count: int) -> str:
    """What darknet's ``partial`` calls the first ``count`` layers of ``path``."""
    stem = path.stem if path.suffix in WEIGHTS_SUFFIXES else _PARTIAL.sub("", path.name)
    return f"{stem}.conv.{count}"


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
