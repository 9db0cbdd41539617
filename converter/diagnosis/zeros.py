"""Holes: zeros that a broken transfer leaves inside an array."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

HOLE = 1024  # zeros in a row: 4 KiB, the least that file systems and networks lose
HALF = HOLE // 2


class Zeros:
    """Finds runs of zeros in an array of which the values go by, block after block.

    Args:
        filters: values of one filter. A pruned one is zero as a whole, and so a run from the
            beginning of one filter to the end of another is none.

    Attributes:
        found: (first, end) of the first run of at least ``HOLE`` values.
    """

    def __init__(self, filters: int) -> None:
        self.found: tuple[int, int] | None = None
        self._filters = filters
        self._position = 0
        self._since = 0  # where the run began that reaches to the position, else the position

    def observe(self, values: NDArray[np.float32]) -> None:
        """Look at the next values, at least one."""
        import numpy as np

        values, start = values.ravel(), self._position
        self._position += values.size
        # A hole that neither begins nor ends outside has one of every HOLE values in it: as a rule
        # none of these is zero, and looking at more would cost as much as all the rest.
        if values[0] and values[-1] and values[::HOLE].all():
            self._end(start)
            self._since = self._position
            return
        # And it fills one of the halves; some files have many zeros that are no hole.
        halves = values[: values.size // HALF * HALF].reshape(-1, HALF)
        if halves.size and halves.any(1).all():
            self._end(start + int(values[:HALF].astype(bool).argmax()))
            self._since = self._position - int(values[: -HOLE - 1 : -1].astype(bool).argmax())
            return
        filled = np.flatnonzero(values)
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
        pruned = self._since % self._filters == 0 == end % self._filters
        if end - self._since >= HOLE and not pruned and self.found is None:
            self.found = (self._since, end)
