"""[deconvolutional]: its arrays; test_pjreddie.py has darknet compute some."""

import pytest

from tests.converter.darknet.layers.small_networks import norm_of, written_out


@pytest.mark.parametrize(
    ("name", "arrays"),
    [
        # pj deconvolutional_layer.c:222: the input's channels come first
        ("deconvolutional", ["biases conv.bias 2", "weights conv.weight 3x2x3x3"]),
        (
            "deconvolutional with batch norm",
            ["biases bn.bias 2", *norm_of(2), "weights conv.weight 3x2x3x3"],
        ),
    ],
)
def test_arrays_written_out(name, arrays):
    assert written_out(name) == arrays
