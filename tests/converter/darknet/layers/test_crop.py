"""[crop]: the middle of the picture, and how it is stretched."""

import pytest
import torch
from one_feature import network, section

from converter.darknet.network import parse_network
from tests.converter.darknet.layers.small_networks import refusal
from yolov3.darknet import DarknetModel


@pytest.mark.parametrize(
    ("noadjust", "expected"), [(1, [[6, 7], [11, 12]]), (0, [[11, 13], [21, 23]])]
)
def test_the_middle_times_two_less_one(noadjust, expected):
    # pj crop_layer.c:73-97: from row (4 - 2) / 2 and column (5 - 2) / 2 on; scale 2, trans -1
    layer = section("crop", crop_height=2, crop_width=2, noadjust=noadjust)
    model = DarknetModel(parse_network(network(layer, channels=1, height=4, width=5)))
    (found,) = model(torch.arange(20.0).reshape(1, 1, 4, 5))
    assert found.tolist() == [[expected]]


def test_more_than_the_picture_is_refused_with_its_line():
    assert "crops 11 x 1 pixels of 3 x 10 x 13" in refusal(section("crop", crop_height=11))
