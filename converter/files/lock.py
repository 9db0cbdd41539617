"""A lock that ends with the process that holds it."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from converter.files.portable import moved

# Of the two, msvcrt locks bytes, and keeps others from reading them: one that no file of ours has.
_BYTE = 1 << 30


def try_lock(descriptor: int) -> bool:
    """Lock the open file for this process alone; False if somebody else has locked it.

    It is let go when the last descriptor of this opening is closed, at the latest by the end of the
    process, however that ends.
    """
    try:
        import fcntl
    except ModuleNotFoundError:  # Windows
        return _try_lock_byte(descriptor)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _try_lock_byte(descriptor: int) -> bool:
    """The same with ``msvcrt``, which locks from the file's position on."""
    msvcrt: Any = import_module("msvcrt")  # type checkers know it on Windows only
    try:
        with moved(descriptor, _BYTE):
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
    except PermissionError:  # EACCES: a locking violation
        return False
    return True
