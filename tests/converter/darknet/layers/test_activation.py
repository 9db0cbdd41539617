"""The activation functions: their values by the formulas of the engines, and unknown names."""

from math import exp, log, tanh

import pytest
import torch
from one_feature import conv, section

from converter.darknet.layers.activation import ACTIVATIONS, activate
from tests.converter.darknet.layers.small_networks import refusal

# Of numbers; AB activations.h:48-102, activations.c:98, :138-180. The logistic of ln 3 is
# 1 / (1 + 1/3) = 3/4.
VALUES = {
    "elu": {-1: exp(-1) - 1, 2: 2},
    "gelu": {1: 0.5 * (1 + tanh(0.797885 + 0.035677)), -1: -0.5 * (1 - tanh(0.833562))},
    "hard_mish": {3: 3, -1: 1 / 2 - 1, -2: 0, -3: 0},
    "hardtan": {-3: -1, 0.5: 0.5, 3: 1},
    "leaky": {-2: -0.2, 3: 3},
    "lhtan": {-2: -0.002, 0.5: 0.5, 3: 1.002},
    "linear": {-2: -2, 3: 3},
    "loggy": {0: 0, log(3): 2 * 0.75 - 1},
    "logistic": {0: 0.5, log(3): 0.75},
    # e^softplus(ln 3) is 3 + 1, and tanh(ln 4) is (4^2 - 1) / (4^2 + 1)
    "mish": {0: 0, log(3): log(3) * 15 / 17},
    "plse": {-5: -0.01, 0: 0.5, 2: 0.75, 5: 1.01},
    "ramp": {-2: -0.2, 2: 2.2},
    "relie": {-2: -0.02, 3: 3},
    "relu": {-2: 0, 3: 3},
    "relu6": {-1: 0, 3: 3, 7: 6},
    "revleaky": {-2: -0.2, 3: 3},
    "selu": {2: 2.1014, -log(2): 1.0507 * 1.6732 * -0.5},
    # n is floor(x). Even: floor(x/2); odd: x - n + floor(x/2).
    "stair": {2.5: 1, 3.25: 0.25 + 1, -0.5: 0.5 - 1, -1.5: -1},
    "swish": {0: 0, log(3): log(3) * 0.75},
    "tanh": {0: 0, log(2): 3 / 5},  # (2^2 - 1) / (2^2 + 1)
}

# Of the channels of a pixel, whose sum has 0.0001 more: AB activations.c:182-250.
CHANNELS = {
    "normalize_channels": ([3, 1, -2], [3 / 4.0001, 1 / 4.0001, 0]),
    "normalize_channels_softmax": ([log(3), 0], [3 / 4.0001, 1 / 4.0001]),
    "normalize_channels_softmax_maxval": (
        [log(3), 0],
        [1 / (1 + 1 / 3 + 1e-4), 1 / 3 / (1 + 1 / 3 + 1e-4)],
    ),
}


def test_there_is_no_other():
    assert {*VALUES, *CHANNELS} == set(ACTIVATIONS)


@pytest.mark.parametrize("name", VALUES)
def test_of_a_number(name):
    points = torch.tensor(list(VALUES[name].items()), dtype=torch.float32)
    x, expected = points.T
    torch.testing.assert_close(activate(name, x), expected, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("name", CHANNELS)
def test_of_the_channels_of_a_pixel(name):
    values, expected = (torch.tensor(each, dtype=torch.float32) for each in CHANNELS[name])
    x = torch.zeros(1, len(values), 1, 2)
    x[0, :, 0, 1] = values
    torch.testing.assert_close(activate(name, x)[0, :, 0, 1], expected, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize(
    ("layers", "message"),
    [
        ([conv(activation="swich")], "activation=swich is unknown: Darknet would silently use"),
        (
            [conv(activation="silu")],
            "activation=silu is unknown: Darknet would silently use relu; the same function is"
            " swish there, but a network that darknet trained with this cfg has learned with relu",
        ),
        ([section("rnn", activation="sigmoid")], "the same function is logistic there"),
    ],
)
def test_an_unknown_one_is_refused_with_its_line(layers, message):
    assert message in refusal(*layers)
