"""Layers that weigh maps by others: maps that do not fit, and the arrays of [implicit]."""

import pytest
from one_feature import conv, section

from tests.converter.darknet.layers.small_networks import refusal, written_out


@pytest.mark.parametrize(
    ("layers", "message"),
    [
        ([conv(), conv(filters=5), section("sam", from_=-2)], "multiplies 5 x 10 x 13 by 6"),
        ([conv(), conv(), section("scale_channels", from_=-2)], "not 6 x 1 x 1"),
    ],
)
def test_what_does_not_fit_is_refused_with_its_line(layers, message):
    assert message in refusal(*layers)


def test_arrays_written_out():
    # AB parser.c:2227
    assert written_out("implicit") == ["weights weight 2x4x1"]
