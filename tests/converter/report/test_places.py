"""Where each layer stands in the picture of the modular model: the design's table of yolov3.cfg."""

import nets
import pytest

from converter.darknet.network import parse_network
from converter.families import generic, yolov3
from converter.report.places import Place, places


def place(part, row, cell):
    return Place(part=part, row=row, cell=cell)


@pytest.fixture
def found():
    return places(yolov3.name_layers(parse_network(nets.yolov3(width=2))))


@pytest.mark.parametrize(
    ("layers", "expected"),
    [
        ((0, 1), place("backbone", 0, "stem")),
        ((2, 3, 4), place("backbone", 1, "0")),  # two convs and their shortcut
        ((5,), place("backbone", 2, "in")),
        ((6, 7, 8), place("backbone", 2, "0")),
        ((9, 10, 11), place("backbone", 2, "1")),
        ((72, 73, 74), place("backbone", 5, "3")),  # the last block of stage 5
        ((75,), place("neck", 5, "lateral_convs")),
        ((76, 77, 78, 79), place("neck", 5, "fpn_convs")),
        ((80,), place("neck", 5, "tail_convs")),
        ((81, 82), place("heads", 5, "heads")),  # the conv and its [yolo]
        # [route], conv, [upsample], [route]: level 1, which is stage 4's
        ((83, 84, 85, 86), place("neck", 4, "merge_convs")),
        ((87,), place("neck", 4, "lateral_convs")),
        ((93, 94), place("heads", 4, "heads")),
        ((95, 96, 97, 98), place("neck", 3, "merge_convs")),
        ((105, 106), place("heads", 3, "heads")),
    ],
)
def test_the_table_of_yolov3(found, layers, expected):
    assert [found[layer] for layer in layers] == [expected] * len(layers)


def test_pooling_stands_among_the_convs_around_it():
    """yolov3-spp.cfg: layers 78 to 83 pool what 77 made, 84 is the conv back."""
    found = places(yolov3.name_layers(parse_network(nets.yolov3(width=2, spp=True))))
    assert found[76:87] == [place("neck", 5, "fpn_convs")] * 11


def test_a_classifier_has_a_row_of_its_own():
    found = places(yolov3.name_layers(parse_network(nets.classifier(width=2))))
    assert found[75:] == [place("backbone", 6, "fc")] * len(found[75:])


def test_a_generic_network_has_no_such_places(toy):
    assert places(generic.name_layers(parse_network(toy.text))) is None
