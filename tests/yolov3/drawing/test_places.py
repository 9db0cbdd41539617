"""Where labels go."""

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from yolov3.drawing.places import Places


def overlap(a, b):
    return all(a[i] < b[i] + b[i + 2] and b[i] < a[i] + a[i + 2] for i in (0, 1))


@given(st.integers(0, 2**32 - 1), st.integers(1, 60))
def test_no_label_leaves_the_picture_or_covers_another(seed, count):
    rng = np.random.default_rng(seed)
    width, height = (int(side) for side in rng.integers(1, 500, 2))
    places, taken = Places(width, height), []
    for _ in range(count):
        xs, ys = np.sort(rng.uniform(0, width - 1, 2)), np.sort(rng.uniform(0, height - 1, 2))
        wide, high = (int(side) for side in rng.integers(1, 100, 2))
        place = places.take((xs[0], ys[0], xs[1], ys[1]), wide, high)
        if place is not None:
            taken.append((*place, wide, high))
    for x, y, wide, high in taken:
        assert 0 <= x <= width - wide
        assert 0 <= y <= height - high
    assert not any(overlap(a, b) for a, b in combinations(taken, 2))


def test_above_the_box_if_there_is_room():
    assert Places(300, 200).take((50, 80, 250, 180), 60, 20) == (50, 60)


def test_inside_at_the_upper_border():
    assert Places(300, 200).take((50, 3, 250, 180), 60, 20) == (50, 0)


def test_the_second_of_one_place_goes_elsewhere_near():
    places, box = Places(300, 200), (50, 80, 250, 180)
    first, second = places.take(box, 150, 20), places.take(box, 150, 20)
    assert first == (50, 60)
    assert second == (50, 80)


def test_many_labels_of_one_box_all_have_a_place():
    """20 px high each: the picture has room for ten rows of them."""
    places = Places(300, 200)
    found = [places.take((50, 80, 250, 180), 60, 20) for _ in range(10)]
    assert None not in found
    assert len(set(found)) == 10


@pytest.mark.parametrize(("wide", "high"), [(301, 20), (60, 201)])
def test_a_label_larger_than_the_picture_has_none(wide, high):
    assert Places(300, 200).take((50, 80, 250, 180), wide, high) is None


def test_a_full_picture_has_none():
    places = Places(60, 20)
    assert places.take((0, 0, 59, 19), 60, 20) == (0, 0)
    assert places.take((0, 0, 59, 19), 60, 20) is None
