"""Layers that keep their input's size: [batchnorm] of each engine, [cost] without output."""

import pytest
import torch
from one_feature import network, section

from converter.darknet.network import parse_network
from tests.converter.darknet.layers.small_networks import (
    kinds_in_file_order,
    norm_of,
    obstacle,
    written_out,
)
from yolov3.darknet import DarknetModel


@pytest.mark.parametrize(
    ("dialect", "kinds"),
    [
        # pj parser.c:991-1066, AB parser.c:1953-2056
        ("pjreddie", "scales rolling_mean rolling_variance"),
        ("alexeyab", "biases scales rolling_mean rolling_variance"),
    ],
)
def test_arrays_of_batchnorm_in_file_order(dialect, kinds):
    assert kinds_in_file_order(section("batchnorm"), dialect) == kinds


def test_arrays_of_batchnorm_written_out():
    # AB parser.c:2117
    assert written_out("batchnorm") == ["biases bn.bias 3", *norm_of(3)]


def test_batchnorm_of_pjreddie_has_no_bias():
    model = DarknetModel(parse_network(network(section("batchnorm"))), "pjreddie").eval()
    norm = {
        "weight": torch.tensor([2.0, 3.0, 4.0]),
        "running_mean": torch.tensor([1.0, 0.0, -1.0]),
        "running_var": torch.tensor([4.0, 1.0, 0.25]),
    }
    model.load_state_dict({f"layers.0.bn.{name}": value for name, value in norm.items()})
    (found,) = model(torch.full((1, 3, 10, 13), 5.0))
    # (5 - mean) / sqrt(variance) * scale: 4 / 2 * 2, 5 / 1 * 3, 6 / 0.5 * 4
    expected = torch.tensor([4.0, 15.0, 48.0])[None, :, None, None].expand_as(found)
    # the epsilon of 1e-5 beside a variance of 0.25 is 2e-5 of the result
    torch.testing.assert_close(found, expected, rtol=3e-5, atol=0)


def test_nothing_reads_a_cost():
    assert "reads layer 0 [cost]" in obstacle(section("cost"), section("connected"))
