"""Layers in their places, by hand."""

import pytest

from converter.darknet.layers import LAYERS, Misfit, Shape
from converter.darknet.layers.convolutional import Convolutional
from converter.darknet.nodes import MAX_LINKS, Net, Node, resolve

NET = Net(height=8, width=6, channels=3)


def test_the_input_is_a_picture_or_so_many_values():
    assert NET.infer() == Shape.image(3, 8, 6)
    assert Net(inputs=5).infer() == Shape(5)
    assert Net(inputs=1).infer() == Shape(1)
    for nothing in (Net(), Net(inputs=-1)):
        with pytest.raises(Misfit) as caught:
            nothing.infer()
        assert str(caught.value) == "has no width=, height= and channels="


@pytest.mark.parametrize("side", ["height", "width", "channels"])
def test_a_picture_has_all_three(side):
    """Any of them makes it one, whatever inputs= says: pj parser.c:702-721."""
    with pytest.raises(Misfit, match="leaves nothing"):
        Net(inputs=5, **{side: 8}).infer()


def test_each_layer_gets_the_shapes_of_those_that_feed_it():
    nodes: list[Node] = []
    # 8 x 6, then halved: the route joins 4 + 5 channels of 4 x 3.
    layers = [
        Convolutional(filters=4, size=1, stride=2),
        Convolutional(filters=5, size=1),
        LAYERS["route"](layers=(-1, 0)),
    ]
    resolve(nodes, NET, layers)
    assert [node.sources for node in nodes] == [(-1,), (0,), (1, 0)]
    assert [node.inputs for node in nodes] == [
        (Shape.image(3, 8, 6),),
        (Shape.image(4, 4, 3),),
        (Shape.image(5, 4, 3), Shape.image(4, 4, 3)),
    ]
    assert nodes[2].output == Shape.image(9, 4, 3)


def test_those_before_a_misfit_stay():
    nodes: list[Node] = []
    wide = Convolutional(filters=4, size=99)
    with pytest.raises(Misfit):
        resolve(nodes, NET, [Convolutional(), wide])
    assert [node.index for node in nodes] == [0]


def test_layers_name_no_more_than_so_many_others():
    """A cfg of a few megabytes could have layers that name each other by the million."""
    route = LAYERS["route"]
    layers = [Convolutional(), *(route(layers=(0,) * 999) for _ in range(MAX_LINKS // 999))]
    links = 1 + 999 * (MAX_LINKS // 999)  # 99,901
    resolve([], NET, [*layers, route(layers=(0,) * (MAX_LINKS - links))])
    with pytest.raises(Misfit) as caught:
        resolve([], NET, [*layers, route(layers=(0,) * (MAX_LINKS - links + 1))])
    assert str(caught.value) == ("is the one with which layers name more than 100,000 others")


def test_an_output_has_no_more_values_than_darknet_counts():
    # An int: up to 2^31 - 1. A [softmax] has as many as its input.
    softmax = LAYERS["softmax"]()
    resolve([], Net(inputs=2**31 - 1), [softmax])
    with pytest.raises(Misfit) as caught:
        resolve([], Net(inputs=2**31), [softmax])
    assert str(caught.value) == "its output has more than 2,147,483,647 values"


def test_a_layer_that_shares_with_one_that_is_not_before_it():
    with pytest.raises(Misfit, match="refers to layer 1, which is not before it"):
        resolve([], NET, [Convolutional(), Convolutional(share_index=1)])


def test_the_arrays_of_a_layer_in_the_order_of_an_engine():
    nodes: list[Node] = []
    resolve(nodes, NET, [LAYERS["batchnorm"]()])
    # pj parser.c:1122 has no biases here, AB parser.c:2117 has
    assert nodes[0].layout("pjreddie") == [
        ("bn.weight", (3,)), ("bn.running_mean", (3,)), ("bn.running_var", (3,)),
    ]  # fmt: skip
    assert nodes[0].layout("alexeyab")[0] == ("bn.bias", (3,))


def test_sequences_have_so_many_steps():
    nodes: list[Node] = []
    crnn = LAYERS["crnn"](output_filters=2, hidden_filters=2)
    resolve(nodes, Net(height=8, width=6, channels=3, time_steps=4), [crnn])
    assert nodes[0].layer == crnn.over(4) != crnn


@pytest.mark.parametrize(
    ("line", "place"), [(12, "layer 3 [yolo], line 12"), (0, "layer 3 [yolo]")]
)
def test_a_place_has_a_line_if_there_is_a_text(line, place):
    node = Node(
        index=3, layer=LAYERS["yolo"](line=line), sources=(2,), inputs=(Shape(1),), output=Shape(1)
    )
    assert node.place == place
