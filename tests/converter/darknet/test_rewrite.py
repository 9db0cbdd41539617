"""A cfg as another engine takes it, meaning the same."""

import pytest
from hypothesis import given, reject, settings
from hypothesis import strategies as st
from one_feature import conv, network, section
from properties.networks import networks

from converter.darknet.dialects import DIALECTS
from converter.darknet.network import parse_network
from converter.darknet.rewrite import rewrite
from converter.errors import DarknetError

# One convolution: what is put into [net] stands from line 2 on, what behind it from line 13 on.
NET = "[net]\n{}width=32\nheight=32\nchannels=3\n"
CONV = "[convolutional]\nfilters=4\nsize=3\nstride=1\npad=1\nactivation=leaky\n{}"
YOLO = (
    "[convolutional]\nfilters=18\nsize=1\nactivation=linear\n"
    "[yolo]\nmask=0,1,2\nanchors=10,10, 20,20, 40,40\nclasses=1\nnum=3\n{}"
)


def one(net: str = "", layer: str = "") -> str:
    return NET.format(net) + CONV.format(layer)


def detector(yolo: str = "") -> str:
    return NET.format("") + YOLO.format(yolo)


# What hank-ai's engine refuses (tests/converter/darknet/test_strict.py), and changes no network.
DROPPED = {
    "a key that it has no more": one("max_crop=32\nmin_crop=32\n"),
    "a key of another engine's training": one("mosaic=1\nunsupervised=0\nmax_ratio=2\n"),
    "a key that nothing reads": one("my_own=1\n", "stop_backward=1\n"),
    "scales beside another policy": one("policy=poly\nsteps=10\nscales=.1\n"),
    "gamma without a policy": one("gamma=.9\n"),
    "B1 without adam": one("B1=.9\n"),
    "a key that stands twice": one("", "filters=8\nsize=3\n"),
    "a key without a value, and the one that it hides": one("batch\nbatch=64\n"),
    "show_details": detector("show_details=1\n"),
}


@pytest.mark.parametrize("text", DROPPED.values(), ids=DROPPED)
def test_what_changes_nothing_is_dropped(text):
    written = rewrite(text, "alexeyab", "hank-ai").splitlines()
    assert parse_network("\n".join(written), "hank-ai").nodes
    assert set(written) <= set(text.splitlines())
    assert "mosaic=1" not in text or "mosaic=1" in written  # which hank-ai's reads
    assert len(written) < len(text.splitlines())
    assert set(text.splitlines()) <= set(rewrite(text, "alexeyab", "pjreddie").splitlines())


@pytest.mark.parametrize(
    ("line", "written"),
    [
        ("decay=5e-4", "decay=0.0005"),
        ("learning_rate=1E-3", "learning_rate=0.001"),
        ("momentum=+.9", "momentum=0.9"),
        ("batch=6 4", "batch=64"),
        ("burn_in=1000 ; as always", "; as always\nburn_in=1000"),
        ("max bat ches=4", "maxbatches=4"),  # no key at all
        ("hue = .1", "hue = .1"),
    ],
)
def test_numbers_are_written_as_the_engine_reads_them(line, written):
    expected = "" if written.startswith("maxb") else written + "\n"
    assert rewrite(one(line + "\n"), "alexeyab", "hank-ai") == one(expected)


@pytest.mark.parametrize(
    ("line", "written", "value"),
    [
        ("anchors=1e1,10, 20,20, 40,40", "anchors=10,10,20,20,40,40", (10, 10, 20, 20, 40, 40)),
        ("anchors=1 0,10, 20,20, 40,40", "anchors=10,10,20,20,40,40", (10, 10, 20, 20, 40, 40)),
        ("anchors=1,2, 20,20, 40,", "anchors=1,2,20,20,40,0", (1, 2, 20, 20, 40, 0)),
        ("anchors=1,2, 20,20, 4.5,40", "anchors=1,2, 20,20, 4.5,40", (1, 2, 20, 20, 4.5, 40)),
    ],
)
def test_lists_are_written_as_the_engine_splits_them(line, written, value):
    text = detector().replace("anchors=10,10, 20,20, 40,40", line)
    result = rewrite(text, "alexeyab", "hank-ai")
    assert written in result.splitlines()
    assert parse_network(result, "hank-ai").nodes[1].layer.anchors == value


