"""Which engine a file is of."""

import struct

import pytest
from one_feature import conv, network, section, sequence

from converter.darknet.evidence import choose
from converter.darknet.network import parse_network
from converter.errors import WeightsError

PLAIN = network(conv())
GRU = sequence(section("gru", output=4))
BATCHNORM = network(section("batchnorm"))  # 9 floats of pjreddie, 12 of AlexeyAB
ALEXEYABS = conv(activation="mish")
PJREDDIES = section("reorg", stride=1, extra=1)


def head(version: tuple[int, int, int] = (0, 2, 0)) -> bytes:
    return struct.pack("<iiiQ", *version, 0)


def chosen(text, version=(0, 2, 0), size=None, explicit=None):
    size = 20 + 4 * parse_network(text).floats if size is None else size
    return choose(text, head(version), size, explicit)


@pytest.mark.parametrize(
    ("version", "dialect"),
    [
        ((0, 2, 0), "pjreddie"),
        ((0, 2, 5), "alexeyab"),
        ((0, 1, 0), "pjreddie"),
        ((7, 7, 7), "pjreddie"),
    ],
)
def test_the_header_decides_where_nothing_else_does(version, dialect):
    choice = chosen(PLAIN, version)
    assert (choice.dialect, choice.warning) == (dialect, None)


@pytest.mark.parametrize(("floats", "dialect"), [(9, "pjreddie"), (12, "alexeyab")])
@pytest.mark.parametrize("version", [(0, 2, 0), (0, 2, 5)])
def test_the_size_decides_where_it_can(floats, dialect, version):
    choice = chosen(BATCHNORM, version, size=20 + 4 * floats)
    assert choice.dialect == dialect
    against = {"pjreddie": (0, 2, 5), "alexeyab": (0, 2, 0)}[dialect]
    assert bool(choice.warning) == (version == against)


def test_the_size_decides_between_two_lengths_of_the_header():
    # With transposed matrices pj's counter has 4 bytes, AB's 8: pj parser.c:1230, AB :2254
    text = sequence(section("connected", output=2))
    for size, dialect in ((16 + 4 * 20, "pjreddie"), (20 + 4 * 20, "alexeyab")):
        assert chosen(text, (2000, 0, 0), size=size).dialect == dialect


@pytest.mark.parametrize(
    "text",
    [
        network(conv(), conv(), section("sam", from_=-2)),
        network(conv(activation="swish")),
        network(conv(dilation=2)),
        network(section("maxpool", stride_x=2)),
        network(conv(), section("route", layers=-1, groups=2)),
        network(conv(), conv(), conv(), section("shortcut", from_="-2,-3")),
        network(conv(), section("yolo", classes=1, scale_x_y=1.1)),
        network(conv(), section("yolo", classes=1, iou_loss="ciou")),
        PLAIN.replace("[net]\n", "[net]\nmosaic=1\n"),
    ],
)  # fmt: skip
def test_what_only_alexeyab_knows_beats_the_header(text):
    choice = chosen(text, (0, 2, 0))
    assert choice.dialect == "alexeyab"
    assert "0.2.0 in its header is of pjreddie's darknet" in choice.warning
    assert chosen(text, (0, 2, 5)).warning is None


@pytest.mark.parametrize(
    "text",
    [
        network(section("l2norm")),
        network(conv(), conv(), section("shortcut", from_=-2, alpha=0.5)),
        network(conv(numload=6)),
        network(PJREDDIES),
    ],
)
def test_what_only_pjreddie_knows_beats_the_header(text):
    assert chosen(text, (0, 2, 5)).dialect == "pjreddie"


def test_defaults_are_no_evidence():
    text = network(conv(dilation=1, stride_x=-1), section("shortcut", from_=-1, alpha=1))
    assert chosen(text.replace("from=-1", "from=0"), (0, 2, 0)).warning is None


def test_what_the_user_says_is_done_and_doubted():
    choice = chosen(network(ALEXEYABS), explicit="pjreddie")
    assert choice.dialect == "pjreddie"
    assert choice.warning == (
        "read as a file of pjreddie's darknet, though activation= of layer 0 [convolutional],"
        " line 8 is of AlexeyAB's darknet"
    )
    assert chosen(GRU, (0, 2, 5), explicit="pjreddie").warning
    assert chosen(GRU, (0, 2, 0), explicit="pjreddie").warning is None


@pytest.mark.parametrize(("version", "dialect"), [((0, 2, 0), "pjreddie"), ((0, 2, 5), "alexeyab")])
def test_a_clear_sign_is_enough_where_the_order_depends_on_it(version, dialect):
    choice = chosen(GRU, version)
    assert (choice.dialect, choice.warning) == (dialect, None)


@pytest.mark.parametrize(
    ("text", "version"),
    [
        (GRU, (0, 1, 0)),  # no sign at all
        (GRU.replace("[net]\n", "[net]\nmosaic=1\n"), (0, 2, 0)),  # cfg against header
        (GRU.replace("output=4\n", "output=4\ntanh=1\n"), (0, 2, 5)),
    ],
)
def test_doubts_are_refused_where_the_order_depends_on_it(text, version):
    size = 20 + 4 * parse_network(text).floats
    with pytest.raises(WeightsError, match="dialect='pjreddie' or dialect='alexeyab'"):
        chosen(text, version, size=size - 4 if version == (0, 1, 0) else size)


def test_between_two_signs_in_the_cfg_the_header_decides():
    text = network(ALEXEYABS, PJREDDIES)
    assert chosen(text, (0, 2, 0)).dialect == "pjreddie"
    assert chosen(text, (0, 2, 5)).dialect == "alexeyab"
    assert chosen(text, (0, 2, 5)).warning


def test_where_nothing_says_which_the_default_is_assumed_and_what_differs_is_named():
    head_only = network(conv(), section("yolo", classes=1))
    choice = chosen(head_only, (0, 1, 0))
    assert (choice.dialect, choice.warning) == ("pjreddie", None)
    # pj letterboxes (examples/detector.c:597), AB stretches (detector.c:1633)
    assert choice.assumed == (
        "nothing in size, cfg and header says which engine wrote it: pjreddie's darknet is assumed;"
        " AlexeyAB's darknet would resize pictures by stretch"
    )
    assert chosen(PLAIN, (0, 1, 0)).assumed is None  # the same in both
    assert chosen(head_only, (0, 2, 0)).assumed is None  # its header says so


@pytest.mark.parametrize(("dialect", "ignores"), [("pjreddie", True), ("alexeyab", False)])
def test_what_one_engine_ignores_is_no_remark_on_another(dialect, ignores):
    # Both read the same network: pj's hidden layer is as large as its output (parser.c:225).
    text = sequence(section("rnn", output=4, hidden=4))
    size = 20 + 4 * parse_network(text, dialect).floats_of(dialect)
    remarks = chosen(text, size=size, explicit=dialect).network.remarks
    assert any("ignores hidden=4" in remark.text for remark in remarks) == ignores
