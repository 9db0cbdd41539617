"""What is said of OpenCV's importer holds for every network."""

import tempfile
from pathlib import Path

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from opencv_importer import compared, run, shifted
from properties import engine
from properties.networks import networks

from converter.darknet.network import parse_network
from converter.diagnosis.engines import compare_engines


@settings(max_examples=100, deadline=None)
@given(networks(), st.booleans(), st.integers(0, 2**32))
def test_the_verdict_is_what_happens(net, plain, seed):
    if plain:  # no [network], no other names of sections, and no key twice
        net.style = (net.style | 1) & ~(2 | 8)
    verdict = compare_engines(net.text, "alexeyab").verdicts["opencv"]
    read = parse_network(net.text, "alexeyab")
    data = engine.weights(net, seed)
    x = np.random.default_rng(seed).uniform(0, 1, net.picture).astype("f4")
    expected = dict(enumerate(engine.outputs(net, data, x.astype("f8"))))
    with tempfile.TemporaryDirectory() as folder:
        found = run(Path(folder), net.text, shifted(data, read, "alexeyab"), x)
    happened = compared(found, read, expected, x)
    # A softmax of one value is 1 of whatever: what is different before it need not show.
    hidden = verdict.answer == "differs" and happened != "refuses"
    assert verdict.answer == happened or hidden
