"""The template of a YOLOv3: every layer of a network, from a few numbers."""

import nets
import reference

from converter.darknet.network import build_network
from converter.darknet.nodes import Net
from converter.families.template import Spec, template


def test_the_template_is_a_network():
    """Not only equal to one: what a size alone recognises is built from it."""
    spec = Spec(width=2, classes=3, merge_channels=(8, 16), spp=True)
    layers = template(spec)
    built = build_network(Net(width=96, height=96, channels=3), [layer for layer, _ in layers], "")
    assert built.floats == reference.floats(nets.yolov3(2, 3, spp=True))
    assert all(type(n.layer.filters) is int for n in built.nodes if hasattr(n.layer, "filters"))
    heads = [(layer.num, layer.mask) for layer, _ in layers if layer.type == "yolo"]
    assert heads == [(9, (6, 7, 8)), (9, (3, 4, 5)), (9, (0, 1, 2))]
    plain = [layer for layer, path in layers if path.startswith("heads")]
    assert all((layer.pad, layer.batch_normalize) == (1, 0) for layer in plain)
    assert {layer.pad for layer, _ in layers if layer.type == "convolutional"} == {1}
    without = [path for layer, path in layers if layer.type != "convolutional"]
    assert set(without) == {""}
    softmax = template(Spec(levels=0, backbone="classifier and softmax"))
    assert [path for _, path in softmax[-3:]] == ["", "fc.2", ""]


def test_a_backbone_alone_has_no_prefix():
    for levels, name in ((0, "stem.0"), (3, "backbone.stem.0")):
        (_, path), *_ = template(Spec(levels=levels, merge_channels=(8, 16)))
        assert path == name
