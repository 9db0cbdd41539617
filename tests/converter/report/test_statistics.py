"""The statistics of an array, streamed in pieces."""

import numpy as np
import pytest

from converter.report.statistics import BINS, Statistics, measure


def of(values, pieces: int = 1) -> Statistics:
    array = np.array(values, "<f4")
    return measure(lambda: iter(np.array_split(array, pieces)))


def test_by_hand():
    # 1, 2, 3, 6: mean 12 / 4 = 3; squares 4 + 1 + 0 + 9 = 14, sqrt(14 / 4) = 1.870829
    found = of([1, 2, 3, 6])
    assert (found.minimum, found.mean, found.maximum) == (1, 3, 6)
    assert found.deviation == pytest.approx(1.870829, abs=1e-6)


def test_bins_are_equal_and_the_last_includes_the_maximum():
    # 0..48 in 48 bins of width 1: one value each, and the maximum joins the last.
    assert of(range(BINS + 1)).histogram == (1,) * (BINS - 1) + (2,)


def test_equal_values_are_one_bar_in_the_middle():
    found = of([7, 7, 7])
    assert found.histogram == (0,) * 24 + (3,) + (0,) * 23
    assert found.deviation == 0


def test_what_is_not_finite_is_counted_and_left_out():
    found = of([np.nan, 1, np.inf, 3, -np.inf, np.nan])
    assert (found.nan, found.infinite) == (2, 2)
    assert (found.minimum, found.mean, found.maximum, found.deviation) == (1, 2, 3, 1)
    assert sum(found.histogram) == 2


def test_nothing_finite():
    found = of([np.nan, np.inf])
    assert (found.minimum, found.mean, found.maximum, found.deviation) == (None,) * 4
    assert found.histogram == (0,) * BINS


@pytest.mark.parametrize(
    "values",
    [
        [np.float32(1e-45), np.float32(0)],  # the smallest subnormal
        [np.finfo("<f4").max, np.finfo("<f4").min],  # their difference overflows float32
    ],
)
def test_extreme_ranges(values):
    assert of(values).histogram == (1,) + (0,) * (BINS - 2) + (1,)


@pytest.mark.parametrize("pieces", [1, 7])
def test_agrees_with_numpy(pieces):
    values = np.random.default_rng(0).normal(0.01, 0.3, 10_001).astype("<f4")
    found = of(values, pieces)
    exact = values.astype(np.float64)
    assert found.histogram == tuple(np.histogram(exact, BINS)[0])
    # The order of summation differs: 10,001 roundings of 1e-16 each.
    assert found.mean == pytest.approx(exact.mean(), rel=1e-11)
    assert found.deviation == pytest.approx(exact.std(), rel=1e-11)
    assert (found.minimum, found.maximum) == (exact.min(), exact.max())
