"""Where the graph and the byte map put things."""

import re

import nets
import pytest
import reference

from converter.darknet.header import Header
from converter.darknet.network import parse_network
from converter.families import yolov3
from converter.plan import make_plan
from converter.report import charts, columns, modular
from converter.report.drawing import Box, line
from converter.report.model import LayerError
from converter.report.places import places

HEADER = Header(major=0, minor=2, revision=0, seen=0, size=20)


def plan_of(text: str, naming=yolov3.name_layers):
    net = parse_network(text)
    return make_plan(header=HEADER, size=None, network=net, naming=naming(net), dialect="pjreddie")


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
    assert [chip.index for chip in drawing.chips] == [node.index for node in net.nodes]
    for chip in drawing.chips:
        assert sum(inside(chip.box, panel.box) for panel in drawing.panels) == 1


def test_nothing_overlaps_or_leaves_the_picture(drawn):
    _, drawing = drawn
    frame = Box(x=0, y=0, w=drawing.width, h=drawing.height)
    for boxes in ([c.box for c in drawing.chips], [p.box for p in drawing.panels]):
        assert all(inside(box, frame) for box in boxes)
        assert not any(overlap(a, b) for i, a in enumerate(boxes) for b in boxes[:i])


def test_every_source_has_its_wire(drawn):
    net, drawing = drawn
    wanted = [(s, node.index) for node in net.nodes for s in node.sources if s >= 0]
    assert [(wire.source, wire.target) for wire in drawing.wires] == wanted


def test_wires_end_at_the_edges_of_their_layers(drawn):
    _, drawing = drawn
    boxes = {chip.index: chip.box for chip in drawing.chips}
    for wire in drawing.wires:
        numbers = [float(n) for n in re.findall(r"-?\d+\.?\d*", wire.path)]
        x, y = numbers[-2:]
        box = boxes[wire.target]
        # Coordinates are written with two decimals.
        on_x = min(abs(x - box.x), abs(x - box.right)) < 0.01 and box.y < y < box.bottom
        on_y = min(abs(y - box.y), abs(y - box.bottom)) < 0.01 and box.x < x < box.right
        assert on_x or on_y, wire


def test_the_parts_stand_as_in_the_article():
    _, drawing = draw("yolov3", "modular")
    boxes = {chip.index: chip.box for chip in drawing.chips}
    # yolov3.cfg: stage 3 ends with layer 36; level 0 is 95-106, level 1 is 83-94, level 2 is 75-82.
    assert boxes[36].right < boxes[95].x < boxes[99].x < boxes[103].x < boxes[104].x < boxes[105].x
    assert boxes[99].x == boxes[87].x == boxes[75].x  # the lateral convs are one column
    assert boxes[106].y < boxes[94].y < boxes[82].y  # fine to coarse, downwards


def test_each_block_is_in_its_module():
    _, drawing = draw("yolov3", "modular")
    titles = {
        chip.index: next(p.title for p in drawing.panels if inside(chip.box, p.box))
        for chip in drawing.chips
    }
    # The design's table of yolov3.cfg, and the layers without weights beside them.
    assert titles[0].startswith("stem")
    assert titles[4].startswith("res_conv_1")
    assert titles[36].startswith("conv_3_in, res_conv_3")
    assert titles[75] == "lateral_convs.2"
    assert titles[79] == "fpn_convs.2"
    assert titles[80] == "tail_convs.2"
    assert titles[81] == titles[82] == "heads.2"
    assert {titles[i] for i in (83, 84, 85, 86)} == {"merge_convs.1"}
    assert titles[106] == "heads.0"


def test_corners_are_rounded():
    assert line([(0, 0), (10, 0), (10, 10)], radius=4) == "M0 0L6 0Q10 0 10 4L10 10"
    assert line([(0, 0), (0, 0), (10, 0)]) == "M0 0L10 0"


def test_a_histogram_is_as_high_as_its_fullest_bin():
    counts = [0] * 46 + [1, 2]
    assert charts.histogram(counts) == "M0 16V16h46V8h1V0h1V16z"


def lengths(path: str) -> float:
    return sum(float(n) for n in re.findall(r"\dh([\d.e-]+)v", path))


@pytest.mark.parametrize("name", ["yolov3", "spp"])
def test_the_byte_map_is_to_scale(name):
    text = NETS[name]
    drawn = charts.byte_map(plan_of(text))
    sizes: dict[int, int] = {-1: 20}
    for entry in reference.layout(text):
        floats = 1
        for size in entry.shape:
            floats *= size
        sizes[entry.layer] = sizes.get(entry.layer, 0) + 4 * floats
    assert [stretch.layer for stretch in drawn.stretches] == list(sizes)
    for stretch in drawn.stretches:
        # 1000 units a line; widths are written with six digits.
        expected = sizes[stretch.layer] * 1000 / drawn.line
        assert lengths(stretch.path) == pytest.approx(expected, rel=1e-5)


def test_the_byte_map_fills_its_lines():
    plan = plan_of(NETS["yolov3"])
    drawn = charts.byte_map(plan)
    assert len(drawn.labels) == 16
    assert drawn.labels[1] == drawn.line == -(-plan.size // 16)
    total = sum(lengths(stretch.path) for stretch in drawn.stretches)
    assert total == pytest.approx(plan.size * 1000 / drawn.line, rel=1e-6)


def test_errors_are_drawn_on_a_logarithmic_scale():
    rows = [LayerError(0, 1e-4, 1e-6), LayerError(1, 1e-5, 0.0), LayerError(2, float("nan"), 1e-5)]
    plot = charts.error_plot(rows, layers=4)
    # Lines for 1e-4, 1e-5, 1e-6 and zero: three gaps of 200 / 3 units.
    gap = pytest.approx(200 / 3)
    assert [mark.y_absolute for mark in plot.marks] == [0, gap, None]
    assert [mark.y_relative for mark in plot.marks] == [pytest.approx(400 / 3), 200, gap]
    assert [label for _, label in plot.ticks] == ["1e-6", "1e-5", "1e-4", "0"]
    assert [mark.x for mark in plot.marks] == [125, 375, 625]


def test_exact_layers_have_a_plot_too():
    plot = charts.error_plot([LayerError(0, 0.0, 0.0)], layers=1)
    assert plot.marks[0].y_absolute == plot.height
