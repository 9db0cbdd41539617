"""[region]: channels and anchors that do not fit, and boxes that no threshold leaves out."""

import math

import pytest
from one_feature import conv, section

from converter.errors import NetworkError
from tests.converter.darknet.layers.small_networks import detector, refusal, remarks_of


def test_what_does_not_fit_is_refused_with_its_line():
    message = "need 7 channels, the layer before it has 6"
    assert message in refusal(conv(), section("region", classes=2))


def test_more_anchors_than_it_can_mean():
    with pytest.raises(NetworkError, match="num=1001 is more than 1000 anchors"):
        detector("region", 6006, num=1001, classes=1)


def test_anchors_without_a_value_are_the_default():
    # Both skip the line, and so keep 0.5: option_list.c:64 and region_layer.c:37, AB :69 and :41
    parsed = detector("region", 10, **{"anchors ": "", "classes": 1, "coords": 8, "num": 1})
    assert parsed.nodes[1].layer.sizes == ((0.5, 0.5),)
    assert remarks_of(parsed) == [
        (16, "anchors= has no value: the engines skip the line"),
        (19, "anchors= has no pair for anchor 0: the engines fill in 0.5"),
    ]


def test_without_a_threshold_of_its_own_every_box_counts():
    def head(**options):
        usual = {"num": 2, "classes": 3, "anchors": "1,2,3,4"}
        return detector("region", 16, **usual, **options).nodes[1].layer

    for every in (head(), head(softmax=1, background=1)):
        assert every.least(0.25) == every.least_raw(every.least(0.25)) == -math.inf
    assert head(softmax=1).least(0.25) == 0.25
