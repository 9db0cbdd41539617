"""All engines: their order, names and headers, and what each record has to say of itself."""

import pytest

from converter import UsageError, convert, info
from converter.darknet.dialects import DEFAULT, DIALECTS, RECOGNISED
from converter.darknet.layers import LAYERS


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
    ],
)
def test_another_name_is_refused_wherever_it_is_given(sample, name, remedy):
    """In Python no parser has looked at it; it was a KeyError. Of what is no text: test_errors."""
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


def test_the_versions_that_they_write():
    # pj parser.c:1018-1020; AB version.h:1-3, which hank-ai's weights.cpp keeps
    assert [record.version for record in DIALECTS.values()] == [(0, 2, 0), (0, 2, 5), (0, 2, 5)]
    # pj parser.c:1236 reads four bytes of ``seen`` from 1000 on; AB and HK eight always
    assert [record.long_header_below for record in DIALECTS.values()] == [1000, None, None]


@pytest.mark.parametrize("engine", DIALECTS)
def test_every_type_is_a_layer_of_ours(engine):
    assert set(DIALECTS[engine].sections) - {"net"} <= set(LAYERS)


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
