"""How far a box is from an object, and which way to it: AB box.c, in its order of operations.

Boxes are (4, ...) float32, in parts of the picture: centre x, centre y, width, height. C computes
in float here, and in double where it says so, which moves the last bits.
"""

from __future__ import annotations

from math import pi

import torch
from torch import Tensor


def _corners(box: Tensor) -> tuple[Tensor, Tensor]:
    """Left and top, right and bottom, (2, ...) each."""
    return box[:2] - box[2:] / 2, box[:2] + box[2:] / 2


def _common(a: Tensor, b: Tensor) -> Tensor:
    """Width and height of what two boxes have in common, (2, ...); negative of those apart."""
    (low, high), (lows, highs) = _corners(a), _corners(b)
    return torch.fmin(high, highs) - torch.fmax(low, lows)


def _hull(a: Tensor, b: Tensor) -> Tensor:
    """Width and height of the smallest rectangle around two boxes, (2, ...)."""
    (low, high), (lows, highs) = _corners(a), _corners(b)
    return torch.fmax(high, highs) - torch.fmin(low, lows)


def _intersection(a: Tensor, b: Tensor) -> Tensor:
    """Pj box.c:152-170."""
    w, h = _common(a, b)
    return torch.where((w < 0) | (h < 0), 0, w * h)


def iou(a: Tensor, b: Tensor) -> Tensor:
    """Intersection over union, 0 where C has no number: pj box.c:179, AB box.c:163.

    C finds a NaN above no threshold, nor is 0.
    """
    both = _intersection(a, b)
    union = a[2] * a[3] + b[2] * b[3] - both
    return torch.where(both > 0, both / union, 0)


def giou(a: Tensor, b: Tensor) -> Tensor:
    """Generalised IoU, -1..1: AB box.c:175."""
    around = _hull(a, b).prod(0)
    union = a[2] * a[3] + b[2] * b[3] - _intersection(a, b)
    return iou(a, b) - (around - union) / around


def ascent(box: Tensor, truth: Tensor, kind: str) -> Tensor:
    """Which way ``kind`` ("giou" or "ciou") of ``box`` with ``truth`` grows: AB box.c:258-455.

    The derivatives by centre and sides, those by the sides twice as large; "ciou" has what the
    engine makes of it. Without an intersection IoU itself has no part in it. Objects have an area,
    so C's tests for none decide nothing.
    """
    box = torch.cat([box[:2], torch.where(box[2:] == 0, 1, box[2:])])
    pair = _Pair(box, truth)
    edges = pair.of_iou()
    if kind == "giou":
        term = pair.of_hull()
        edges = torch.where(pair.apart, term, edges + term)
    low, high = edges
    found = torch.cat([low + high, high - low])
    if kind == "ciou":
        term = pair.of_distance_and_shape()
        found = torch.where(pair.apart, term, found + term)
    return found


class _Pair:
    """A box and an object. By edges is (2, 2, ...): left and top, then right and bottom."""

    def __init__(self, box: Tensor, truth: Tensor) -> None:
        self.box, self.truth = box, truth
        (low, high), (true_low, true_high) = _corners(box), _corners(truth)
        common, sides, self.hull = _common(box, truth), high - low, _hull(box, truth)
        self.apart = (common <= 0).any(0)
        self.both = common.prod(0)  # positive as well if both are negative
        self.union = sides.prod(0) + (true_high - true_low).prod(0) - self.both
        self.outside = torch.stack([low < true_low, high > true_high])
        inside = torch.stack([low > true_low, high < true_high])
        self.both_by_edge = torch.where(inside, _by_edge(common), 0)
        self.union_by_edge = _by_edge(sides) - self.both_by_edge

    def of_iou(self) -> Tensor:
        """IoU by each edge: AB box.c:292-330; :335 is for flat boxes, which have no part of it."""
        both, union = self.both, self.union
        return (union * self.both_by_edge - both * self.union_by_edge) / (union * union)

    def of_hull(self) -> Tensor:
        """What GIoU adds to it: AB box.c:308-353."""
        hull, union = self.hull.prod(0), self.union
        by_edge = torch.where(self.outside, _by_edge(self.hull), 0)
        return (hull * self.union_by_edge - union * by_edge) / (hull * hull)

    def of_distance_and_shape(self) -> Tensor:
        """What CIoU adds, by centre and sides: AB box.c:355-450."""
        box, truth = self.box, self.truth
        away = truth[:2] - box[:2]
        distance = (away * away).sum(0)
        low, high = self.outside.float()
        angle = (truth[2] / truth[3]).double().atan() - (box[2] / box[3]).double().atan()
        shape = (4 / pi**2 * angle * angle).float()
        weight = (shape / ((1 - self.both / self.union + shape).double() + 1e-6)).float()
        by_shape = torch.stack([8 / pi**2 * angle * box[3], -8 / pi**2 * angle * box[2]]).float()
        square = (self.hull * self.hull).sum(0)  # of the hull's diagonal
        hull, squared = 2 * self.hull, square * square
        by_centre = (2 * away * square - hull * (high - low) * distance) / squared
        by_sides = hull * (0.5 * high + 0.5 * low) * distance / squared + weight * by_shape
        return torch.cat([by_centre, by_sides])


def _by_edge(sides: Tensor) -> Tensor:
    """The area of a rectangle by each of its edges."""
    other = sides.flip(0)
    return torch.stack([-other, other])
