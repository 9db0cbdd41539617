"""SHA-256 in a thread, beside everything else: it takes as long as all the rest of a conversion."""

from __future__ import annotations

import hashlib
import mmap
import time
from collections.abc import Callable
from threading import Thread
from typing import Self

from converter.files.source import Source

# Between two pieces Python's other threads may hold this one up.
PIECE = 8 << 20


def sha256_of(source: Source) -> str:
    """The file's hash, in hexadecimal.

    Raises:
        WeightsError: the file is shorter than it was, or cannot be read.
    """
    with Hashing(source.read_into, source.size) as hashing:
        return hashing.result()


class Hashing:
    """The hash of a file's bytes, computed in a thread; leaving the block abandons it.

    The two threads share no lock: one that Ctrl-C interrupts while it takes it would keep it.

    Args:
        read_into: fills a buffer from some byte of the file on.
        end: the byte after the last.
        start: the first byte.
        prefix: bytes that are hashed before them.
        first: what the thread does before.
        grown: the byte before which all are there, of a file that is still written.
    """

    def __init__(
        self,
        read_into: Callable[[memoryview, int], None],
        end: int,
        *,
        start: int = 0,
        prefix: bytes = b"",
        first: Callable[[], None] | None = None,
        grown: Callable[[], int] | None = None,
    ) -> None:
        self._read_into, self._start, self._end = read_into, start, end
        self._first, self._grown = first, grown
        self._digest = hashlib.sha256(prefix)
        self._error: Exception | None = None
        self._abandoned = False
        self._thread: Thread | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self._abandoned = True
        if self._thread:
            self._thread.join()

    def begin(self) -> Self:
        """Begin, unless it has begun."""
        if self._thread is None:
            thread = Thread(target=self._run, daemon=True)
            thread.start()
            self._thread = thread  # there is one to wait for
        return self

    def result(self) -> str:
        """The hash in hexadecimal, when it is there.

        Raises:
            WeightsError: the file is shorter than it was, or cannot be read.
        """
        self.begin()
        if self._thread:
            self._thread.join()
        if self._error:
            raise self._error
        return self._digest.hexdigest()

    def _run(self) -> None:
        try:
            if self._first:
                self._first()
            buffer = memoryview(mmap.mmap(-1, PIECE))
            for offset in range(self._start, self._end, PIECE):
                view = buffer[: self._end - offset]
                while self._grown and not self._abandoned and self._grown() < offset + len(view):
                    time.sleep(0.001)
                if self._abandoned:
                    return
                self._read_into(view, offset)
                self._digest.update(view)
        except Exception as error:  # for result() to raise, in the thread that asks
            self._error = error
