"""A lock that ends with the process that holds it."""

from __future__ import annotations


def try_lock(descriptor: int) -> bool:
    """Lock the open file for this process alone; False if somebody else has locked it.

    It is let go when the last descriptor of this opening is closed, at the latest by the end of the
    process, however that ends.
    """
    import fcntl

    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
