"""[yolo]: channels that do not fit; test_heads.py has what it shares with other heads."""

from one_feature import conv, section

from tests.converter.darknet.layers.small_networks import refusal


def test_what_does_not_fit_is_refused_with_its_line():
    message = "needs 7 channels, the layer before it has 6"
    assert message in refusal(conv(), section("yolo", classes=2))
