"""What is said of OpenCV's importer holds for every network."""

import tempfile
from pathlib import Path

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from opencv_importer import compared, judge, run, shifted
from properties import engine
from properties.networks import Net, networks

from converter.darknet.network import parse_network


@settings(max_examples=100, deadline=None)
@given(networks(), st.booleans(), st.integers(0, 2**32))
def test_the_verdict_is_what_happens(net, plain, seed):
    if plain:  # no [network], no other names of sections, and no key twice
        net.style = (net.style | 1) & ~(2 | 8)
    verdict = judge(net.text, "alexeyab")
    happened = what_happens(net, seed)
    if verdict.answer == "unknown":
        assert happened in ("runs", "differs")
    elif verdict.answer == "differs" and happened != "refuses":
        assert differs_somewhere(net, seed)
    elif happened != "refuses" or not any("or refuses" in r.text for r in verdict.reasons):
        assert verdict.answer == happened


def differs_somewhere(net: Net, seed: int) -> bool:
    """Whether OpenCV makes something else of the layers up to the first that is judged to differ.

    It need not show in what all layers make: a softmax of one value is 1 of whatever. Several
    weights and pictures are tried, since of some relu leaves nothing.
    """
    beginnings = (
        Net(net.picture, net.layers[:end], net.style) for end in range(1, len(net.layers) + 1)
    )
    first = next(part for part in beginnings if judge(part.text, "alexeyab").answer == "differs")
    return "differs" in (what_happens(first, seed + i) for i in range(16))


def what_happens(net: Net, seed: int) -> str:
    """What OpenCV does with the network, some weights and a picture, as a verdict says it."""
    read = parse_network(net.text, "alexeyab")
    data = engine.weights(net, seed)
    x = np.random.default_rng(seed).uniform(0, 1, net.picture).astype("f4")
    expected = dict(enumerate(engine.outputs(net, data, x.astype("f8"))))
    with tempfile.TemporaryDirectory() as folder:
        found = run(Path(folder), net.text, shifted(data, read, "alexeyab"), x)
    return compared(found, read, expected, x)
