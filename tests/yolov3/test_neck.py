"""The feature pyramid, as Darknet wires it and as the article does."""

import pytest

from yolov3 import FPN


def test_merge_channels_need_one_value_a_step():
    with pytest.raises(ValueError, match="merge_channels needs 2 values"):
        FPN([4, 8, 16], merge_channels=[4])
