"""The names that every network has: its layers' numbers."""

import pytest

from converter.darknet.network import parse_network
from converter.families.generic import FAMILY, name_layers

TEXT = """\
[net]
width=8
height=8
channels=3
[convolutional]
batch_normalize=1
filters=4
[maxpool]
[route]
layers=-1
[connected]
output=5
[softmax]
"""


@pytest.fixture
def naming():
    return name_layers(parse_network(TEXT))


def test_a_layer_is_called_by_its_number(naming):
    assert naming.family == "generic"
    assert [naming.tensor(layer, "conv.weight") for layer in (0, 3)] == [
        "layers.0.conv.weight", "layers.3.conv.weight",
    ]  # fmt: skip


def test_every_layer_has_a_name_with_weights_or_without(naming):
    assert list(naming.modules) == [0, 1, 2, 3, 4]


def test_they_say_nothing_more(naming):
    assert (naming.prefix, naming.parts, naming.rules) == ("", {}, {})
    assert (naming.linear, naming.unfilled, naming.extras, naming.spec) == (None, {}, "", None)
    assert naming.model == "DarknetModel"


def test_they_are_those_of_our_own_model_and_go_back():
    assert FAMILY.name_layers is name_layers
    assert (FAMILY.name, FAMILY.native, FAMILY.one_way) == ("generic", True, None)
