"""What a file of each layout should give, from what PyTorch computes; NumPy alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from converter.options import Layout
from converter.records import dataclass

Array: TypeAlias = npt.NDArray[np.float32]

# Two runtimes' float32, one with batch norm folded and one without: the maps of real yolov3-tiny
# differ by up to 6e-5 at values up to 26 (six photographs; PyTorch is as far from float64), those
# of the sample's 75 convolutions by 3e-5 at up to 37. A wrong operator is off by far more.
ATOL = RTOL = 1e-4

# Of float16, which rounds to 11 bits. On noise, the maps of the sample's 75 convolutions differ by
# 2.1e-3 of a map's largest value in onnxruntime 1.32 on an x86-64 CPU, which has float32 between
# (with weights widened beforehand it gives the same within 2.5e-5), and by 3.2e-3 if every node's
# output is rounded. That, 0.09 there, is 9 % of a side by exp, half of it at each end, and 2.3 % of
# a score.
HALF, HALF_DECODED = 1e-2, 5e-2


@dataclass(frozen=True, kw_only=True)
class Expected:
    """An output as it should be.

    Attributes:
        values: what it should hold.
        sizes: what its rounding is relative to; infinite where it is not known.
        tolerance: what may differ: so much, and so much of the sizes.
    """

    values: Array
    sizes: Array
    tolerance: tuple[float, float]

    def error(self, found: Array) -> float | None:
        """The largest absolute difference; None if one is above the tolerance."""
        difference, known = np.abs(found - self.values), np.isfinite(self.sizes)
        absolute, relative = self.tolerance
        if (difference[known] > absolute + relative * self.sizes[known]).any():
            return None
        return float(difference[known].max(initial=0))


def tolerance_of(layout: Layout, *, half: bool = False) -> tuple[float, float]:
    """What may differ: so much, and so much of the ``sizes`` of ``Expected``."""
    if not half:
        return ATOL, RTOL
    return (ATOL, HALF) if layout == "maps" else (HALF_DECODED, HALF_DECODED)


def expected(layout: Layout, outputs: Sequence[Array], *, half: bool = False) -> list[Expected]:
    """The outputs in ``layout``.

    Args:
        layout: which.
        outputs: the maps, or for any other layout boxes (N, M, 4), as corners in pixels, and scores
            (N, M, classes).
        half: whether they come from float16, whose rounding is relative to a map's largest value.
    """
    tolerance = tolerance_of(layout, half=half)
    if layout != "maps":
        corners, scores = outputs
        rows = _decoded(layout, corners, scores, sum(tolerance))
    elif half:
        rows = [(y, np.full_like(y, np.abs(y).max(initial=0))) for y in outputs]
    else:
        rows = [(y, np.abs(y)) for y in outputs]
    return [Expected(values=v, sizes=size, tolerance=tolerance) for v, size in rows]


def _decoded(
    layout: Layout, corners: Array, scores: Array, rounding: float
) -> list[tuple[Array, Array]]:
    """Values and sizes of the outputs; ``rounding`` is that of scores up to 1."""
    # A side of a large box can lie at 0, as the difference of centre and half its width.
    size = np.broadcast_to(np.abs(corners).max(-1, keepdims=True), corners.shape)
    if layout == "boxes":
        return [(corners, size), (scores, np.abs(scores))]
    if layout == "ultralytics":
        low, high = corners[..., :2], corners[..., 2:]
        rows = np.concatenate([(low + high) / 2, high - low, scores], 2)
        sizes = np.concatenate([size, np.abs(scores)], 2)
        return [(rows.transpose(0, 2, 1), sizes.transpose(0, 2, 1))]
    best = scores.max(2, keepdims=True)
    label = scores.argmax(2)[..., None].astype(np.float32)
    near = (scores >= best - 2 * rounding).sum(2, keepdims=True) > 1
    unclear = np.where(near, np.float32(np.inf), np.float32(0))  # which of several is the best
    return [
        (np.concatenate([corners, best, label], 2), np.concatenate([size, best, unclear], 2)),
    ]
