"""A network as a graph: which of its tensors are outputs, and of what shape."""

import nets
import pytest

from converter.darknet.layers.graph import Graph
from converter.darknet.network import parse_network
from converter.errors import NetworkError
from yolov3.exporting.drawing import (
    INPUT,
    add_output,
    draw,
    draw_decoded,
    draw_logits,
    draw_maps,
    require_boxes,
    shape_of,
)

TINY = parse_network(nets.tiny(1, 2, size=64))
CLASSIFIER = parse_network(nets.classifier(1, 5, size=64))


def empty(**options) -> Graph:
    return Graph(opset=13, dialect="pjreddie", **options)


def operations(drawn) -> list[str]:
    return [drawn.graph.operations[name].op for name in drawn.outputs.values()]


def test_maps_run_fine_to_coarse():
    drawn = draw_maps(TINY, empty())
    # yolov3-tiny.cfg: heads of (5 + 2) * 3 maps at a 32nd of the picture, then at a 16th.
    assert drawn.shapes == {"map0": (21, 4, 4), "map1": (21, 2, 2)}
    assert drawn.outputs == {"map0": drawn.layers[22], "map1": drawn.layers[15]}


def test_any_layers_may_be_outputs():
    drawn = draw_maps(TINY, empty(), [1, 0])
    assert drawn.shapes == {"map0": (1, 32, 32), "map1": (1, 64, 64)}
    assert set(drawn.layers) == {-1, 0, 1}  # no more than these need


def test_a_layer_twice_and_the_picture_itself_have_names_of_their_own():
    drawn = draw_maps(TINY, empty(), [0, 0, -1])
    assert len({*drawn.outputs.values()}) == 3
    assert drawn.outputs["map0"] == drawn.layers[0]
    assert INPUT not in drawn.outputs.values()
    assert operations(drawn)[1:] == ["Identity", "Identity"]


@pytest.mark.parametrize(
    ("layout", "shapes"),
    [
        # three anchors for each of the 2 x 2 and the 4 x 4 cells: 60 boxes
        ("boxes", {"boxes": (60, 4), "scores": (60, 2)}),
        ("ultralytics", {"output0": (6, 60)}),
        ("deepstream", {"output": (60, 6)}),
    ],
)
def test_what_each_layout_gives(layout, shapes):
    assert draw_decoded(TINY, empty(), layout).shapes == shapes


def test_a_classifiers_logits_are_flat():
    drawn = draw_logits(CLASSIFIER, empty(), 76)
    assert drawn.shapes == {"logits": (5,)}
    assert operations(drawn) == ["Flatten"]


@pytest.mark.parametrize("half", [False, True])
def test_outputs_stay_float32_if_the_rest_is_float16(half):
    drawn = draw_maps(TINY, empty(half=half), [0])
    assert (operations(drawn) == ["Cast"]) is half
    assert (drawn.layers[-1] == INPUT) is not half


def test_sides_of_outputs():
    assert shape_of(TINY, -1) == (3, 64, 64)
    assert shape_of(TINY, 1) == (1, 32, 32)
    assert shape_of(CLASSIFIER, 77) == (5,)  # a softmax keeps no rows and columns


def test_an_output_keeps_its_tensor_unless_that_has_a_name():
    drawn = draw(TINY, empty(), [0])
    tensor = drawn.layers[0]
    add_output(drawn, "a", tensor, (1, 64, 64))
    add_output(drawn, "b", tensor, (1, 64, 64))
    assert drawn.outputs["a"] == tensor != drawn.outputs["b"]
    assert operations(drawn)[1] == "Identity"


class TestBoxes:
    def test_a_head_that_gives_them(self):
        head = TINY.nodes[16]
        assert require_boxes(head) is head.layer

    def test_what_is_no_head(self):
        with pytest.raises(NetworkError) as caught:
            require_boxes(TINY.nodes[0])
        assert caught.value.message == "has no boxes that can be exported: it is no detection head"
        assert caught.value.remedy == "export its maps: layout='maps'"

    def test_heads_of_other_classes_have_no_common_form(self):
        head = "[convolutional]\nfilters={}\nactivation=linear\n[yolo]\nclasses={}\nnum=1\n"
        net = "[net]\nwidth=8\nheight=8\nchannels=3\n"
        network = parse_network(
            net + head.format(6, 1) + "[route]\nlayers=-2\n" + head.format(7, 2)
        )
        with pytest.raises(NetworkError, match="has other classes than layer 1"):
            draw_decoded(network, empty(), "boxes")
