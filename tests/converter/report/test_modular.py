"""The modular YOLOv3, drawn with a panel for each module and a row for each level."""

import nets
import pytest

from converter.darknet.network import parse_network
from converter.families import yolov3
from converter.report import modular
from converter.report.drawing import Drawing
from converter.report.places import places

TIMES = "\N{MULTIPLICATION SIGN}"
ARROW = "\N{RIGHTWARDS ARROW}"


def drawn(text) -> Drawing:
    network = parse_network(text)
    return modular.draw(network.nodes, places(yolov3.name_layers(network)))


def panel_of(drawing, chip):
    (found,) = (
        panel
        for panel in drawing.panels
        if panel.box.x <= chip.x < panel.box.right and panel.box.y <= chip.y < panel.box.bottom
    )
    return found


def titles_of(drawing) -> dict[int, str]:
    return {index: panel_of(drawing, chip).title for index, chip in drawing.chips.items()}


def test_the_parts_stand_as_in_the_article():
    boxes = drawn(nets.yolov3(width=2)).chips
    # yolov3.cfg: stage 3 ends with layer 36; level 0 is 95-106, level 1 is 83-94, level 2 is 75-82.
    assert boxes[36].right < boxes[95].x < boxes[99].x < boxes[103].x < boxes[104].x < boxes[105].x
    assert boxes[99].x == boxes[87].x == boxes[75].x  # the lateral convs are one column
    assert boxes[106].y < boxes[94].y < boxes[82].y  # fine to coarse, downwards


def test_each_block_is_in_its_module():
    drawing = drawn(nets.yolov3(width=2))
    titles = titles_of(drawing)
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


def test_a_stage_says_what_it_gives():
    titles = titles_of(drawn(nets.yolov3(width=2)))
    # A sixteenth of yolov3.cfg's filters; each stage halves the 416 pixels of the input.
    expected = {
        1: "stem 4x208x208", 4: "res_conv_1 4x208x208", 11: "conv_2_in, res_conv_2 8x104x104",
        36: "conv_3_in, res_conv_3 16x52x52", 61: "conv_4_in, res_conv_4 32x26x26",
        74: "conv_5_in, res_conv_5 64x13x13",
    }  # fmt: skip
    for layer, words in expected.items():
        name, _, sizes = words.rpartition(" ")
        assert titles[layer] == f"{name} {ARROW} {sizes.replace('x', TIMES)}", layer


@pytest.mark.parametrize(
    ("text", "captions", "parts"),
    [
        (nets.yolov3(width=2), ["Backbone", "Neck", "Heads"], {"backbone", "neck", "heads"}),
        ("\n".join([nets.net(64), *nets.darknet53(2)]), ["Backbone"], {"backbone"}),
        (nets.classifier(width=2), ["Backbone"], {"backbone"}),
    ],
)
def test_a_backbone_alone_has_neither_neck_nor_heads(text, captions, parts):
    drawing = drawn(text)
    assert [text for _, text in drawing.captions] == captions
    assert {panel.part for panel in drawing.panels} == parts


def test_the_classifier_has_a_panel_of_its_own():
    titles = titles_of(drawn(nets.classifier(width=2, classes=7)))
    # darknet53.cfg: [avgpool], the convolution and [softmax] are layers 75 to 77.
    assert {titles[index] for index in (75, 76, 77)} == {f"fc {ARROW} 7"}
    assert not titles[74].startswith("fc")


def test_each_module_has_the_colour_of_its_part():
    drawing = drawn(nets.yolov3(width=2))
    parts = {index: panel_of(drawing, chip).part for index, chip in drawing.chips.items()}
    assert [parts[index] for index in (0, 74, 75, 80, 81, 82, 83, 93, 106)] == [
        "backbone", "backbone", "neck", "neck", "heads", "heads", "neck", "heads", "heads",
    ]  # fmt: skip


def test_what_skips_layers_is_drawn_as_such():
    drawing = drawn(nets.yolov3(width=2))
    skips = {(wire.source, wire.target) for wire in drawing.wires if wire.kind == "skip"}
    # yolov3.cfg: each of the 23 [shortcut] reads the layer three before it, and four [route] read
    # 79, 61, 91 and 36.
    expected = {(79, 83), (61, 86), (91, 95), (36, 98)}
    shortcuts = {(wire.source, wire.target) for wire in drawing.wires if wire.target < 75}
    shortcuts = {(source, target) for source, target in shortcuts if target - source == 3}
    assert len(shortcuts) == 23
    assert skips == shortcuts | expected


def test_the_blocks_of_a_stage_stand_two_in_a_line():
    boxes = drawn(nets.yolov3(width=2)).chips
    # Stage 3 is layers 12 to 36: one convolution, then eight blocks of three layers.
    firsts = [boxes[index] for index in range(13, 37, 3)]
    assert len({box.y for box in firsts}) == 4
    assert [box.y for box in firsts[::2]] == [box.y for box in firsts[1::2]]
    assert len({box.x for box in firsts[::2]}) == len({box.x for box in firsts[1::2]}) == 1
    assert boxes[12].right < firsts[0].x < firsts[1].x
    assert boxes[12].y == firsts[0].y
