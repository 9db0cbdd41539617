"""Layers that trade area for channels: sizes at which an engine reads outside its input."""

from one_feature import section

from tests.converter.darknet.layers.small_networks import obstacle


def test_a_stride_that_does_not_divide_converts_but_does_not_run():
    message = "stride=2 does not divide its input of 3 x 10 x 13"
    assert message in obstacle(section("reorg", stride=2))
