"""Which drawing a network gets, and in which colours."""

import nets
import pytest

from converter.darknet.header import Header
from converter.darknet.network import parse_network
from converter.families import generic, yolov3
from converter.plan import make_plan
from converter.report import diagram


@pytest.fixture
def plan():
    """Of a YOLOv3, by its modules or by its layers."""

    def planned(scheme):
        network = parse_network(nets.yolov3(width=2))
        return make_plan(
            header=Header(major=0, minor=2, revision=0, seen=0, size=20), size=None,
            network=network, naming=scheme.name_layers(network), dialect="pjreddie",
        )  # fmt: skip

    return planned


def test_a_modular_model_is_drawn_by_its_modules(plan):
    drawing = diagram.draw(plan(yolov3))
    assert not drawing.wide
    assert [text for _, text in drawing.captions] == ["Backbone", "Neck", "Heads"]


def test_any_other_is_drawn_by_its_layers(plan):
    drawing = diagram.draw(plan(generic))
    assert drawing.wide
    assert len(drawing.chips) == 107
    assert {panel.part for panel in drawing.panels} == {""}


def test_each_layer_has_the_colour_of_its_part(plan):
    # yolov3.cfg: Darknet-53 without its classifier is layers 0 to 74; each [yolo] with the
    # convolution before it is a head, the rest is the neck.
    heads = {81, 82, 93, 94, 105, 106}
    assert diagram.parts(plan(yolov3)) == [
        "heads" if layer in heads else "backbone" if layer < 75 else "neck" for layer in range(107)
    ]
    assert diagram.parts(plan(generic)) == [""] * 107
