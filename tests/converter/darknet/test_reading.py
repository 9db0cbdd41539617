"""What an engine that refuses little makes of a cfg: pjreddie's and AlexeyAB's."""

import pytest
from one_feature import conv, network, section

from converter.darknet.cfg import parse_cfg
from converter.darknet.dialects import DIALECTS
from converter.darknet.network import parse_network
from converter.darknet.reading import misspelled, nearest, read_as, stops
from converter.errors import CfgError, DarknetError

# [net] has 5 options: the first layer stands in line 8, its activation in 13, the next in 15.
YOLO = {"mask": "0", "anchors": "4,5", "classes": 1, "num": 1}


def reading(text: str, dialect: str):
    return read_as(parse_cfg(text), DIALECTS[dialect])


def said(text: str, dialect: str) -> list[str]:
    return [str(remark) for remark in parse_network(text, dialect).remarks]


def last(text: str, dialect: str):
    return parse_network(text, dialect).nodes[-1].layer


# What pj does not read (its parser.c has no such key) and AB does, or the other way round: the
# layer is the one with the default.
IGNORED = {
    # pj parser.c:306-342, AB :466, :468
    "scale_x_y": ("pjreddie", network(conv(filters=6), section("yolo", **YOLO, scale_x_y=1.1)), 1),
    "new_coords": ("pjreddie", network(conv(filters=6), section("yolo", **YOLO, new_coords=1)), 0),
    "groups": ("pjreddie", network(conv(), section("route", layers="-1", groups=2)), 1),  # pj :601
    "dilation": ("pjreddie", network(conv(dilation=2)), 1),  # pj :179
    "stride_x": ("pjreddie", network(conv(stride_x=2)), -1),
    "antialiasing": ("pjreddie", network(conv(antialiasing=1)), 0),
    "extra": ("alexeyab", network(section("reorg", stride=1, extra=1)), 0),  # AB :797
    "alpha": ("alexeyab", network(conv(), conv(), section("shortcut", from_=-2, alpha=0.5)), 1),
    "numload": ("alexeyab", network(conv(numload=6)), 0),  # AB has no such word
}


@pytest.mark.parametrize("key", IGNORED)
def test_an_option_of_another_engine_is_ignored_and_remarked_upon(key):
    dialect, text, default = IGNORED[key]
    assert getattr(last(text, dialect), key) == default
    line = next(n for n, row in enumerate(text.splitlines(), 1) if row.startswith(key + "="))
    value = text.splitlines()[line - 1]
    assert said(text, dialect) == [f"cfg line {line}: {DIALECTS[dialect].engine} ignores {value}"]
    assert [option.key for option in parse_network(text, dialect).skipped] == [key]
    other = {"pjreddie": "alexeyab", "alexeyab": "pjreddie"}[dialect]
    assert getattr(last(text, other), key) != default
    assert said(text, other) == []


@pytest.mark.parametrize(
    "key", ["mosaic=1", "letter_box=0", "learning_rate_min=.1", "cutmix=1", "my_own=1"]
)
def test_what_changes_no_network_is_skipped_without_a_word(key):
    text = network(conv()).replace("[net]\n", f"[net]\n{key}\n")
    network_ = parse_network(text, "pjreddie")
    assert [option.line for option in network_.skipped] == [2]
    assert network_.remarks == ()


@pytest.mark.parametrize("function", ["mish", "swish", "gelu", "relu6", "hard_mish", "revleaky"])
def test_a_function_that_the_engine_does_not_know_is_relu(function):
    # pj activations.c:61
    text = network(conv(activation=function))
    assert last(text, "pjreddie").activation == "relu"
    assert last(text, "alexeyab").activation == function
    assert said(text, "pjreddie") == [
        f"cfg line 13: pjreddie's darknet does not know activation={function}, and takes relu"
    ]
    assert said(text, "alexeyab") == []


