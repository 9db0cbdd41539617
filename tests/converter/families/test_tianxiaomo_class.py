"""The names of Tianxiaomo's own class for YOLOv4, and a network that it has no place for."""

from tests.converter.families.port_networks import (
    YOLOV3,
    YOLOV4,
    found_by_value,
    names,
    refusal,
)


def test_the_names_are_those_that_were_found_by_value():
    assert names(YOLOV4, "tianxiaomo-class") == found_by_value("tianxiaomo-class-yolov4")


def test_another_network_is_refused_by_its_first_layer():
    place, problem = refusal(YOLOV3, "tianxiaomo-class")
    assert place == "layer 0 [convolutional]"
    assert problem.startswith("is not Tianxiaomo's Yolov4: activation is leaky, not mish")
