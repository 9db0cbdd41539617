"""How far a box is from an object, and which way to it: AB box.c, in its order of operations.

Boxes are four tensors of one shape, float32, in parts of the picture: centre x, centre y, width,
height. C computes in float here, and in double where it says so, which moves the last bits.
"""

from __future__ import annotations

from math import pi
from typing import NamedTuple

import torch
from torch import Tensor


class Box(NamedTuple):
    """Boxes: centre and sides."""

    x: Tensor
    y: Tensor
    w: Tensor
    h: Tensor

    @property
    def left(self) -> Tensor:
        """The smaller x."""
        return self.x - self.w / 2

    @property
    def right(self) -> Tensor:
        """The larger x."""
        return self.x + self.w / 2

    @property
    def top(self) -> Tensor:
        """The smaller y."""
        return self.y - self.h / 2

    @property
    def bottom(self) -> Tensor:
        """The larger y."""
        return self.y + self.h / 2


def _intersection(a: Box, b: Box) -> Tensor:
    """Pj box.c:152-170."""
    w = torch.fmin(a.right, b.right) - torch.fmax(a.left, b.left)
    h = torch.fmin(a.bottom, b.bottom) - torch.fmax(a.top, b.top)
    return torch.where((w < 0) | (h < 0), 0, w * h)


def iou(a: Box, b: Box) -> Tensor:
    """Intersection over union, 0 where C has no number: pj box.c:179, AB box.c:163.

    C finds a NaN above no threshold, nor is 0.
    """
    both = _intersection(a, b)
    union = a.w * a.h + b.w * b.h - both
    return torch.where(both > 0, both / union, 0)


def giou(a: Box, b: Box) -> Tensor:
    """Generalised IoU, -1..1: AB box.c:175."""
    w = torch.fmax(a.right, b.right) - torch.fmin(a.left, b.left)
    h = torch.fmax(a.bottom, b.bottom) - torch.fmin(a.top, b.top)
    around = w * h
    union = a.w * a.h + b.w * b.h - _intersection(a, b)
    return iou(a, b) - (around - union) / around


def ascent(box: Box, truth: Box, kind: str) -> Box:
    """Which way ``kind`` ("giou" or "ciou") of ``box`` with ``truth`` grows: AB box.c:258-455.

    The derivatives by centre and sides, those by the sides twice as large; "ciou" has what the
    engine makes of it. Without an intersection IoU itself has no part in it. Objects have an area,
    so C's tests for none decide nothing.
    """
    box = box._replace(w=torch.where(box.w == 0, 1, box.w), h=torch.where(box.h == 0, 1, box.h))
    pair = _Pair(box, truth)
    edges = pair.of_iou()
    if kind == "giou":
        terms = zip(edges, pair.of_hull(), strict=True)
        edges = [torch.where(pair.apart, term, part + term) for part, term in terms]
    top, bottom, left, right = edges
    found = Box(left + right, top + bottom, right - left, bottom - top)
    if kind == "ciou":
        terms = zip(found, pair.of_distance_and_shape(), strict=True)
        found = Box(*(torch.where(pair.apart, term, part + term) for part, term in terms))
    return found


class _Pair:
    """A box and an object; edges are in C's order: top, bottom, left, right."""

    def __init__(self, box: Box, truth: Box) -> None:
        self.box, self.truth = box, truth
        self.inner_w = torch.fmin(box.right, truth.right) - torch.fmax(box.left, truth.left)
        self.inner_h = torch.fmin(box.bottom, truth.bottom) - torch.fmax(box.top, truth.top)
        self.apart = (self.inner_w <= 0) | (self.inner_h <= 0)
        self.both = self.inner_w * self.inner_h  # positive as well if both are negative
        self.w, self.h = box.right - box.left, box.bottom - box.top
        area = (truth.bottom - truth.top) * (truth.right - truth.left)
        self.union = self.h * self.w + area - self.both
        # The smallest rectangle around both.
        self.hull_w = torch.fmax(box.right, truth.right) - torch.fmin(box.left, truth.left)
        self.hull_h = torch.fmax(box.bottom, truth.bottom) - torch.fmin(box.top, truth.top)
        self.inside = (
            box.top > truth.top, box.bottom < truth.bottom,
            box.left > truth.left, box.right < truth.right,
        )  # fmt: skip
        self.outside = (
            box.top < truth.top, box.bottom > truth.bottom,
            box.left < truth.left, box.right > truth.right,
        )  # fmt: skip

    def of_iou(self) -> list[Tensor]:
        """IoU by each edge: AB box.c:292-330; :335 is for flat boxes, which have no part of it."""
        both, union = self.both, self.union
        return [
            (union * i - both * u) / (union * union)
            for i, u in zip(self._inner(), self._union(), strict=True)
        ]

    def of_hull(self) -> list[Tensor]:
        """What GIoU adds to it: AB box.c:308-353."""
        hull, union = self.hull_w * self.hull_h, self.union
        grown = self._across(self.outside, self.hull_w, self.hull_h)
        return [
            (hull * u - union * c) / (hull * hull)
            for u, c in zip(self._union(), grown, strict=True)
        ]

    def of_distance_and_shape(self) -> Box:
        """What CIoU adds, by centre and sides: AB box.c:355-450."""
        box, truth = self.box, self.truth
        distance = (box.x - truth.x) * (box.x - truth.x) + (box.y - truth.y) * (box.y - truth.y)
        top, bottom, left, right = (edge.float() for edge in self.outside)
        angle = (truth.w / truth.h).double().atan() - (box.w / box.h).double().atan()
        shape = (4 / pi**2 * angle * angle).float()
        weight = (shape / ((1 - self.both / self.union + shape).double() + 1e-6)).float()
        by_w = weight * (8 / pi**2 * angle * box.h).float()
        by_h = weight * (-8 / pi**2 * angle * box.w).float()
        square = self.hull_w * self.hull_w + self.hull_h * self.hull_h  # of the hull's diagonal
        w, h, squared = 2 * self.hull_w, 2 * self.hull_h, square * square
        return Box(
            (2 * (truth.x - box.x) * square - w * (right - left) * distance) / squared,
            (2 * (truth.y - box.y) * square - h * (bottom - top) * distance) / squared,
            w * (0.5 * right + 0.5 * left) * distance / squared + by_w,
            h * (0.5 * bottom + 0.5 * top) * distance / squared + by_h,
        )

    def _inner(self) -> list[Tensor]:
        """The intersection by each edge."""
        return self._across(self.inside, self.inner_w, self.inner_h)

    def _union(self) -> list[Tensor]:
        """The union by each edge."""
        area = (-self.w, self.w, -self.h, self.h)
        return [a - i for a, i in zip(area, self._inner(), strict=True)]

    @staticmethod
    def _across(moves: tuple[Tensor, ...], w: Tensor, h: Tensor) -> list[Tensor]:
        """An area of sides ``w`` and ``h`` by each edge, as far as that edge is its own."""
        return [torch.where(m, d, 0) for m, d in zip(moves, (-w, w, -h, h), strict=True)]
