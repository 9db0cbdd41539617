"""What a network keeps of the cfg that it was read from."""

from pathlib import Path

import pytest
from one_feature import conv, network, section

from converter.darknet.network import parse_network, read_network
from converter.errors import NetworkError


def test_remarks_are_by_line_whoever_makes_them():
    text = network(
        conv(filters=6, pad=""),
        section("yolo", classes=1, num=1, anchors="1,2,3,4", ignore_thresh=""),
        section("route", layers="-1,", stride=""),
    )
    found = [(remark.line, remark.text.split()[0]) for remark in parse_network(text).remarks]
    # the convolution is in lines 8 to 13, the head in 15 to 19, the route in 21 to 23
    assert found == [
        (12, "pad="),
        (18, "anchors=1,2,3,4"),
        (19, "ignore_thresh="),
        (22, "layers=-1,"),
        (23, "stride="),
    ]


def test_an_option_that_does_not_count_is_not_remarked_upon():
    text = network(conv(filters=6), "[route]\nlayers=-1\nlayers=-1,,\nnames=a,,b\n")
    assert parse_network(text).remarks == ()


def test_a_network_that_does_not_fit_tells_what_else_is_wrong():
    with pytest.raises(NetworkError) as refusal:
        parse_network(network(conv(filters=""), conv(groups=2)))
    assert str(refusal.value) == (
        "line 15, layer 1 [convolutional]: groups=2 does not divide its 1 input channels"
        " (correct the cfg; cfg line 9: filters= has no value: both engines skip the line)"
    )


@pytest.mark.engine
def test_the_official_cfgs_give_rise_to_no_remark():
    cfgs = list(Path("/usr/share/darknet/cfg").glob("*.cfg"))
    assert len(cfgs) == 45
    for path in cfgs:
        assert read_network(path).remarks == (), path
