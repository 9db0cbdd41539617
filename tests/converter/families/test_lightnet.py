"""lightnet's names for its four networks, and those that it has no place for."""

import pytest

from tests.converter.families.port_networks import (
    CLASSIFIER,
    SPP,
    TINY,
    YOLOV3,
    YOLOV4,
    found_by_value,
    names,
    refusal,
)


@pytest.mark.parametrize(
    ("table", "text"),
    [
        ("lightnet-darknet53", CLASSIFIER), ("lightnet-yolov3", YOLOV3),
        ("lightnet-yolov4", YOLOV4),
    ],
)  # fmt: skip
def test_the_names_are_those_that_were_found_by_value(table, text):
    assert names(text, "lightnet") == found_by_value(table)


def test_the_names_of_the_tiny():
    """It reads the published one in another order, so that three layers are not found by value.

    These stand in its class: lightnet/models/_network_tiny_yolo_v3.py, remap_v1.
    """
    left = {14: "head.0.0.layers.", 15: "head.0.1.", 18: "neck.module.3.layers."}
    found, by_value = names(TINY, "lightnet"), found_by_value("lightnet-tiny")
    assert {place: found.pop(place) for place in by_value} == by_value
    assert {index for index, _ in found} == set(left)
    assert all(tensor.startswith(left[index]) for (index, _), tensor in found.items())


@pytest.mark.parametrize(
    ("text", "place", "problem"),
    [
        (SPP, "layer 78 [maxpool]", "is not lightnet's YoloV3: "),
        (TINY.replace("layers=-1,8", "layers=8,-1"), "layer 20 [route]",
         "is not lightnet's TinyYoloV3: it reads layers 8, 19, not 19, 8"),
    ],
)  # fmt: skip
def test_another_network_is_refused_by_its_first_layer(text, place, problem):
    where, why = refusal(text, "lightnet")
    assert where == place
    assert why.startswith(problem)
