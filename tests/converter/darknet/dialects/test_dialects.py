"""The records of the engines; what follows from them is tested where it is asked for."""

import pytest

from converter import UsageError, convert, info
from converter.darknet.dialects import (
    DEFAULT,
    DIALECTS,
    RECOGNISED,
    alexeyab,
    forks,
    hank_ai,
    pjreddie,
)
from converter.darknet.dialects.base import options
from converter.darknet.layers import LAYERS

TYPES = {name: set(record.sections) for name, record in DIALECTS.items()}


def test_the_engines_in_the_order_in_which_they_are_preferred():
    assert list(DIALECTS) == ["pjreddie", "alexeyab", "hank-ai"]
    assert [record.name for record in DIALECTS.values()] == list(DIALECTS)
    assert DEFAULT == "pjreddie"


def test_nobody_is_taken_for_the_last_without_being_asked():
    """Its files equal AlexeyAB's byte for byte."""
    assert RECOGNISED == ("pjreddie", "alexeyab")


@pytest.mark.parametrize(
    ("name", "remedy"),
    [
        ("AlexeyAB", "did you mean alexeyab?"),
        ("opencv", "use one of pjreddie, alexeyab, hank-ai"),
        (3, "use one of pjreddie, alexeyab, hank-ai"),
    ],
)
def test_another_name_is_refused_wherever_it_is_given(sample, name, remedy):
    """In Python no parser has looked at it; it was a KeyError."""
    calls = (
        lambda: convert(sample.weights, dialect=name),
        lambda: convert(sample.weights, cfg_out=sample.weights.with_name("x.cfg"), engine=name),
        lambda: info(sample.weights, dialect=name),
        lambda: info(sample.cfg, dialect=name),
    )
    for call in calls:
        with pytest.raises(UsageError) as caught:
            call()
        assert (caught.value.message, caught.value.remedy) == (f"{name!r} is no dialect", remedy)
    assert not sample.checkpoint.exists()


def test_options_by_their_kinds():
    assert options(int="filters  size", str="activation", floats="") == {
        "filters": "int", "size": "int", "activation": "str",
    }  # fmt: skip
    with pytest.raises(KeyError):
        options(double="filters")


@pytest.mark.parametrize(
    ("engine", "section", "option", "kind"),
    [
        # pj parser.c:179-186, 306-342, 841-849
        ("pjreddie", "convolutional", "filters", "int"),
        ("pjreddie", "convolutional", "activation", "str"),
        ("pjreddie", "convolutional", "dilation", None),
        ("pjreddie", "yolo", "anchors", "floats"),
        ("pjreddie", "yolo", "mask", "ints"),
        ("pjreddie", "yolo", "scale_x_y", None),
        ("pjreddie", "convolutional", "dontload", "int"),
        ("pjreddie", "avgpool", "dontload", "int"),  # of every layer
        ("pjreddie", "net", "dontload", None),  # and [net] is none
        ("pjreddie", "net", "learning_rate", "float"),  # which it reads itself
        ("pjreddie", "gelu", "size", None),
        # AB parser.c:182-200, 466
        ("alexeyab", "convolutional", "dilation", "int"),
        ("alexeyab", "yolo", "scale_x_y", "float"),
        ("alexeyab", "route", "group_id", "int"),
        ("alexeyab", "convolutional", "numload", None),  # the word is nowhere in AB's sources
        # HK darknet_cfg.cpp:1223-1400, 1624-1720
        ("hank-ai", "net", "max_crop", None),
        ("hank-ai", "yolo", "scale_x_y", "float"),
        ("hank-ai", "yolo", "show_details", None),
    ],
)
def test_what_an_engine_reads(engine, section, option, kind):
    assert DIALECTS[engine].kind(section, option) == kind


def test_the_versions_that_they_write():
    # pj parser.c:1018-1020; AB version.h:1-3, which hank-ai's weights.cpp keeps
    assert [record.version for record in DIALECTS.values()] == [(0, 2, 0), (0, 2, 5), (0, 2, 5)]
    # pj parser.c:1236 reads four bytes of ``seen`` from 1000 on; AB and HK eight always
    assert [record.long_header_below for record in DIALECTS.values()] == [1000, None, None]


def test_activations():
    """The words of get_activation() in activations.c."""
    old = "elu hardtan leaky lhtan linear loggy logistic plse ramp relie relu selu stair tanh"
    new = (
        "gelu hard_mish mish normalize_channels normalize_channels_softmax"
        " normalize_channels_softmax_maxval relu6 revleaky swish"
    )
    assert pjreddie.DIALECT.activations == set(old.split())
    assert alexeyab.DIALECT.activations == {*old.split(), *new.split()}


def test_types_of_sections():
    # The words of string_to_layer_type() in parser.c
    assert TYPES["pjreddie"] - TYPES["alexeyab"] == {
        "deconvolutional", "iseg", "l2norm", "logistic",
    }  # fmt: skip
    assert TYPES["alexeyab"] - TYPES["pjreddie"] >= {
        "Gaussian_yolo", "conv_lstm", "sam", "scale_channels", "reorg3d",
    }  # fmt: skip
    # HK darknet_cfg.cpp:800-893
    assert TYPES["alexeyab"] - TYPES["hank-ai"] == hank_ai.GONE
    assert {"gru", "reorg", "batchnorm"} <= hank_ai.GONE


@pytest.mark.parametrize("engine", DIALECTS)
def test_every_type_is_a_layer_of_ours(engine):
    assert TYPES[engine] - {"net"} <= set(LAYERS)


def test_types_of_forks_are_no_engines():
    assert not set(forks.SECTIONS) & {*LAYERS, *set().union(*TYPES.values())}
    assert forks.SECTIONS["implicit_add"].startswith("WongKinYiu's ports")
    assert all(forks.SECTIONS.values())


def test_only_one_engine_refuses_what_it_does_not_know():
    assert [name for name, record in DIALECTS.items() if record.strict] == ["hank-ai"]


@pytest.mark.parametrize("engine", DIALECTS)
def test_what_a_record_names_it_also_reads(engine):
    record = DIALECTS[engine]
    for section, values in (*record.defaults.items(), *record.implied.items()):
        if section in record.sections:
            assert set(values) - set(record.implied.get(section, ())) <= set(
                record.sections[section]
            ), section
    every = set(record.common).union(*map(set, record.sections.values()))
    assert record.past_comments <= every
    if record.strict:
        assert set(record.strict.conditions) <= set(record.sections["net"])
        assert set(record.strict.values) <= every
        assert record.strict.ends <= set(record.sections)
