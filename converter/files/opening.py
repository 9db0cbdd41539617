"""Opening what a user names: regular files only, and never waiting for one.

Opening a FIFO waits until somebody writes to it, and a device may never end.
"""

from __future__ import annotations

import os
import stat
from typing import IO

from converter.errors import DarknetError
from converter.options import PathLike

# O_NONBLOCK makes no difference to a regular file. Windows has none, and text files.
_FLAGS = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)


def open_regular(path: PathLike, error: type[DarknetError], remedy: str | None = None) -> IO[bytes]:
    """Open a regular file for reading, unbuffered.

    Raises:
        FileNotFoundError: there is none.
        DarknetError: as ``error``: it is something else, or cannot be read.
    """
    try:
        descriptor = os.open(path, _FLAGS)
    except FileNotFoundError:
        raise
    except OSError as problem:
        if os.path.isdir(path):  # which Windows does not open
            raise error("is a directory", path=path, remedy=remedy) from problem
        raise error(f"cannot be read: {problem.strerror}", path=path) from problem
    except ValueError as problem:
        raise error("cannot be read: a zero byte in its name", path=path) from problem
    mode = os.fstat(descriptor).st_mode
    if not stat.S_ISREG(mode):
        os.close(descriptor)
        kind = "a directory" if stat.S_ISDIR(mode) else "not a regular file"
        raise error(f"is {kind}", path=path, remedy=remedy)
    return open(descriptor, "rb", buffering=0)


def read_start(path: PathLike, count: int) -> bytes:
    """The first ``count`` bytes of a regular file, or all; none if it cannot be read.

    To find out what it is: who then opens it as that reports what is wrong.
    """
    try:
        with open_regular(path, DarknetError) as file:
            return file.read(count)
    except (OSError, DarknetError):
        return b""


def read_small(path: PathLike, limit: int, error: type[DarknetError]) -> bytes:
    """The contents of a regular file of at most ``limit`` bytes.

    Raises:
        DarknetError: as ``error``: it is larger, something else, or cannot be read.
    """
    try:
        with open_regular(path, error) as file:
            data = bytearray()
            while len(data) <= limit and (part := file.read(limit + 1 - len(data))):
                data += part
    except OSError as problem:
        raise error(
            f"cannot be read: {problem.strerror}", path=path, remedy="check the path"
        ) from problem
    if len(data) > limit:
        raise error(f"is larger than {limit:,} bytes", path=path)
    return bytes(data)


def read_text(path: PathLike, limit: int, error: type[DarknetError]) -> str:
    """The text of a regular file of at most ``limit`` bytes, in UTF-8.

    Raises:
        DarknetError: as ``error``: as ``read_small``, or it is in another encoding.
    """
    return decode(read_small(path, limit, error), path, error)


def decode(
    data: bytes,
    path: PathLike,
    error: type[DarknetError],
    encoding: str | None = None,
    remedy: str = "save it as UTF-8",
) -> str:
    """The text in ``data``, which was read from ``path``; without a byte order mark.

    Args:
        data: the contents.
        path: where they are from, for the refusal.
        error: what that is.
        encoding: by Python's name; default: UTF-8.
        remedy: what else could be done.

    Raises:
        DarknetError: as ``error``: it is not in that encoding.
        LookupError: there is no such encoding.
    """
    try:
        return data.decode(encoding or "utf-8-sig")
    except UnicodeDecodeError as problem:
        # Its own bytes are without the mark.
        start = problem.start + len(data) - len(problem.object)
        line = data.count(b"\n", 0, start) + 1
        raise error(
            f"is not {encoding or 'UTF-8'} text",
            path=path,
            place=f"line {line}, byte {start}",
            remedy=remedy,
        ) from problem
