"""What the values of an array look like: range, mean, spread and histogram, streamed."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from math import sqrt
from typing import TYPE_CHECKING, Any

from converter.records import dataclass

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

BINS = 48


@dataclass(frozen=True, kw_only=True, slots=True)
class Statistics:
    """Of one float32 array.

    Attributes:
        nan, infinite: values that are not numbers, and infinities of either sign; the rest
            describes only the others, and is None if there are no others.
        minimum, mean, maximum: in float64.
        deviation: standard deviation of the values themselves (divided by n, not n - 1).
        histogram: how many values lie in each of ``BINS`` equal bins from minimum to maximum; the
            last one includes the maximum. If all values are equal, the middle bin has them all.
    """

    nan: int
    infinite: int
    minimum: float | None = None
    mean: float | None = None
    maximum: float | None = None
    deviation: float | None = None
    histogram: tuple[int, ...] = (0,) * BINS

    def as_dict(self) -> dict[str, Any]:
        """For JSON; numbers to nine significant digits, which distinguish any two float32."""
        numbers = {
            name: None if value is None else float(f"{value:.9g}")
            for name in ("minimum", "mean", "maximum", "deviation")
            for value in (getattr(self, name),)
        }
        return {
            **numbers,
            "nan": self.nan,
            "infinite": self.infinite,
            "histogram": list(self.histogram),
        }


def measure(pieces: Callable[[], Iterable[NDArray[np.float32]]]) -> Statistics:
    """The statistics of the values in ``pieces``, one-dimensional arrays.

    They are asked for twice, the second time to bin the values between the ends that the first time
    found; a piece is not needed any more when the next one comes.
    """
    import numpy as np

    nan = infinite = count = 0
    total, low, high = 0.0, np.inf, -np.inf
    for values in pieces():
        finite = values[np.isfinite(values)]
        missing = int(np.isnan(values).sum())
        nan += missing
        infinite += len(values) - len(finite) - missing
        if len(finite):
            count += len(finite)
            total += float(finite.sum(dtype=np.float64))
            low, high = min(low, float(finite.min())), max(high, float(finite.max()))
    if not count:
        return Statistics(nan=nan, infinite=infinite)
    mean = total / count
    scale = BINS / (high - low) if high > low else 0.0
    squares = 0.0
    histogram = np.zeros(BINS, np.int64)
    for values in pieces():
        finite = values[np.isfinite(values)].astype(np.float64)
        bins = (
            ((finite - low) * scale).astype(np.intp) if scale else np.full(len(finite), BINS // 2)
        )
        histogram += np.bincount(np.minimum(bins, BINS - 1), minlength=BINS)
        squares += float(np.square(finite - mean).sum())
    return Statistics(
        nan=nan,
        infinite=infinite,
        minimum=low,
        mean=mean,
        maximum=high,
        deviation=sqrt(squares / count),
        histogram=tuple(histogram.tolist()),
    )
