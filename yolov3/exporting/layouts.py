"""What a file of each layout should give, from what PyTorch computes; NumPy alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from converter.options import Layout

Array: TypeAlias = npt.NDArray[np.float32]

# Two runtimes' float32, one with batch norm folded and one without: the maps of real yolov3-tiny
# differ by up to 6e-5 at values up to 26 (six photographs; PyTorch is as far from float64), those
# of the sample's 75 convolutions by 3e-5 at up to 37. A wrong operator is off by far more.
ATOL = RTOL = 1e-4


@dataclass(frozen=True, kw_only=True)
class Expected:
    """An output as it should be.

    Attributes:
        values: what it should hold.
        sizes: what its rounding is relative to; infinite where it is not known.
    """

    values: Array
    sizes: Array

    def error(self, found: Array) -> float | None:
        """The largest absolute difference; None if one is above the tolerance."""
        difference, known = np.abs(found - self.values), np.isfinite(self.sizes)
        if (difference[known] > ATOL + RTOL * self.sizes[known]).any():
            return None
        return float(difference[known].max(initial=0))


def expected(layout: Layout, outputs: Sequence[Array]) -> list[Expected]:
    """The outputs in ``layout``.

    Args:
        layout: which.
        outputs: the maps, or for any other layout boxes (N, M, 4), as corners in pixels, and scores
            (N, M, classes).
    """
    if layout == "maps":
        return [Expected(values=values, sizes=np.abs(values)) for values in outputs]
    corners, scores = outputs
    # A side of a large box can lie at 0, as the difference of centre and half its width.
    size = np.broadcast_to(np.abs(corners).max(-1, keepdims=True), corners.shape)
    if layout == "boxes":
        return [
            Expected(values=corners, sizes=size),
            Expected(values=scores, sizes=np.abs(scores)),
        ]
    if layout == "ultralytics":
        low, high = corners[..., :2], corners[..., 2:]
        rows = np.concatenate([(low + high) / 2, high - low, scores], 2)
        sizes = np.concatenate([size, np.abs(scores)], 2)
        return [Expected(values=rows.transpose(0, 2, 1), sizes=sizes.transpose(0, 2, 1))]
    best = scores.max(2, keepdims=True)
    label = scores.argmax(2)[..., None].astype(np.float32)
    near = (scores >= best - 2 * (ATOL + RTOL * best)).sum(2, keepdims=True) > 1
    unclear = np.where(near, np.float32(np.inf), np.float32(0))  # which of several is the best
    return [
        Expected(
            values=np.concatenate([corners, best, label], 2),
            sizes=np.concatenate([size, best, unclear], 2),
        )
    ]
