"""What holds for every network."""

import tempfile
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from properties import engine
from properties.networks import Net, networks

from converter import convert, revert
from converter.darknet.header import Header
from converter.darknet.network import parse_network
from converter.families import generic
from converter.plan import make_plan
from yolov3 import load

HEADER = Header(major=0, minor=2, revision=0, seen=0, size=20)
SEEDS = st.integers(0, 2**32)


@contextmanager
def on_disk(net: Net, seed: int):
    """Its .weights file, beside its cfg."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "net.weights")
        path.write_bytes(engine.weights(net, seed))
        path.with_suffix(".cfg").write_bytes(net.text.encode())
        yield path


@settings(max_examples=200, deadline=None)
@given(networks())
def test_the_plan_adds_up(net):
    read = parse_network(net.text)
    assert [node.layer.type for node in read.nodes] == [layer.type for layer in net.layers]
    assert [node.sources for node in read.nodes] == [layer.sources for layer in net.layers]
    for node, layer in zip(read.nodes, net.layers, strict=True):
        c, h, w = layer.shape
        assert node.output.outputs == c * h * w
        if not layer.flat:
            assert (node.output.c, node.output.h, node.output.w) == layer.shape
    made = make_plan(
        header=HEADER, size=20 + 4 * net.floats, network=read, naming=generic.name_layers(read),
        dialect="pjreddie",
    )  # fmt: skip
    shapes = [shape for layer in net.layers for _, shape in layer.arrays]
    assert [slot.shape for slot in made.slots] == shapes
    assert made.slots[0].offset == 20
    assert all(one.end == other.offset for one, other in pairwise(made.slots))
    assert len({slot.tensor for slot in made.slots}) == len(shapes)


@settings(max_examples=50, deadline=None)
@given(networks(), SEEDS)
def test_there_and_back(net, seed):
    with on_disk(net, seed) as path:
        checkpoint = convert(path, strict=True).output
        result = revert(checkpoint, path.with_name("back.weights"))
        assert result.identical
        assert result.output.read_bytes() == path.read_bytes()


@settings(max_examples=60, deadline=None)
@given(networks(), SEEDS)
def test_every_layer_computes_what_it_should(net, seed):
    picture = np.random.default_rng(seed).uniform(0, 1, net.picture)
    with on_disk(net, seed) as path:
        expected = engine.outputs(net, path.read_bytes(), picture)
        model = load(convert(path, dialect="alexeyab").output)
        with torch.no_grad():
            x = torch.from_numpy(picture.astype("f4"))[None]
            found = [output.numpy() for _, output in model.forward_layers(x)]
    assert len(found) == len(expected)
    for mine, theirs in zip(found, expected, strict=True):
        assert np.isfinite(mine).all()
        # Float32 rounds each of at most eight layers to 6e-8 of values near 1; batch norm divides
        # by no less than 0.7, and a sum of up to 324 products loses a few bits more.
        np.testing.assert_allclose(mine.ravel(), theirs.ravel(), rtol=1e-4, atol=1e-5)
