"""Holes: zeros that a broken transfer leaves inside an array, or in place of the whole file."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from converter.files.source import Source

HOLE = 1024  # zeros in a row: 4 KiB, the least that file systems and networks lose
HALF = HOLE // 2
_PIECE = 1 << 20  # bytes that are looked at together


def only_zeros(source: Source) -> bool:
    """Whether ``source`` has no other byte: room was made for a file that never came."""
    for start in range(0, source.size, _PIECE):
        piece = source.read(start, min(_PIECE, source.size - start))
        if piece != bytes(len(piece)):
            return False
    return source.size > 0


class Zeros:
    """Finds runs of zeros in an array of which the values go by, block after block.

    Args:
        filter_size: values of one filter. A pruned one is zero as a whole, and so a run from the
            beginning of one filter to the end of another is none.

    Attributes:
        found: (first, end) of the first run of at least ``HOLE`` values.
    """

    def __init__(self, filter_size: int) -> None:
        self.found: tuple[int, int] | None = None
        self._filter_size = filter_size
        self._position = 0
        self._since = 0  # where the run began that reaches to the position, else the position

    def observe(self, values: NDArray[np.float32]) -> None:
        """Look at the next values, at least one."""
        import numpy as np

        # As integers: some NaN are signalling, and -0 is no byte of a hole.
        bits, start = values.ravel().view(np.uint32), self._position
        self._position += bits.size
        # A hole that neither begins nor ends outside has one of every HOLE values in it: as a rule
        # none of these is zero, and looking at more would cost as much as all the rest.
        if bits[0] and bits[-1] and bits[::HOLE].all():
            self._end(start)
            self._since = self._position
            return
        # And it fills one of the halves; some files have many zeros that are no hole.
        halves = bits[: bits.size // HALF * HALF].reshape(-1, HALF)
        if halves.size and halves.any(1).all():
            self._end(start + int(bits[:HALF].astype(bool).argmax()))
            self._since = self._position - int(bits[: -HOLE - 1 : -1].astype(bool).argmax())
            return
        filled = np.flatnonzero(bits)
        if not filled.size:
            return
        self._end(start + int(filled[0]))
        for index in np.flatnonzero(np.diff(filled) > HOLE):
            self._since = start + int(filled[index]) + 1
            self._end(start + int(filled[index + 1]))
        self._since = start + int(filled[-1]) + 1

    def finish(self) -> int:
        """That was all: how many of the last values are zero."""
        self._end(self._position)
        return self._position - self._since

    def _end(self, end: int) -> None:
        pruned = self._since % self._filter_size == 0 == end % self._filter_size
        if end - self._since >= HOLE and not pruned and self.found is None:
            self.found = (self._since, end)
