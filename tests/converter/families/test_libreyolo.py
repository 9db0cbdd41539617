"""LibreYOLO's names, the networks that it would build otherwise, and what it computes otherwise."""

import nets
import pytest

from tests.converter.families.port_networks import (
    CLASSIFIER,
    TINY,
    YOLOV4,
    names_at,
    refusal,
    warning,
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (TINY, {
            (0, "bn.bias"): "yolo3.layers.0.bn.bias",
            (22, "conv.weight"): "yolo3.layers.22.conv.weight",
        }),
        (YOLOV4, {(160, "conv.bias"): "yolo4.layers.160.conv.bias"}),
    ],
)  # fmt: skip
def test_the_names_have_the_layers_numbers_and_the_networks_kind(text, expected):
    assert names_at(expected, text, "libreyolo") == expected


@pytest.mark.parametrize(
    ("text", "place", "problem"),
    [
        (CLASSIFIER, "layer 75 [avgpool]",
         "is not one that LibreYOLO can build: it has no such layer"),
        (nets.yolov3(1, 2, size=64, repeats=1), "",
         "has 69 convolutions, those that LibreYOLO knows have 13, 21, 75, 76, 110"),
    ],
)  # fmt: skip
def test_another_network_is_refused(text, place, problem):
    where, why = refusal(text, "libreyolo")
    assert where == place
    assert why.startswith(problem)


def test_that_its_batch_norm_adds_something_else_is_said(make, caplog):
    assert "sqrt(variance) + 1e-6" in warning(make(TINY), "libreyolo", caplog)
