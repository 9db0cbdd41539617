"""How the report writes numbers, shapes and operations."""

import pytest

from converter.darknet.layers import Shape
from converter.darknet.network import parse_network
from converter.report import text

TIMES = "\N{MULTIPLICATION SIGN}"
NET = "[net]\nwidth=16\nheight=8\nchannels=3\n"
CONV = "[convolutional]\nfilters=4\nsize=3\npad=1\n"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, "\N{EN DASH}"),
        (0.0, "0"),
        (1.0, "1"),
        (0.12345, "0.123"),
        (123.45, "123"),
        (12345.0, "1.23e+04"),
        (-0.5, "-0.5"),  # a minus sign, as wide as a digit, for the hyphen
        (-0.0000012345, "-1.23e-06"),
    ],
)
def test_three_significant_digits(value, expected):
    assert text.short(value) == expected.replace("-", "\N{MINUS SIGN}")


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ((4, 3, 3, 3), "4x3x3x3"),
        ((7,), "7"),
        (Shape.image(3, 8, 16), "3x8x16"),
        (Shape(1000), "1000"),
    ],
)
def test_shapes_of_tensors_and_of_outputs(value, expected):
    assert text.shape(value) == expected.replace("x", TIMES)


def test_a_span_has_both_its_ends():
    assert text.span(20, 35) == "20\N{EN DASH}35"
    assert text.span(999, 1_234_567) == "999\N{EN DASH}1,234,567"


@pytest.mark.parametrize(
    ("section", "expected"),
    [
        (CONV, "3x3"),
        (CONV + "stride=2\n", "3x3/2"),
        (CONV + "stride_x=2\nstride_y=1\n", "3x3/1,2"),  # rows first, as in a shape
        (CONV + "stride_x=2\nstride_y=2\n", "3x3/2"),
        ("[maxpool]\nsize=5\nstride=1\n", "pool 5"),
        ("[upsample]\nstride=2\n", "up x2"),
        ("[upsample]\nstride=-2\n", "down x2"),  # pj upsample_layer.c:18
        ("[route]\nlayers=-1\n", "route"),
        ("[route]\nlayers=-1,-2\n", "concat"),
        ("[shortcut]\nfrom=-2\n", "add"),
        ("[dropout]\n", "dropout"),
    ],
)
def test_what_a_layer_does(section, expected):
    network = parse_network(NET + CONV + CONV + section, "alexeyab")
    assert text.operation(network.nodes[-1]) == expected.replace("x", TIMES)
