"""SHA-256 in a thread, beside everything else: it takes as long as all the rest of a conversion."""

from __future__ import annotations

import hashlib
import mmap
from collections.abc import Callable
from threading import Condition, Event, Thread
from types import TracebackType
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


class Growth:
    """How far a file is there that one thread writes and another one reads."""

    def __init__(self) -> None:
        self._end = 0
        self._more = Condition()

    def reach(self, end: int) -> None:
        """All bytes before ``end`` are there, or never will be."""
        with self._more:
            self._end = end
            self._more.notify_all()

    def wait_for(self, end: int) -> None:
        """Wait until all bytes before ``end`` are there."""
        with self._more:
            self._more.wait_for(lambda: self._end >= end)


class Hashing:
    """The hash of a file's bytes, computed in a thread; leaving the block abandons it.

    Args:
        read_into: fills a buffer from some byte of the file on.
        end: the byte after the last.
        start: the first byte.
        prefix: bytes that are hashed before them.
        first: what the thread does before.
    """

    def __init__(
        self,
        read_into: Callable[[memoryview, int], None],
        end: int,
        *,
        start: int = 0,
        prefix: bytes = b"",
        first: Callable[[], None] | None = None,
    ) -> None:
        self._read_into, self._start, self._end = read_into, start, end
        self._first = first
        self._digest = hashlib.sha256(prefix)
        self._error: Exception | None = None
        self._abandoned = Event()
        self._thread: Thread | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._abandoned.set()
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
                if self._abandoned.is_set():
                    return
                view = buffer[: self._end - offset]
                self._read_into(view, offset)
                self._digest.update(view)
        except Exception as error:  # for result() to raise, in the thread that asks
            self._error = error
