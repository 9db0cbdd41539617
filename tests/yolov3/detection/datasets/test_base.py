"""What the readers of all formats use: boxes."""

import math

import pytest

from yolov3.detection.datasets.base import require_box


@pytest.mark.parametrize("box", [(0, 0, 0, 0), (-5, -0.5, 1, 2), (1e6, -1e6, 1e6, 1e6)])
def test_a_box_may_lie_outside_the_picture_and_be_empty(box):
    require_box(*box)


@pytest.mark.parametrize("place", range(4))
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, 1e6 + 1, -1e6 - 1])
def test_a_value_of_no_picture_makes_no_box(place, value):
    box = [1.0] * 4
    box[place] = value
    with pytest.raises(ValueError, match="is no box"):
        require_box(*box)


@pytest.mark.parametrize("box", [(0, 0, -0.1, 1), (0, 0, 1, -0.1)])
def test_a_negative_side_makes_no_box(box):
    with pytest.raises(ValueError, match="is no box"):
        require_box(*box)
