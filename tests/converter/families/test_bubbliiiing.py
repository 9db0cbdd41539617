"""bubbliiiing's names for YOLOv3 and YOLOv4, and the networks that it has no place for."""

import pytest

from tests.converter.families.port_networks import (
    TINY,
    YOLOV3,
    YOLOV4,
    found_by_value,
    names,
    refusal,
)


@pytest.mark.parametrize(
    ("table", "text"), [("bubbliiiing-yolov3", YOLOV3), ("bubbliiiing-yolov4", YOLOV4)]
)
def test_the_names_are_those_that_were_found_by_value(table, text):
    assert names(text, "bubbliiiing") == found_by_value(table)


@pytest.mark.parametrize(
    ("text", "place", "problem"),
    [
        (TINY, "layer 1 [maxpool]", "is not bubbliiiing's YOLOv3: "),
        (YOLOV4.replace("scale_x_y=1.1\n", "scale_x_y=1.2\n"),
         "layer 150 [yolo]", "is not bubbliiiing's YOLOv4: scale_x_y is 1.2, not 1.1"),
    ],
)  # fmt: skip
def test_another_network_is_refused_by_its_first_layer(text, place, problem):
    where, why = refusal(text, "bubbliiiing")
    assert where == place
    assert why.startswith(problem)
