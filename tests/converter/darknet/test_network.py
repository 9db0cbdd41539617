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
        " (correct the cfg; cfg line 9: filters= has no value: the engines skip the line)"
    )


@pytest.mark.engine
def test_the_official_cfgs_give_rise_to_no_remark():
    cfgs = list(Path("/usr/share/darknet/cfg").glob("*.cfg"))
    assert len(cfgs) == 45
    for path in cfgs:
        assert read_network(path).remarks == (), path


YOLO = {"num": 1, "classes": 1, "anchors": "4,6"}


def two_heads(*, coarse_first: bool) -> str:
    """Heads on maps of 4 x 4 and of 8 x 8."""
    fine = (conv(filters=6), section("yolo", **YOLO))
    coarse = (conv(filters=6, stride=2), section("yolo", **YOLO))
    back = section("route", layers=0)
    order = (*coarse, back, *fine) if coarse_first else (*fine, back, *coarse)
    return network(conv(filters=6), *order, height=8, width=8)


@pytest.mark.parametrize("coarse_first", [True, False])
def test_levels_run_fine_to_coarse_whatever_their_order_in_the_file(coarse_first):
    found = parse_network(two_heads(coarse_first=coarse_first))
    assert [node.output.h for node in found.levels] == [8, 4]
    assert [node.output.h for node in found.outputs] == ([4, 8] if coarse_first else [8, 4])
    assert found.strides == [1, 2]
    assert found.anchors == [[(4.0, 6.0)], [(4.0, 6.0)]]
    assert found.in_file_order(["fine", "coarse"]) == (
        ["coarse", "fine"] if coarse_first else ["fine", "coarse"]
    )
