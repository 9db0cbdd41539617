"""PyTorch-YOLOv3's names, what it would build otherwise, its notes, and its heads' constants."""

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from converter import CheckpointError, convert, revert
from tests.converter.families.port_networks import (
    CLASSIFIER,
    TINY,
    YOLOV3,
    names_at,
    refusal,
    require_passed_over,
    warning,
)


def test_the_names_have_the_layers_numbers_twice():
    expected = {
        (0, "conv.weight"): "module_list.0.conv_0.weight",
        (0, "bn.running_var"): "module_list.0.batch_norm_0.running_var",
        (22, "conv.bias"): "module_list.22.conv_22.bias",
    }
    assert names_at(expected, TINY, "pytorchyolo") == expected


@pytest.mark.parametrize(
    ("text", "place", "problem"),
    [
        (CLASSIFIER, "layer 75 [avgpool]",
         "is not one that PyTorch-YOLOv3 can build: it has no such layer"),
        (TINY + "\n[convolutional]\nfilters=3\ngroups=3\n", "layer 24 [convolutional]",
         "is not one that PyTorch-YOLOv3 can build: it does not read groups, which is 3"),
        (TINY + "\n[convolutional]\nactivation=elu\n", "layer 24 [convolutional]",
         "is not one that PyTorch-YOLOv3 can build: it has no activation=elu"),
    ],
)  # fmt: skip
def test_what_it_would_build_otherwise_is_refused_by_its_first_layer(text, place, problem):
    where, why = refusal(text, "pytorchyolo")
    assert where == place
    assert why.startswith(problem)


@pytest.mark.parametrize(
    ("text", "part"),
    [
        (YOLOV3, "strict=False"),
        (TINY, "PyTorch-YOLOv3 pads the pool of size 2 and stride 1 with zeros"),
    ],
)
def test_what_must_be_known_is_said_when_it_is_written(make, caplog, text, part):
    assert part in warning(make(text), "pytorchyolo", caplog)


@pytest.mark.parametrize("shell", ["", "module."])
def test_constants_of_the_heads_are_passed_over(make, shell):
    constants = ("module_list.16.yolo_16.anchors", "module_list.23.yolo_23.anchor_grid")
    require_passed_over(constants, make(TINY, version=(0, 2, 5)), "pytorchyolo", shell)


def test_others_are_named(make):
    files = make(TINY)
    made = convert(files.weights, family="pytorchyolo").output
    save_file({**load_file(made), "module_list.16.yolo_16.x": np.ones(6, "<f4")}, made)
    with pytest.raises(CheckpointError, match=r"lacks: module_list\.16\.yolo_16\.x"):
        revert(made, files.weights.with_name("back.weights"), cfg=files.cfg)
