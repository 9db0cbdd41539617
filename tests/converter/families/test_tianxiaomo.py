"""The names of Tianxiaomo's converter, and what it would build otherwise."""

import nets
import pytest

from converter import convert
from tests.converter.families.port_networks import TINY, names_at, refusal


def test_convolutions_are_counted_from_1():
    expected = {
        (0, "conv.weight"): "models.0.conv1.weight",
        (2, "bn.bias"): "models.2.bn2.bias",
        (22, "conv.bias"): "models.22.conv13.bias",  # layer 22 of a tiny is the 13th
    }
    assert names_at(expected, TINY, "tianxiaomo") == expected


@pytest.mark.parametrize(
    ("text", "place", "problem"),
    [
        (nets.modern(TINY), "layer 0 [convolutional]",
         "is not one that pytorch-YOLOv4 can build: it has no activation=swish"),
        (TINY + "\n[convolutional]\ndontload=1\n", "layer 24 [convolutional]",
         "is not one that pytorch-YOLOv4 can build: it does not read dontload, which is 1"),
    ],
)  # fmt: skip
def test_what_it_would_build_otherwise_is_refused_by_its_first_layer(text, place, problem):
    where, why = refusal(text, "tianxiaomo")
    assert where == place
    assert why.startswith(problem)


def test_there_is_nothing_to_say(make, caplog):
    assert convert(make(TINY).weights, family="tianxiaomo").warnings == ()
    assert "pads" not in caplog.text