def test_a_function_that_no_engine_knows_is_refused():
    for dialect in ("pjreddie", "alexeyab", "hank-ai", None):
        with pytest.raises(DarknetError, match="activation=silu"):
            parse_network(network(conv(activation="silu")), dialect)


def test_an_integer_ends_at_its_comma():
    # pj reads [shortcut] from= with atoi, parser.c:540; AB as a list, :938
    text = network(conv(), conv(), conv(), section("shortcut", from_="-2,-3", activation="linear"))
    assert parse_network(text, "pjreddie").nodes[3].sources == (2, 1)
    assert parse_network(text, "alexeyab").nodes[3].sources == (2, 1, 0)
    assert said(text, "pjreddie") == [
        "cfg line 30: pjreddie's darknet reads -2 alone of from=-2,-3"
    ]


def test_a_comment_does_not_end_a_list_of_layers():
    # The commas are counted in the whole line: pj parser.c:609, AB :1076. atoi makes 0 of " two".
    text = network(conv(), conv(), section("route", layers="-1 # one, two"))
    for dialect in ("pjreddie", "alexeyab"):
        assert parse_network(text, dialect).nodes[2].sources == (1, 0)
        assert "reads layers=-1 # one, two as -1,0, comment and all" in said(text, dialect)[0]
    assert parse_network(text, "hank-ai").nodes[2].sources == (1,)


def test_a_comment_ends_a_mask_for_alexeyab_alone():
    # AB parser.c:405; pj's assertion at :315 fails: four anchors of 18 filters
    anchors = "10,10, 20,20, 40,40"
    head = section("yolo", mask="0,1,2 # 3,4", anchors=anchors, classes=1, num=3)
    text = network(conv(filters=18), head)
    assert last(text, "alexeyab").mask == (0, 1, 2)
    with pytest.raises(DarknetError, match=r"layer 1 \[yolo\]"):
        parse_network(text, "pjreddie")


def test_a_comment_without_a_comma_ends_any_list():
    text = network(conv(), conv(), section("route", layers="-1,-2 # both"))
    for dialect in DIALECTS:
        assert parse_network(text, dialect).nodes[2].sources == (1, 0)
        assert said(text, dialect) == []


@pytest.mark.parametrize(
    ("dialect", "other", "layer"),
    [
        ("pjreddie", "alexeyab", section("reorg3d", stride=1)),
        ("pjreddie", "alexeyab", section("sam", from_=0)),
        ("pjreddie", "alexeyab", section("Gaussian_yolo", **YOLO)),
        ("alexeyab", "pjreddie", section("l2norm")),
        ("alexeyab", "pjreddie", section("deconvolutional", filters=2, size=2)),
    ],
)
def test_a_section_of_another_engine_is_refused_and_the_engine_named(dialect, other, layer):
    # It would have no forward function: pj parser.c:838, AB :1546
    with pytest.raises(CfgError) as error:
        parse_network(network(conv(), layer), dialect)
    assert f"is unknown to {DIALECTS[dialect].engine}" in error.value.message
    assert error.value.place == "line 15"
    assert f"dialect={other!r}" in error.value.remedy


@pytest.mark.parametrize(
    ("name", "whose"),
    [
        ("implicit_add", "WongKinYiu"),
        ("shift_channels", "WongKinYiu"),
        ("se", "attention"),
        ("cbam", "attention"),
        ("dropblock", "ports in Python"),
    ],
)
def test_a_section_of_a_port_is_named_as_that_ports(name, whose):
    with pytest.raises(CfgError, match="which no darknet has") as error:
        parse_network(network(conv(), section(name)), "alexeyab")
    assert whose in error.value.message
    assert error.value.place == "line 15"


def test_a_section_that_is_nearly_one_is_named_with_it():
    with pytest.raises(CfgError) as error:
        parse_network(network(conv(), section("shorcut", from_=-1)), "alexeyab")
    assert error.value.remedy == "did you mean [shortcut]?"


