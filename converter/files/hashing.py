"""A file's SHA-256, beside everything else: it takes as long as all the rest of a conversion."""

from __future__ import annotations

import hashlib
import mmap
from threading import Thread
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
    with Hashing(source) as hashing:
        return hashing.result()


class Hashing:
    """The hash of ``source``, computed in a thread; leaving the block abandons it."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._digest = hashlib.sha256()
        self._error: Exception | None = None
        self._abandoned = False
        self._thread = Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._abandoned = True
        self._thread.join()

    def result(self) -> str:
        """The hash in hexadecimal, when it is there.

        Raises:
            WeightsError: the file is shorter than it was, or cannot be read.
        """
        self._thread.join()
        if self._error:
            raise self._error
        return self._digest.hexdigest()

    def _run(self) -> None:
        buffer = memoryview(mmap.mmap(-1, PIECE))
        try:
            for offset in range(0, self._source.size, PIECE):
                if self._abandoned:
                    return
                view = buffer[: self._source.size - offset]
                self._source.read_into(view, offset)
                self._digest.update(view)
        except Exception as error:  # for result() to raise, in the thread that asks
            self._error = error
