"""Which of several overlapping boxes stay: do_nms_sort and diounms_sort.

Boxes are centre x, centre y, width, height in parts of the picture, as in both engines' detectors:
for the intersection over union the unit plays no role, for distances it does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache, partial
from typing import TypeAlias

import numpy as np

from yolov3.detection.image import Floats, Indices

Overlap: TypeAlias = Callable[[Floats, Floats], Floats]

# Boxes that are compared at once. Up to so many, all are: choosing some would take longer.
TILE = 1024


def suppress(
    boxes: Floats, probabilities: Floats, threshold: float, overlap: Overlap
) -> tuple[Indices, Indices]:
    """Drop a class of a box if a likelier box of that class overlaps it by more than ``threshold``.

    pj box.c:58, AB box.c:812. Equal probabilities keep their order. (In Darknet they keep the one
    that sorting by the classes before left behind.)

    Args:
        boxes: (M, 4).
        probabilities: (M, classes); 0 is not there.
        threshold: of the overlap; 0 drops nothing, as in Darknet.
        overlap: of one box (4,) with others (n, 4): ``iou``, or what ``measure`` gives.

    Returns:
        Of what stays, the index of the box and the class, (K,) each, by falling probability.
    """
    found: list[tuple[int, int]] = []
    dropped_by = None
    if threshold and len(boxes):
        dropped_by = cache(_Overlapping(boxes, threshold, overlap).with_box)
    for label in np.flatnonzero((probabilities > 0).any(0)).tolist():
        column = probabilities[:, label]
        order = np.argsort(-column, kind="stable")[: np.count_nonzero(column > 0)]
        alive = np.ones(len(boxes), np.bool_)
        for box in order.tolist():
            if alive[box]:
                found.append((box, label))
                if dropped_by:
                    alive[dropped_by(box)] = False
    kept, classes = np.array(found, np.intp).reshape(-1, 2).T
    falling = np.argsort(-probabilities[kept, classes], kind="stable")
    return kept[falling], classes[falling]


def suppress_all(
    boxes: Floats, probabilities: Floats, threshold: float, overlap: Overlap
) -> tuple[Indices, Indices]:
    """As ``suppress``, but all classes drop each other, and a box has only its likeliest."""
    if not probabilities.size:
        return suppress(boxes, probabilities, threshold, overlap)
    where, _ = suppress(boxes, probabilities.max(1, keepdims=True), threshold, overlap)
    return where, probabilities[where].argmax(1)


class _Overlapping:
    """Which boxes one of them overlaps by more than a threshold, without a look at all of them.

    Boxes of about one place and size are in one tile. A tile is passed over if none of its boxes
    can have an intersection over union above the threshold, nor then a measure that is not larger.
    With the intersection I and the areas a and b, I / (a + b - I) > t needs I > 0 and
    I * (1 + t) > t * (a + b). The bounds of I are computed as ``iou`` computes I: rounding never
    turns a smaller side or product into a larger one, so they are bounds of what it gets.
    """

    # The sum a + b, the difference, the quotient and the threshold are rounded to 24 bits each.
    _ROUNDING = 1 - 1e-6

    def __init__(self, boxes: Floats, threshold: float, overlap: Overlap) -> None:
        self._boxes, self._threshold, self._overlap = boxes, threshold, overlap
        # Huge boxes have infinite sides and areas.
        with np.errstate(over="ignore", invalid="ignore"):
            self._low, self._high = _sides(boxes)
            self._area = (boxes[:, 2] * boxes[:, 3]).astype(np.float64)
            parts = list(_tiles(np.hstack([self._low, self._high]), np.arange(len(boxes))))
            order = np.concatenate(parts)
            starts = np.cumsum([0, *map(len, parts[:-1])])
            self._lowest = np.minimum.reduceat(self._low[order], starts)
            self._highest = np.maximum.reduceat(self._high[order], starts)
            self._widest = np.maximum.reduceat((self._high - self._low)[order], starts)
            self._smallest = np.minimum.reduceat(self._area[order], starts)
        # (4, n): the values of a column side by side
        self._tiles = [(part, np.ascontiguousarray(boxes[part].T)) for part in parts]

    def with_box(self, box: int) -> Indices:
        """The boxes, in no particular order, that ``box`` drops: itself, too, if it has an area."""
        others, columns = self._tiles[0]
        if len(self._tiles) > 1:
            near = [self._tiles[i] for i in self._near(box)]
            others = np.concatenate([others[:0], *(part for part, _ in near)])
            columns = np.concatenate([columns[:, :0], *(values for _, values in near)], axis=1)
        # NaN, of boxes without area, is not above either, as in C.
        return others[self._overlap(self._boxes[box], columns.T) > self._threshold]

    def _near(self, box: int) -> list[int]:
        """The tiles that may hold some."""
        with np.errstate(over="ignore", invalid="ignore"):
            shared = np.minimum(self._highest, self._high[box])
            shared -= np.maximum(self._lowest, self._low[box])
            width, height = np.minimum(shared, self._widest).T
            most = (width * height).astype(np.float64) * (1 + self._threshold)
            least = self._ROUNDING * self._threshold * (self._area[box] + self._smallest)
        return np.flatnonzero((width > 0) & (height > 0) & (most > least)).tolist()


def _tiles(sides: Floats, part: Indices) -> Iterator[Indices]:
    """``part`` of the boxes (M, 4) in tiles: halved along the sides that differ most."""
    if len(part) <= TILE:
        yield part
        return
    values = sides[part]
    order = np.argpartition(values[:, np.ptp(values, axis=0).argmax()], len(part) // 2)
    for half in np.split(part[order], [len(part) // 2]):
        yield from _tiles(sides, half)


def measure(name: str, beta: float) -> Overlap:
    """The measure that AB's ``nms_kind`` and ``beta_nms`` ask for: AB box.c:868.

    For "cornersnms" it is the plain one there, too, and so for names that it does not know.
    """
    exponent = {"greedynms": 0.6, "diounms": beta}.get(name)  # 0.6: AB box.c:206
    return iou if exponent is None else partial(_distance_iou, exponent)


def iou(box: Floats, others: Floats) -> Floats:
    """Intersection over union of (4,) with (n, 4): pj box.c:160; NaN if neither has an area."""
    with np.errstate(over="ignore", invalid="ignore"):  # of huge boxes, of boxes without area
        (low, high), (lows, highs) = _sides(box), _sides(others)
        width, height = (np.minimum(high, highs) - np.maximum(low, lows)).T
        shared = np.where((width < 0) | (height < 0), np.float32(0), width * height)
        union = box[2] * box[3] + others[:, 2] * others[:, 3] - shared
        quotient: Floats = shared / union
    return quotient


def _distance_iou(exponent: float, box: Floats, others: Floats) -> Floats:
    """``iou`` less the share of the centres' distance in the common diagonal: AB box.c:214."""
    with np.errstate(over="ignore", invalid="ignore"):
        (low, high), (lows, highs) = _sides(box), _sides(others)
        width, height = (np.maximum(high, highs) - np.minimum(low, lows)).T
        diagonal = width**2 + height**2
        distance = ((box[:2] - others[:, :2]) ** 2).sum(1)
        share = np.where(diagonal > 0, distance / diagonal, 0)
        apart: Floats = (np.nan_to_num(iou(box, others)) - share**exponent).astype(np.float32)
    return apart


def _sides(boxes: Floats) -> tuple[Floats, Floats]:
    """Left and top, right and bottom of boxes (..., 4), as (..., 2) each."""
    centres, halves = boxes[..., :2], boxes[..., 2:] / np.float32(2)
    return centres - halves, centres + halves