@pytest.mark.parametrize(
    ("key", "meant"),
    [("batchnormalize", "batch_normalize"), ("filter", "filters"), ("activaton", "activation")],
)
def test_an_option_that_is_nearly_one_is_named_with_it(key, meant):
    text = network(conv(**{key: 1}))
    for dialect in ("pjreddie", "alexeyab"):
        (remark,) = misspelled(reading(text, dialect))
        assert str(remark) == f"cfg line 14: {key}=1 is read by no engine: did you mean {meant}?"
        assert said(text, dialect) == [str(remark)]


def test_an_option_of_another_engine_is_not_called_misspelled():
    text = network(conv(stride_x=1, my_own=1))
    found = reading(text, "pjreddie")
    assert [option.key for option in found.skipped] == ["stride_x", "my_own"]
    assert list(misspelled(found)) == []


def test_nothing_is_near_a_word_of_its_own():
    assert nearest("colour", {"filters", "size"}) is None


def test_every_option_counts_without_a_dialect():
    # The reading of metadata schema 1.
    text = network(conv(activation="mish", dilation=2), section("reorg", stride=1, extra=1))
    first, second = (node.layer for node in parse_network(text).nodes)
    assert (first.activation, first.dilation, second.extra) == ("mish", 2, 1)


@pytest.mark.parametrize(
    ("options", "line"),
    [("policy=steps\n", 2), ("policy=steps\nsteps=5\n", 2), ("policy=steps\nscales=5\n", 2),
     ("batch=2\nsubdivisions=0\n", 3)],
)  # fmt: skip
def test_what_stops_every_engine_is_named_and_converted_all_the_same(options, line):
    # pj parser.c:705, 664, AB :1254, 1162, HK darknet_cfg.cpp:1371, 1247
    text = "[net]\n" + options + "height=8\nwidth=8\nchannels=3\n" + conv()
    for name, record in DIALECTS.items():
        (error,) = stops(parse_cfg(text), record)
        assert error.place == f"line {line}"
        if not record.strict:
            assert parse_network(text, name).nodes


@pytest.mark.parametrize("options", ["policy=steps\nsteps=5\nscales=.1\n", "subdivisions=8\n", ""])
def test_what_is_whole_stops_nothing(options):
    sections = parse_cfg("[net]\n" + options + "inputs=4\n")
    assert [error for record in DIALECTS.values() for error in stops(sections, record)] == []


@pytest.mark.parametrize(
    ("options", "more", "line"),
    [
        ({"counters_per_class": "3,4"}, "", 19),  # AB parser.c:425
        ({}, section("contrastive", classes=1), 20),  # AB parser.c:383: NULL
        ({}, section("contrastive", yolo_layer=-2), 20),
        ({}, section("contrastive", yolo_layer=3), 20),
    ],
)
def test_what_training_asks_for_stops_the_engines_that_read_it(options, more, line):
    head = section("yolo", mask="0,1,2", num=3, classes=1, **options)
    sections = parse_cfg(network(conv(filters=18), head) + more)
    for name in ("alexeyab", "hank-ai"):
        (error,) = stops(sections, DIALECTS[name])
        assert error.place == f"line {line}"
    assert list(stops(sections, DIALECTS["pjreddie"])) == []


def test_what_training_asks_for_is_there():
    # AB yolov4-tiny_contrastive.cfg has both; AB only warns of embeddings that do not fit
    head = section("yolo", mask="0,1,2", num=3, classes=2, counters_per_class="3,4")
    text = network(conv(filters=21), head, section("contrastive", yolo_layer=-1))
    assert [e for record in DIALECTS.values() for e in stops(parse_cfg(text), record)] == []
    misfit = network(conv(filters=4), section("yolo", num=3, mask="0,1,2", embedding_layer=0))
    assert list(stops(parse_cfg(misfit), DIALECTS["alexeyab"])) == []
    assert len(list(stops(parse_cfg(misfit), DIALECTS["hank-ai"]))) == 1
