"""[route] and [upsample]: layers that are not there, groups and strides that do not fit."""

import pytest
from one_feature import conv, network, section

from converter.darknet.network import parse_network
from tests.converter.darknet.layers.small_networks import obstacle, refusal


@pytest.mark.parametrize(
    ("layers", "message"),
    [
        ([section("route")], "has no layers="),
        ([section("route", layers="-1")], "refers to layer -1"),
        ([conv(), section("route", layers=1)], "refers to layer 1, which is not before it"),
        ([conv(), section("route", layers=0, groups=4)], "groups=4 does not divide the 6 channels"),
        ([conv(), section("route", layers=0, groups=2, group_id=2)], "group_id=2 does not exist"),
        ([section("upsample", stride=0)], "stride=0 leaves nothing"),
    ],
)
def test_what_does_not_fit_is_refused_with_its_line(layers, message):
    assert message in refusal(*layers)


def test_defaults_are_darknets():
    (node,) = parse_network(network(section("upsample"))).nodes
    assert (node.output.c, node.output.h, node.output.w) == (3, 20, 26)


def test_blocks_that_do_not_divide_the_map_convert_but_do_not_run():
    assert "stride=-2 does not divide" in obstacle(section("upsample", stride=-2))
