"""Darknet-53: its maps, its classifier."""

import pytest
import torch

from yolov3 import Darknet53


def test_each_stage_halves_the_side_and_doubles_the_channels():
    model = Darknet53(in_channels=1, num_classes=10, width=4).eval()
    x = torch.rand(2, 1, 64, 64)
    with torch.no_grad():
        assert [tuple(f.shape) for f in model(x)] == [
            (2, 32, 8, 8), (2, 64, 4, 4), (2, 128, 2, 2),
        ]  # fmt: skip
        assert [f.shape[1] for f in model.stages(x)] == [8, 16, 32, 64, 128]
        assert model.classify(x).shape == (2, 10)


def test_without_classes_there_is_no_classifier():
    assert not any("fc" in name for name in Darknet53(num_classes=None, width=2).state_dict())


@pytest.mark.parametrize("levels", [0, 6])
def test_levels_out_of_range(levels):
    with pytest.raises(ValueError, match="levels"):
        Darknet53(levels=levels)
