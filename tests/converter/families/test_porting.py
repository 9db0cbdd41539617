"""What the schemes of other ports have in common."""

import pytest

from converter.darknet.network import parse_network
from converter.errors import FamilyError
from converter.families.porting import (
    conv_module,
    convolutions,
    name_convolutions,
    pool_note,
    require_options,
)
from converter.families.rules import Factor, ReversedGroups, Variance

NET = "[net]\nwidth=8\nheight=8\nchannels=3\n"
NORM = "[convolutional]\nbatch_normalize=1\nfilters=4\nactivation=leaky\n"
PLAIN = "[convolutional]\nfilters=2\nactivation=linear\n"
POOL = "[maxpool]\nsize=2\nstride={}\n"
NETWORK = parse_network(NET + NORM + POOL.format(1) + PLAIN)
PLACES = [("a.0", "b.1"), ("out", "")]


def test_only_convolutions_have_tensors():
    found = convolutions(NETWORK)
    assert list(found) == [0, 2]
    assert (found[0].filters, found[2].filters) == (4, 2)


def test_each_convolution_takes_the_next_place():
    naming = name_convolutions("port", NETWORK, PLACES)
    assert naming.family == "port"
    assert naming.tensor(0, "conv.weight") == "a.0.weight"
    assert naming.tensor(0, "bn.running_mean") == "b.1.running_mean"
    assert naming.tensor(2, "conv.bias") == "out.bias"
    assert naming.tensor(1, "conv.weight") == ""
    assert list(naming.modules) == [0, 2]


@pytest.mark.parametrize("places", [PLACES[:1], [*PLACES, ("more", "")]])
def test_places_for_another_count_of_convolutions(places):
    with pytest.raises(ValueError, match="zip"):
        name_convolutions("port", NETWORK, places)


def test_darknets_own_epsilon_changes_no_value():
    # 1e-5: AB blas.c, and what PyTorch's batch norm adds
    assert name_convolutions("port", NETWORK, PLACES).rules == {}


def test_another_epsilon_changes_factors_and_variances_of_batch_norm():
    naming = name_convolutions("port", NETWORK, PLACES, eps=1e-3)
    assert naming.rules == {(0, "bn.weight"): Factor(1e-3), (0, "bn.running_var"): Variance(1e-3)}


def test_a_ports_own_rule_comes_on_top():
    own = {(2, "conv.weight"): ReversedGroups(2)}
    naming = name_convolutions("port", NETWORK, PLACES, eps=1e-3, rules=own)
    assert naming.rules.keys() == {(0, "bn.weight"), (0, "bn.running_var"), (2, "conv.weight")}
    assert naming.rules[2, "conv.weight"] == ReversedGroups(2)


def test_the_rest_is_handed_on():
    naming = name_convolutions("port", NETWORK, PLACES, linear=2, extras="x", note="know this")
    assert (naming.linear, naming.extras, naming.note) == (2, "x", "know this")


def test_a_module_of_two_parts():
    assert conv_module("stem.1") == ("stem.1.conv", "stem.1.bn")


@pytest.mark.parametrize(
    ("pool", "differs"),
    [
        (POOL.format(1), True),
        (POOL.format(2), False),
        ("[maxpool]\nsize=3\nstride=1\n", False),  # an odd one has a border on both sides
        ("[maxpool]\nsize=4\nstride=1\n", True),
        ("[maxpool]\nsize=2\nstride_x=1\nstride_y=2\n", False),
        ("", False),
    ],
)
def test_a_pool_that_is_padded_with_zeros_is_said(pool, differs):
    note = pool_note(parse_network(NET + NORM + pool, "alexeyab"), "the port")
    assert bool(note) is differs
    if differs:
        assert note.startswith("the port pads the pool of size 2 and stride 1 with zeros")


READ = {"convolutional": "filters activation batch_normalize size", "maxpool": "size"}


class TestOptions:
    def refusal(self, body) -> str:
        with pytest.raises(FamilyError) as caught:
            self.require(body)
        assert caught.value.remedy == "family='generic' converts it"
        return f"{caught.value.place}: {caught.value.message}"

    def require(self, body) -> None:
        network = parse_network(NET + body, "alexeyab")
        require_options(network, READ, ("leaky", "linear"), "the port")

    def test_what_it_reads_passes(self):
        self.require(NORM + "[maxpool]\nsize=3\n" + PLAIN)

    def test_an_option_that_it_does_not_read_may_have_darknets_default(self):
        self.require(NORM + "groups=1\nstride=1\n")

    def test_an_option_that_it_does_not_read(self):
        assert self.refusal(NORM.replace("=4", "=3") + "groups=3\n[maxpool]\n") == (
            "layer 0 [convolutional], line 5: is not one that the port can build: it does not read"
            " groups, which is 3"
        )
        assert self.refusal(NORM + "dontload=1\n").endswith("does not read dontload, which is 1")

    def test_a_layer_that_it_does_not_know(self):
        assert self.refusal(NORM + "[avgpool]\n") == (
            "layer 1 [avgpool], line 9: is not one that the port can build: it has no such layer"
        )

    def test_an_activation_that_it_does_not_know(self):
        assert self.refusal(PLAIN.replace("linear", "mish")) == (
            "layer 0 [convolutional], line 5: is not one that the port can build: it has no"
            " activation=mish"
        )
