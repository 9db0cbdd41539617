"""What an exported model computes in PyTorch."""

import nets
import numpy as np
import pytest
import torch

from converter import convert
from converter.darknet.network import parse_network
from converter.errors import CheckpointError
from yolov3 import DarknetModel, load
from yolov3.exporting.modules import Boxes, Maps, graph_of, outputs_of, source_in_memory

NET = "[net]\nwidth=4\nheight=2\nchannels=3\n"
HEAD = "[convolutional]\nfilters=12\nactivation=linear\n[yolo]\nclasses=1\nnum=2\nanchors=2,4,8,6\n"


@pytest.fixture
def detector():
    """A head of two anchors on two rows of four cells, each a pixel, whose map is all zeros."""
    model = DarknetModel(parse_network(NET + HEAD + "mask=0,1\n")).eval()
    with torch.no_grad():
        model.layers[0].conv.weight.zero_()
        model.layers[0].conv.bias.zero_()
    return model


def test_maps_are_the_models_own(detector):
    graph = graph_of(detector, "maps")
    assert type(graph) is Maps
    assert graph.names == ["map0"]
    (found,) = graph(torch.ones(1, 3, 2, 4))
    assert torch.equal(found, torch.zeros(1, 12, 2, 4))


@pytest.mark.parametrize("layout", ["boxes", "ultralytics", "deepstream"])
def test_every_other_layout_is_made_of_boxes(detector, layout):
    assert type(graph_of(detector, layout)) is Boxes


def test_boxes_stand_row_by_row_cell_by_cell_anchor_by_anchor(detector):
    boxes, scores = Boxes(detector)(torch.ones(1, 3, 2, 4))
    # The logistic function of 0 is 1/2: a box's middle is that of its cell, objectness and class
    # are one half each. e^0 is 1: its sides are the anchor's.
    expected = [
        [column + 0.5 - w / 2, row + 0.5 - h / 2, column + 0.5 + w / 2, row + 0.5 + h / 2]
        for row in range(2)
        for column in range(4)
        for w, h in ((2, 4), (8, 6))
    ]
    # float32 of pixels up to 8
    np.testing.assert_allclose(boxes[0].detach(), expected, atol=1e-6)
    np.testing.assert_allclose(scores.detach(), np.full((1, 16, 1), 0.25), atol=1e-7)


def test_several_maps_follow_one_another():
    text = NET.replace("=4", "=64").replace("=2", "=32") + HEAD.replace("num=2", "num=4")
    text = text.replace("2,4,8,6", "1,1,2,2,3,3,4,4") + "mask=0,1\n[route]\nlayers=-2\n"
    text += "[maxpool]\nsize=2\nstride=2\n" + HEAD.replace("num=2", "num=4").replace(
        "2,4,8,6", "1,1,2,2,3,3,4,4"
    )
    boxes, scores = Boxes(DarknetModel(parse_network(text + "mask=2,3\n")))(
        torch.ones(1, 3, 32, 64)
    )
    # two anchors for each of 32 x 64 and of 16 x 32 cells
    assert boxes.shape == (1, 2 * 32 * 64 + 2 * 16 * 32, 4)
    assert scores.shape == (1, 2 * 32 * 64 + 2 * 16 * 32, 1)


@pytest.mark.parametrize(
    ("text", "names"),
    [
        (nets.classifier(1, 5, size=64), ["logits"]),
        ("\n".join([nets.net(64), *nets.darknet53(1)]), ["map0", "map1", "map2"]),
        (nets.tiny(1, 2, size=64), ["map0", "map1"]),
    ],
)
def test_the_names_of_outputs(make, text, names):
    graph = Maps(load(convert(make(text).weights).output))
    assert graph.names == names
    assert len(graph(torch.ones(1, 3, 64, 64))) == len(names)


def test_a_classifier_gives_logits_and_no_probabilities(make):
    model = load(convert(make(nets.classifier(1, 5, size=64)).weights).output)
    x = torch.rand(2, 3, 64, 64)
    with torch.no_grad():
        (found,) = Maps(model)(x)
        assert torch.equal(found, model.classify(x))
    assert found.shape == (2, 5)


def test_each_input_is_computed_by_itself(detector):
    inputs = [np.ones((1, 3, 2, 4), "f4"), np.ones((3, 3, 2, 4), "f4")]
    found = outputs_of(detector, inputs, "maps")
    assert [[y.shape for y in outputs] for outputs in found] == [[(1, 12, 2, 4)], [(3, 12, 2, 4)]]


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_model_that_computes_no_numbers(detector, value):
    with torch.no_grad():
        detector.layers[0].conv.bias[3] = value
    with pytest.raises(CheckpointError, match="own output is infinite or no number"):
        outputs_of(detector, [np.ones((1, 3, 2, 4), "f4")], "maps")


class TestSource:
    def test_the_values_are_the_models_own(self, detector):
        with torch.no_grad():
            detector.layers[0].conv.bias[3] = 7
        source = source_in_memory(detector)
        np.testing.assert_array_equal(source.arrays(0, "conv.bias"), [0, 0, 0, 7, *[0] * 8])
        assert source.arrays(0, "conv.weight").shape == (12, 3, 1, 1)
        assert (source.network, source.rule) == (detector.network, "torch")

    def test_a_model_whose_tensors_are_not_its_networks(self, make):
        model = load(convert(make(nets.tiny(1, 2, size=64)).weights).output)
        assert source_in_memory(model) is not None
        assert source_in_memory(model.fuse()) is None
