"""What systems lack or do otherwise; nothing else asks which one this is.

Windows reads and writes only where a file's position is, takes some names for devices, and lets
nobody replace or remove a file that is open or mapped.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock

WINDOWS = sys.platform == "win32"

# Held by whoever moves the position of a file that another thread may read.
POSITION = Lock()

# https://learn.microsoft.com/windows/win32/fileio/naming-a-file; superscript digits count as well.
_DEVICES = {"CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$"}
_DEVICES |= {f"{port}{n}" for port in ("COM", "LPT") for n in "123456789\xb9\xb2\xb3"}
_RESERVED = frozenset('"*:<>?|/\\').union(map(chr, range(32)))


def read_at(descriptor: int, buffer: memoryview, offset: int) -> int:
    """Fill ``buffer`` from byte ``offset`` of an open file on, as far as the file reaches.

    Returns:
        The bytes that were read.
    """
    done = 0
    while done < len(buffer):
        count = _read_some(descriptor, buffer[done:], offset + done)
        if not count:
            break
        done += count
    return done


def _read_some(descriptor: int, buffer: memoryview, offset: int) -> int:
    """As far as one call reads; 0 at the end of the file."""
    if hasattr(os, "preadv"):
        return os.preadv(descriptor, [buffer], offset)
    with POSITION, moved(descriptor, offset):
        data = os.read(descriptor, len(buffer))
    buffer[: len(data)] = data
    return len(data)


def write_at(descriptor: int, data: memoryview, offset: int) -> int:
    """Write ``data`` from byte ``offset`` of an open file on, as far as one call writes.

    Returns:
        The bytes that it has written.
    """
    if hasattr(os, "pwrite"):
        return os.pwrite(descriptor, data, offset)
    with POSITION, moved(descriptor, offset):
        return os.write(descriptor, data)


@contextmanager
def moved(descriptor: int, offset: int) -> Iterator[None]:
    """Have the position of an open file at byte ``offset`` in the block."""
    before = os.lseek(descriptor, 0, os.SEEK_CUR)
    os.lseek(descriptor, offset, os.SEEK_SET)
    try:
        yield
    finally:
        os.lseek(descriptor, before, os.SEEK_SET)


def is_reserved(name: str) -> bool:
    """Whether this system takes the last part of a path for something else than a file of it.

    On Windows: a device (``NUL.weights`` is one as well), another file (it drops dots and spaces at
    the end), a stream of one (``a:b``), or a path.
    """
    if not WINDOWS:
        return False
    device = name.partition(".")[0].rstrip(" ").upper()
    return device in _DEVICES or name[-1:] in (".", " ") or not _RESERVED.isdisjoint(name)
