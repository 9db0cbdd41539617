"""Runs of zeros, in blocks of any size, against a loop over the values."""

from itertools import groupby

import numpy as np
import pytest

from converter.diagnosis.zeros import HOLE, Zeros, only_zeros
from converter.files.source import opened


def by_hand(values, filters):
    """The first hole, and how many of the last values are zero."""
    runs, place = [], 0
    for zero, group in groupby(values.tolist(), lambda value: value == 0):
        count = len(list(group))
        if zero:
            runs.append((place, place + count))
        place += count
    holes = [
        (first, end)
        for first, end in runs
        if end - first >= HOLE and (first % filters or end % filters)
    ]
    last = runs[-1] if runs and runs[-1][1] == len(values) else (0, 0)
    return (holes[0] if holes else None), last[1] - last[0]


def some_values(rng):
    """Values with a share of zeros and up to three runs of them, some of whole filters."""
    count = int(rng.integers(1, 9000))
    filters = int(rng.choice([1, 9, 100, HOLE, 3000, count]))
    values = rng.normal(size=count).astype("f4")
    values[rng.random(count) < rng.choice([0, 0.01, 0.5, 0.95])] = 0
    for _ in range(rng.integers(0, 4)):
        first = int(rng.integers(0, count))
        length = int(rng.choice([1, 512, HOLE - 1, HOLE, HOLE + 1, 2048, 4000]))
        if rng.random() < 0.3:
            first, length = first // filters * filters, max(1, length // filters) * filters
        values[first : first + length] = 0
    return values, filters


@pytest.mark.parametrize("seed", range(8))
def test_every_run_is_found_however_the_blocks_lie(seed):
    rng = np.random.default_rng(seed)
    for _ in range(150):
        values, filters = some_values(rng)
        zeros, place = Zeros(filters), 0
        while place < len(values):
            step = int(rng.choice([1, 511, 512, HOLE, 1500, 9000]))
            zeros.observe(values[place : place + step])
            place += step
        expected, last = by_hand(values, filters)
        assert zeros.finish() == last
        assert zeros.found == expected


@pytest.mark.parametrize("bits", [0x7FA00000, 0x7FC00000, 0x80000000])  # NaN of both kinds, -0
def test_what_has_a_bit_is_no_zero(bits):
    zeros = Zeros(7)
    values = np.full((20, 100), bits, "u4").view("f4")
    values[3, 5] = 0
    zeros.observe(values)
    assert (zeros.finish(), zeros.found) == (0, None)


def test_rows_are_read_one_after_the_other():
    values = np.ones((40, 100), "f4")
    values[3:14, :] = 0
    values[3, :7] = 1
    zeros = Zeros(100)
    zeros.observe(values)
    assert (zeros.finish(), zeros.found) == (0, (307, 1400))


@pytest.mark.parametrize("size", [1, 512, 1 << 20, (1 << 20) + 1, (2 << 20) + 7])
def test_a_file_of_zeros(tmp_path, size):
    """Whole pieces, and one that is not; a last byte that is none is noticed."""
    path = tmp_path / "x.weights"
    for data, expected in ((bytes(size), True), (bytes(size - 1) + b"\1", False)):
        path.write_bytes(data)
        with opened(path, foreign=lambda head: None) as source:
            assert only_zeros(source) is expected


def test_an_empty_file_has_no_zeros(tmp_path):
    path = tmp_path / "x.weights"
    path.touch()
    with opened(path) as source:
        assert not only_zeros(source)
