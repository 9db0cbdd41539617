"""Pools: the default of [maxpool], and options that do not fit or do not run."""

import pytest
from one_feature import network, section

from converter.darknet.network import parse_network
from tests.converter.darknet.layers.small_networks import obstacle, refusal


def test_defaults_are_darknets():
    (node,) = parse_network(network(section("maxpool"))).nodes
    assert (node.output.c, node.output.h, node.output.w) == (3, 10, 13)


def test_more_channels_than_there_are_are_refused_with_their_line():
    layer = section("maxpool", maxpool_depth=1, out_channels=4)
    assert "out_channels=4 exceeds its 3" in refusal(layer)


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        (section("local_avgpool", size=1, padding=2), "windows without any pixel"),
        (section("maxpool", maxpool_depth=1, antialiasing=1), "does not blur with maxpool_depth"),
    ],
)
def test_what_cannot_run_exactly_converts_but_does_not_run(layer, message):
    assert message in obstacle(layer)