def test_a_key_with_a_blank_is_joined():
    # which hank-ai's ignores without a word: darknet_cfg.cpp:600
    text = one().replace("filters=4", "fil ters=4 # four")
    written = rewrite(text, "alexeyab", "hank-ai")
    assert written == one().replace("filters=4", "# four\nfilters=4")


def test_a_section_with_blanks_is_joined():
    text = one().replace("[convolutional]", "[ convolutional ]")
    assert rewrite(text, "alexeyab", "hank-ai") == one()


def test_a_comment_behind_a_section_gets_its_own_line():
    # to pj and AB it is a part of the name
    text = one().replace("[convolutional]", "[convolutional] # first")
    expected = one().replace("[convolutional]", "# first\n[convolutional]")
    for target in ("pjreddie", "alexeyab"):
        assert rewrite(text, "hank-ai", target) == expected


def test_a_comment_that_looks_like_an_option_begins_with_another_sign():
    # hank-ai's reads the key ";filters": darknet_cfg.cpp:600
    text = one(";batch=1\n; batch=2\n# batch=3\n", " ;pad=0\n")
    expected = one("#batch=1\n; batch=2\n# batch=3\n", " #pad=0\n")
    assert rewrite(text, "alexeyab", "hank-ai") == expected
    assert rewrite(text, "alexeyab", "pjreddie") == text


def test_comments_empty_lines_and_the_rest_stay_as_they_are():
    text = "# mine\n\n" + one("  batch = 1  # one\n\n", "\n\n# the end")
    for target in DIALECTS:
        assert rewrite(text, "alexeyab", target) == text


def test_blanks_between_items_stay():
    text = detector().replace("mask=0,1,2", "mask = 0, 1,2")
    for source in DIALECTS:
        assert "mask = 0, 1,2\n" in rewrite(text, source, "hank-ai")


def test_lines_end_in_lf():
    assert rewrite(one().replace("\n", "\r\n"), "alexeyab", "pjreddie") == one()


def test_defaults_that_differ_are_spelled_out():
    # pj parser.c:322: 90, AB :487: 200
    assert "max=90" in rewrite(detector(), "pjreddie", "alexeyab").splitlines()
    assert "max=200" in rewrite(detector(), "alexeyab", "pjreddie").splitlines()
    assert "max" not in rewrite(detector(), "alexeyab", "hank-ai")
    given_ = detector("max=7\n")
    assert rewrite(given_, "pjreddie", "alexeyab") == given_


def test_an_option_that_the_source_ignores_and_the_target_reads_is_dropped():
    text = detector("scale_x_y=1.1\nnew_coords=1\n")
    written = rewrite(text, "pjreddie", "alexeyab")
    assert "scale_x_y" not in written
    assert "new_coords" not in written
    assert parse_network(written, "alexeyab").nodes[1].layer.scale_x_y == 1


def test_a_function_that_the_source_does_not_know_is_written_as_what_it_computes():
    text = one().replace("leaky", "mish")
    assert rewrite(text, "pjreddie", "alexeyab") == one().replace("leaky", "relu")


def test_the_first_item_alone_is_written_where_the_source_reads_no_more():
    text = network(conv(), conv(), conv(), section("shortcut", from_="-2,-3", activation="linear"))
    assert "from=-2\n" in rewrite(text, "pjreddie", "alexeyab")


def test_per_layer_is_per_feature():
    # AB parser.c:922; HK knows per_feature alone
    add = section("shortcut", from_=-2, weights_type="per_layer", weights_normalization="relu")
    text = network(conv(), conv(), add)
    assert "weights_type=per_feature\n" in rewrite(text, "alexeyab", "hank-ai")


