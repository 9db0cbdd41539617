"""Places for labels: on the picture, close to their box, and not over one another."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

Box = tuple[float, float, float, float]

AWAY = 4  # labels between a box and its label, at most: beyond, nobody sees whose it is


class Places:
    """The labels of one picture, placed one after the other.

    Args:
        width: of the picture, in pixels.
        height: likewise.
    """

    def __init__(self, width: int, height: int) -> None:
        self._width, self._height = width, height
        self._taken = np.empty((0, 4), np.int64)  # left, top, and the first beyond them

    def take(self, box: Box, wide: int, high: int) -> tuple[int, int] | None:
        """Left and top of the free place that suits the label of ``box`` best; it is then taken.

        Args:
            box: left, top, right, bottom; on the picture.
            wide: of the label, in pixels.
            high: likewise.

        Returns:
            None if there is none.
        """
        room = np.array([self._width - wide, self._height - high])
        if (room < 0).any():
            return None
        corners = np.array(list(_wishes(box, wide, high)), np.int64).clip(0, room)
        places = np.hstack([corners, corners + np.array([wide, high])])
        mine, others = places[:, None], self._taken[None]
        apart = (mine[..., 2:] <= others[..., :2]) | (others[..., 2:] <= mine[..., :2])
        free = places[np.all(apart.any(2), axis=1)]
        if not len(free):
            return None
        self._taken = np.vstack([self._taken, free[:1]])
        left, top = free[0, :2].tolist()
        return left, top


def _wishes(box: Box, wide: int, high: int) -> Iterator[tuple[int, int]]:
    """Left and top of places for a label, the best first: above, inside, below, beside."""
    left, top, right, bottom = (int(side) for side in box)
    beyond = right + 1 - wide
    for y in (top - high, top, bottom + 1, bottom + 1 - high):
        yield left, y
        yield beyond, y
    for row in sorted(range(-AWAY, (bottom - top) // high + AWAY + 1), key=abs):
        for x in (left, beyond, right + 1, left - wide):
            yield x, top + row * high
