"""Which of several overlapping boxes stay: do_nms_sort and diounms_sort.

Boxes are centre x, centre y, width, height in parts of the picture, as in both engines' detectors:
for the intersection over union the unit plays no role, for distances it does.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

Floats: TypeAlias = npt.NDArray[np.float32]
Overlap: TypeAlias = Callable[[Floats, Floats], Floats]


def suppress(
    boxes: Floats, probabilities: Floats, threshold: float, overlap: Overlap
) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
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
    kept: list[tuple[int, int]] = []
    clear: dict[int, npt.NDArray[np.bool_]] = {}  # of a box that stays, which others may, too
    for label in np.flatnonzero((probabilities > 0).any(0)).tolist():
        column = probabilities[:, label]
        order = np.argsort(-column, kind="stable")[: np.count_nonzero(column > 0)]
        alive = np.ones(len(boxes), np.bool_)
        for box in order.tolist():
            if not alive[box]:
                continue
            kept.append((box, label))
            if threshold:
                if box not in clear:
                    # Not "<=": NaN, of boxes without area, is not above either, as in C.
                    clear[box] = ~(overlap(boxes[box], boxes) > threshold)
                alive &= clear[box]
    where, labels = np.array(kept, np.intp).reshape(-1, 2).T
    falling = np.argsort(-probabilities[where, labels], kind="stable")
    return where[falling], labels[falling]


def measure(name: str, beta: float) -> Overlap:
    """The measure that AB's ``nms_kind`` and ``beta_nms`` ask for: AB box.c:868.

    For "cornersnms" it is the plain one there, too, and so for names that it does not know.
    """
    exponent = {"greedynms": 0.6, "diounms": beta}.get(name)  # 0.6: AB box.c:206
    return iou if exponent is None else partial(_distance_iou, exponent)


def iou(box: Floats, others: Floats) -> Floats:
    """Intersection over union of (4,) with (n, 4): pj box.c:160."""
    width, height = (_shared(box[i], box[i + 2], others[:, i], others[:, i + 2]) for i in (0, 1))
    shared = np.where((width < 0) | (height < 0), np.float32(0), width * height)
    union = box[2] * box[3] + others[:, 2] * others[:, 3] - shared
    with np.errstate(invalid="ignore"):
        quotient: Floats = shared / union
    return quotient


def _distance_iou(exponent: float, box: Floats, others: Floats) -> Floats:
    """``iou`` less the share of the centres' distance in the common diagonal: AB box.c:214."""
    width, height = (_span(box[i], box[i + 2], others[:, i], others[:, i + 2]) for i in (0, 1))
    diagonal = width**2 + height**2
    distance = ((box[:2] - others[:, :2]) ** 2).sum(1)
    with np.errstate(invalid="ignore"):
        share = np.where(diagonal > 0, distance / diagonal, 0)
    apart: Floats = (np.nan_to_num(iou(box, others)) - share**exponent).astype(np.float32)
    return apart


def _shared(x: Any, w: Any, xs: Floats, ws: Floats) -> Floats:
    shared: Floats = np.minimum(x + w / 2, xs + ws / 2) - np.maximum(x - w / 2, xs - ws / 2)
    return shared


def _span(x: Any, w: Any, xs: Floats, ws: Floats) -> Floats:
    span: Floats = np.maximum(x + w / 2, xs + ws / 2) - np.minimum(x - w / 2, xs - ws / 2)
    return span
