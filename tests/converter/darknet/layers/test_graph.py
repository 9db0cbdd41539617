"""Nodes as layers add them."""

import numpy as np
import pytest

from converter.darknet.layers.graph import Graph, factors_of, pjreddie_factors, summands_of


def graph(opset: int = 13, **options) -> Graph:
    return Graph(opset=opset, dialect="alexeyab", **options).at(3, 3)


def test_names_say_the_layer_and_are_no_names_twice():
    g = graph()
    first = g.add("Relu", "x")
    assert (first, g.add("Relu", first), g.add("Relu", first)) == (
        "layer3/relu", "layer3/relu_2", "layer3/relu_3",
    )  # fmt: skip
    assert g.inside("wf").inside("a").add("Relu", "x") == "layer3/wf/a/relu"


def test_arrays_that_are_shared_are_those_of_their_owner():
    g = graph()
    assert g.at(5, 3).weight("conv.weight") == g.weight("conv.weight") == "layer3/conv.weight"
    assert [(w.layer, w.suffix) for w in g.weights.values()] == [(3, "conv.weight")]


def test_an_array_of_a_part_has_its_name_before_its_own():
    assert graph().inside("input_layer").weight("fc.bias") == "layer3/input_layer.fc.bias"


@pytest.mark.parametrize(
    ("op", "changed"), [("ReduceSum", 13), ("ReduceMean", 18), ("ReduceMax", 18), ("ReduceL2", 18)]
)
def test_axes_became_an_input(op, changed):
    """onnx/docs/Changelog.md: ReduceSum at 13, the others at 18."""
    for opset in (11, 12, 13, 17, 18, 21):
        g = graph(opset)
        node = g.operations[g.reduce(op, "x", 1)]
        assert (len(node.inputs), "axes" in node.attributes) == (
            (2, False) if opset >= changed else (1, True)
        )


def test_numbers_are_float32_and_in_float16_what_fits():
    assert graph().constants == {}
    g = graph(half=True)
    g.add("Pad", "x", (0, 1), -3.4028234663852886e38)
    g.add("Add", "x", 0.1)
    integers, lowest, tenth = g.constants.values()
    assert (integers.dtype, lowest.dtype) == (np.int64, np.float16)
    assert float(lowest) == -65504  # the lowest finite one
    assert tenth == np.float16(0.1)
    full = graph()
    full.add("Add", "x", 0.1)
    assert [v.dtype for v in full.constants.values()] == [np.float32]


def test_batch_norm_as_a_factor_and_a_summand():
    """By hand: variance 4 - 1e-5, so a deviation of 2; mean 3, scale 10, bias 7."""
    variance = np.array([4 - 1e-5], np.float32)
    mean, scale, bias = (np.array([v], np.float32) for v in (3, 10, 7))
    assert factors_of(variance, scale) == pytest.approx([5])
    assert summands_of(mean, variance, scale, bias) == pytest.approx([-8])
    # pj blas.c:147: sqrt(4) + 1e-6
    assert pjreddie_factors(np.array([4], np.float32), scale) == pytest.approx([10 / 2.000001])
