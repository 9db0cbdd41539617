"""A scheme that is a table in a file: what is one, and for which network."""

import json

import nets
import pytest

from converter import FamilyError, convert
from converter.darknet.network import parse_network
from converter.families import name_layers
from converter.families.table import read_table

TEXT = nets.net(8) + nets.conv(4, 3) + "[convolutional]\nfilters=2\nsize=1\nactivation=linear\n"
TABLE = {
    "layers.0.conv.weight": "a.0.weight",
    "layers.0.bn.weight": "a.1.gamma",
    "layers.0.bn.bias": "a.1.beta",
    "layers.0.bn.running_mean": "a.1.mean",
    "layers.0.bn.running_var": "a.1.var",
    "layers.1.conv.weight": "b.weight",
    "layers.1.conv.bias": "b.bias",
}


@pytest.fixture
def write(tmp_path):
    def write_it(table):
        path = tmp_path / "table.json"
        path.write_text(table if isinstance(table, str) else json.dumps(table))
        return str(path)

    return write_it


def test_names_are_as_they_are_listed(write):
    naming = name_layers(parse_network(TEXT), write(TABLE))
    assert naming.tensor(0, "bn.weight") == "a.1.gamma"
    assert naming.tensor(1, "conv.bias") == "b.bias"
    assert naming.modules == {0: "a", 1: "b"}
    assert naming.shape(1, (2, 4, 1, 1)) == (2, 4, 1, 1)


def test_a_matrix_has_two_dimensions(write):
    naming = name_layers(parse_network(TEXT), write({**TABLE, "linear": ["layers.1.conv.weight"]}))
    assert naming.shape(1, (2, 4, 1, 1)) == (2, 4)


def test_what_is_ignored(write):
    naming = name_layers(parse_network(TEXT), write({**TABLE, "ignored": ["head.a+b"]}))
    assert naming.is_extra("head.a+b")
    assert not naming.is_extra("head.aab")


@pytest.mark.parametrize(
    ("table", "problem"),
    [
        ("", "Expecting value"),
        ("[]", "is no JSON object"),
        ("[" * 100_000, ""),
        ('{"layers.0.conv.weight": "a", "layers.0.conv.weight": "b"}', "conv.weight twice"),
        ({"layers.0.conv.weight": 3}, "should give names"),
        ({"layers.0.conv.weight": ""}, "should give names"),
        ({"layers.0.conv.weight": "a\nb"}, "should give names"),
        ({"layers.01.conv.weight": "a"}, "no generic name"),
        ({"conv.weight": "a"}, "no generic name"),
        ({"layers.0.bn.bias": "a", "layers.1.bn.bias": "a"}, "gives the name a twice"),
        ({"layers.0.bn.bias": "a", "ignored": ["a"]}, "gives the name a twice"),
        ({"linear": ["layers.0.conv.weight"]}, "linear lists layers.0.conv.weight"),
        ({"ignored": "a"}, "ignored is no list"),
    ],
)
def test_what_is_no_table(table, problem, write):
    with pytest.raises(FamilyError, match="is no table of tensor names: ") as caught:
        read_table(write(table))
    assert problem in caught.value.message


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(FamilyError, match="cannot be read: No such file"):
        read_table(tmp_path / "no.json")


def test_one_that_is_too_large(write):
    with pytest.raises(FamilyError, match="is larger than 16,777,216 bytes"):
        read_table(write(" " * ((16 << 20) + 1)))


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"layers.0.bn.running_var": None}, "no name for layers.0.bn.running_var"),
        ({"layers.2.conv.weight": "c"}, "names 1 tensors that the network lacks: layers.2.conv"),
        ({"linear": ["layers.0.conv.weight"]}, "lists a kernel that is not 1x1"),
    ],
)
def test_a_table_of_another_network_is_refused(change, problem, write, make):
    table = {key: value for key, value in {**TABLE, **change}.items() if value is not None}
    with pytest.raises(FamilyError, match=problem):
        convert(make(TEXT).weights, family=write(table))


def test_a_name_that_is_neither():
    with pytest.raises(FamilyError, match="'mmdt' is no family of tensor names"):
        name_layers(parse_network(TEXT), "mmdt")