CANNOT = {
    "mish": (one().replace("leaky", "mish"), "alexeyab", "pjreddie", "line 10", "activation=mish"),
    "scale_x_y": (detector("scale_x_y=1.1\n"), "alexeyab", "pjreddie", "line 14", "scale_x_y=1.1"),
    "groups of a route": (
        one("", section("route", layers=-1, groups=2)),
        "alexeyab",
        "pjreddie",
        "line 13",
        "groups=2",
    ),
    "extra": (
        network(section("reorg", stride=1, extra=1)),
        "pjreddie",
        "alexeyab",
        "line 10",
        "extra=1",
    ),
    "a section that it has not": (
        one("", section("reorg", stride=2)),
        "alexeyab",
        "hank-ai",
        "line 11",
        "[reorg]",
    ),
    "a list of sources": (
        network(conv(), conv(), conv(), section("shortcut", from_="-2,-3")),
        "alexeyab",
        "pjreddie",
        "line 29",
        "[shortcut]",
    ),
    "another order of arrays": (
        one("", section("lstm", output=3)),
        "alexeyab",
        "pjreddie",
        "line 11",
        "[lstm]",
    ),
    "maps of unequal size": (
        network(conv(), conv(stride=2), section("shortcut", from_=-2), height=8, width=8),
        "pjreddie",
        "alexeyab",
        "line 22",
        "flat prefix",
    ),
    "a size that is no multiple of 32": (
        detector().replace("width=32", "width=48"),
        "alexeyab",
        "hank-ai",
        "line 1",
        "width=48",
    ),
    "a net without maps": (
        section("net", inputs=4) + section("connected", output=2),
        "pjreddie",
        "hank-ai",
        "line 1",
        "divides",
    ),
    "policy=steps alone": (one("policy=steps\n"), "pjreddie", "alexeyab", "line 2", "steps"),
    "a word that it has not": (
        detector("iou_loss=foo\n"),
        "alexeyab",
        "hank-ai",
        "line 14",
        "iou_loss=foo",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("text", "source", "target", "line", "what"), CANNOT.values(), ids=CANNOT)
def test_what_cannot_be_said_is_refused_with_its_line(text, source, target, line, what):
    with pytest.raises(DarknetError) as error:
        rewrite(text, source, target)
    assert error.value.place.rpartition(", ")[2] == line
    assert what in error.value.message
    assert DIALECTS[target].engine in error.value.message


SILU = one().replace("leaky", "silu")


@pytest.mark.parametrize("target", ["alexeyab", "hank-ai"])
def test_silu_is_written_as_what_it_is_said_to_mean(target):
    assert rewrite(SILU, "alexeyab", target, "swish") == one().replace("leaky", "swish")
    assert rewrite(SILU, "alexeyab", target, "relu") == one().replace("leaky", "relu")


def test_silu_is_refused_unless_its_meaning_is_said():
    with pytest.raises(DarknetError) as error:
        rewrite(SILU, "alexeyab", "alexeyab")
    assert error.value.place == "line 10"
    assert "--silu swish" in error.value.remedy
    assert "--silu relu" in error.value.remedy


def test_a_function_that_does_not_count_is_of_no_interest():
    text = one("", "activation=silu\n")
    assert rewrite(text, "alexeyab", "pjreddie") == text
    assert rewrite(text, "alexeyab", "hank-ai") == one()


def test_swish_for_silu_is_not_for_an_engine_without_it():
    with pytest.raises(DarknetError, match="activation=swish"):
        rewrite(SILU, "alexeyab", "pjreddie", "swish")
    assert "activation=relu\n" in rewrite(SILU, "alexeyab", "pjreddie", "relu")


def test_another_unknown_function_is_refused_whatever_silu_means():
    with pytest.raises(DarknetError, match="activation=foo"):
        rewrite(SILU.replace("silu", "foo"), "alexeyab", "hank-ai", "relu")


NOISE = st.lists(st.sampled_from(["max_crop=4", "decay=5e-4", "# a, b", "; c=d", ";e=f", ""]))


@settings(max_examples=100, deadline=None)
@given(networks(), NOISE, st.sampled_from(sorted(DIALECTS)), st.sampled_from(sorted(DIALECTS)))
def test_the_target_reads_the_same_network_or_is_refused(net, noise, source, target):
    text = net.text.replace("[net]\n", "[net]\n" + "".join(f"{line}\n" for line in noise), 1)
    try:
        network_ = parse_network(text, source)
        written = rewrite(text, source, target)
    except DarknetError:
        reject()  # which fails where nearly all are refused
    read = parse_network(written, target)
    assert [node.layer for node in read.nodes] == [node.layer for node in network_.nodes]
    assert [node.output for node in read.nodes] == [node.output for node in network_.nodes]
    assert rewrite(written, target, target) == written
