"""Where the two drawings of a network put its layers."""

import re

import nets
import pytest

from converter.darknet.network import parse_network
from converter.families import yolov3
from converter.report import columns, modular
from converter.report.drawing import Box, line
from converter.report.places import places

NETS = {
    "yolov3": nets.yolov3(width=2),
    "four levels": nets.yolov3(width=2, levels=4),
    "five levels": nets.yolov3(width=2, levels=5),
    "spp": nets.yolov3(width=2, spp=True),
    "three repeats": nets.yolov3(width=2, repeats=3),
    "classifier": nets.classifier(width=2),
    "features": "\n".join([nets.net(64), *nets.darknet53(2)]),
}


def draw(name: str, kind: str):
    net = parse_network(NETS[name])
    if kind == "columns":
        return net, columns.draw(net.nodes)
    return net, modular.draw(net.nodes, places(yolov3.name_layers(net)))


@pytest.fixture(params=[(name, kind) for name in NETS for kind in ("modular", "columns")])
def drawn(request):
    return draw(*request.param)


def inside(inner: Box, outer: Box) -> bool:
    return (
        outer.x <= inner.x
        and inner.right <= outer.right
        and outer.y <= inner.y
        and inner.bottom <= outer.bottom
    )


def overlap(a: Box, b: Box) -> bool:
    return a.x < b.right and b.x < a.right and a.y < b.bottom and b.y < a.bottom


def test_every_layer_has_one_chip_in_one_panel(drawn):
    net, drawing = drawn
    assert list(drawing.chips) == [node.index for node in net.nodes]
    for box in drawing.chips.values():
        assert sum(inside(box, panel.box) for panel in drawing.panels) == 1


def test_nothing_overlaps_or_leaves_the_picture(drawn):
    _, drawing = drawn
    frame = Box(x=0, y=0, w=drawing.width, h=drawing.height)
    for boxes in (list(drawing.chips.values()), [p.box for p in drawing.panels]):
        assert all(inside(box, frame) for box in boxes)
        assert not any(overlap(a, b) for i, a in enumerate(boxes) for b in boxes[:i])


def test_every_source_has_its_wire(drawn):
    net, drawing = drawn
    wanted = [(s, node.index) for node in net.nodes for s in node.sources if s >= 0]
    assert [(wire.source, wire.target) for wire in drawing.wires] == wanted


def test_wires_end_at_the_edges_of_their_layers(drawn):
    _, drawing = drawn
    for wire in drawing.wires:
        numbers = [float(n) for n in re.findall(r"-?\d+\.?\d*", wire.path)]
        x, y = numbers[-2:]
        box = drawing.chips[wire.target]
        # Coordinates are written with two decimals.
        on_x = min(abs(x - box.x), abs(x - box.right)) < 0.01 and box.y < y < box.bottom
        on_y = min(abs(y - box.y), abs(y - box.bottom)) < 0.01 and box.x < x < box.right
        assert on_x or on_y, wire


def test_corners_are_rounded():
    assert line([(0, 0), (10, 0), (10, 10)], radius=4) == "M0 0L6 0Q10 0 10 4L10 10"
    assert line([(0, 0), (0, 0), (10, 0)]) == "M0 0L10 0"
