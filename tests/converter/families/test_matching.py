"""Whether a network is the one that a scheme has names for."""

import pytest

from converter.darknet.layers.convolutional import Convolutional
from converter.darknet.layers.pooling import Maxpool
from converter.darknet.layers.routing import Route
from converter.darknet.layers.shortcut import Shortcut
from converter.darknet.network import parse_network
from converter.errors import FamilyError
from converter.families.matching import deviation, require_layers

NET = "[net]\nwidth=8\nheight=8\nchannels=3\n"  # 4 lines
CONV = "[convolutional]\nfilters=4\nsize=3\npad=1\nactivation=leaky\n"  # lines 5 to 9, layer 0
POOLED = NET + CONV + "[maxpool]\nsize=3\nstride=1\n[shortcut]\nfrom=-2\n"  # 10 to 12, 13 to 14

FIRST = Convolutional(filters=4, size=3, pad=1, activation="leaky")
SMALL = [FIRST, Maxpool(size=3, stride=1), Shortcut(from_=(-2,))]


def refusal(text, layers) -> str:
    with pytest.raises(FamilyError) as caught:
        require_layers(parse_network(text), layers, "a small net")
    return str(caught.value)


def test_the_network_itself_passes():
    require_layers(parse_network(POOLED), SMALL, "a small net")


def test_layers_may_be_numbered_from_the_end_or_from_the_start():
    text = NET + CONV + "[maxpool]\nsize=3\nstride=1\n[shortcut]\nfrom=0\n"
    require_layers(parse_network(text), SMALL, "a small net")


def test_a_layer_of_another_type():
    assert refusal(POOLED, [FIRST, FIRST, Shortcut(from_=(-2,))]) == (
        "layer 1 [maxpool], line 10: is not a small net: a small net has [convolutional] there"
        " (family='generic' converts it)"
    )


def test_a_layer_that_reads_another():
    layers = [FIRST, Maxpool(size=3, stride=1), Shortcut(from_=(-1,))]
    assert refusal(POOLED, layers) == (
        "layer 2 [shortcut], line 13: is not a small net: it reads layers 1, 0, not 1, 1"
        " (family='generic' converts it)"
    )


def test_an_option_that_is_another():
    assert refusal(POOLED, [Convolutional(filters=5, size=3, pad=1, activation="leaky")]) == (
        "layer 0 [convolutional], line 5: is not a small net: filters is 4, not 5"
        " (family='generic' converts it)"
    )


def test_the_first_deviation_is_named():
    layers = [FIRST, Maxpool(size=2, stride=1), Shortcut(from_=(-1,))]
    assert refusal(POOLED, layers).startswith("layer 1 [maxpool], line 10: ")


def test_a_network_with_a_layer_less_or_more():
    assert refusal(POOLED, SMALL[:2]) == (
        "has 3 layers, a small net like it has 2 (family='generic' converts it)"
    )
    assert refusal(POOLED, [*SMALL, Route(layers=(-1,))]) == (
        "has 3 layers, a small net like it has 4 (family='generic' converts it)"
    )


def test_a_refusal_can_be_made_of_any_layer():
    node = parse_network(POOLED).nodes[1]
    assert str(deviation(node, "another net", "it pools")) == (
        "layer 1 [maxpool], line 10: is not another net: it pools (family='generic' converts it)"
    )
