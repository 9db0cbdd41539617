"""The networks that ports have classes for, against cfgs written from the published ones."""

import nets
import pytest

from converter.darknet.network import parse_network
from converter.families import structures

BACKBONE = "\n".join([nets.net(64), *nets.darknet53(2)])
CASES = [
    (nets.yolov3(3, 7, size=64), structures.yolov3(3, 7)),
    (nets.yolov3(2, 80, size=64, spp=True), structures.yolov3(2, 80, spp=True)),
    (nets.tiny(3, 7, size=64), structures.tiny(3, 7)),
    (nets.yolov4(2, 7, size=64), structures.yolov4(2, 7)),
    (BACKBONE, structures.darknet53(parse_network(BACKBONE))),
    (nets.classifier(2, 9), structures.darknet53(parse_network(nets.classifier(2, 9)))),
]


@pytest.mark.parametrize(
    ("text", "layers"), CASES, ids=["yolov3", "spp", "tiny", "yolov4", "backbone", "classifier"]
)
def test_layer_by_layer(text, layers):
    nodes = parse_network(text).nodes
    assert [layer.type for layer in layers] == [node.layer.type for node in nodes]
    for node, layer in zip(nodes, layers, strict=True):
        assert layer.sources(node.index) == node.sources, node.place
        if layer.type == "yolo":
            # Its anchors are a file's own: no scheme names tensors by them.
            facts = ("classes", "num", "mask", "scale_x_y")
            assert [getattr(layer, name) for name in facts] == [
                getattr(node.layer, name) for name in facts
            ]
        else:
            assert layer.signature() == node.layer.signature(), node.place


@pytest.mark.parametrize(
    ("layers", "size"),
    [
        # The published files: 20 bytes of header, then float32.
        (structures.yolov3(32, 80), 248_007_048),
        (structures.yolov3(32, 80, spp=True), 252_209_544),
        (structures.tiny(16, 80), 35_434_956),
        (structures.yolov4(32, 80), 257_717_640),
    ],
    ids=["yolov3", "spp", "tiny", "yolov4"],
)
def test_they_have_as_many_values_as_the_published_files(layers, size):
    outputs, floats = [], 0
    for index, layer in enumerate(layers):
        sources = layer.sources(index)
        channels = sum(outputs[source] if source >= 0 else 3 for source in sources)
        if layer.type == "shortcut":
            channels = outputs[sources[0]]
        if layer.type == "convolutional":
            # A bias each, or four values of batch norm, and the kernel.
            floats += layer.filters * (4 if layer.batch_normalize else 1)
            floats += layer.filters * channels * layer.size**2
            channels = layer.filters
        outputs.append(channels)
    assert 20 + 4 * floats == size


@pytest.mark.parametrize(
    ("text", "size"),
    [
        (nets.tiny(3, 7, size=64), (3, 7)),
        (nets.classifier(2, 9), (2, 80)),  # without a head as many as COCO has
        (nets.net(8) + "[maxpool]\n", (32, 80)),  # without a convolution as wide as YOLOv3
    ],
)
def test_the_size_of_a_network(text, size):
    assert structures.size_of(parse_network(text)) == size
