"""[connected]: its defaults, its arrays, and an activation that does not run in it."""

import pytest
from one_feature import network, section

from converter.darknet.network import parse_network
from tests.converter.darknet.layers.small_networks import (
    kinds_in_file_order,
    norm_of,
    obstacle,
    written_out,
)


def test_defaults_are_darknets():
    layer = parse_network(network(section("connected"))).nodes[0].layer
    assert (layer.output, layer.activation) == (1, "logistic")


def test_arrays_in_file_order():
    # pj parser.c:991-1066
    layer = section("connected", batch_normalize=1)
    assert kinds_in_file_order(layer, "pjreddie") == (
        "biases weights scales rolling_mean rolling_variance"
    )


@pytest.mark.parametrize(
    ("name", "arrays"),
    [
        # pj parser.c:1098
        ("connected", ["biases fc.bias 2", "weights fc.weight 2x390 connected"]),
        (
            "connected with batch norm",
            ["biases bn.bias 2", "weights fc.weight 2x390 connected", *norm_of(2)],
        ),
    ],
)
def test_arrays_written_out(name, arrays):
    assert written_out(name) == arrays


def test_an_activation_that_makes_zeros_does_not_run():
    layer = section("connected", activation="mish")
    assert "activation=mish: AlexeyAB's engine" in obstacle(layer)
