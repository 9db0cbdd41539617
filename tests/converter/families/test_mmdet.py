"""mmdet's names for YOLOv3 and for its backbone alone, and the networks that do not fit."""

import nets
import numpy as np
import pytest
import reference
from safetensors.numpy import load_file

from converter import convert, revert
from tests.converter.families.port_networks import SPP, TINY, YOLOV3, names_at, refusal


def test_the_first_and_last_names_and_where_a_pattern_changes():
    expected = {
        (0, "conv.weight"): "backbone.conv1.conv.weight",
        (1, "bn.bias"): "backbone.conv_res_block1.conv.bn.bias",
        (3, "conv.weight"): "backbone.conv_res_block1.res0.conv2.conv.weight",
        (73, "bn.weight"): "backbone.conv_res_block5.res3.conv2.bn.weight",
        (75, "conv.weight"): "neck.detect1.conv1.conv.weight",
        (79, "conv.weight"): "neck.detect1.conv5.conv.weight",
        (80, "conv.weight"): "bbox_head.convs_bridge.0.conv.weight",
        (81, "conv.weight"): "bbox_head.convs_pred.0.weight",
        (84, "conv.weight"): "neck.conv1.conv.weight",
        (91, "bn.bias"): "neck.detect2.conv5.bn.bias",
        (96, "conv.weight"): "neck.conv2.conv.weight",
        (105, "conv.bias"): "bbox_head.convs_pred.2.bias",
    }
    assert names_at(expected, YOLOV3, "mmdet") == expected


@pytest.mark.parametrize(
    ("text", "place", "problem"),
    [
        (TINY, "layer 1 [maxpool]",
         "is not mmdet's YOLOv3: mmdet's YOLOv3 has [convolutional] there"),
        (SPP, "layer 78 [maxpool]", "is not mmdet's YOLOv3: "),
        (nets.yolov3(1, 2, size=64, repeats=1), "layer 79 [convolutional]",
         "is not mmdet's YOLOv3: "),
        (nets.yolov3(1, 2, size=64, merge=(4, 5)), "layer 84 [convolutional]",
         "is not mmdet's YOLOv3: filters is 5, not 8"),
        (nets.yolov3(1, 2, size=64, levels=4), "",
         "has 119 layers, mmdet's YOLOv3 like it has 107"),
    ],
)  # fmt: skip
def test_another_network_is_refused_by_its_first_layer(text, place, problem):
    where, why = refusal(text, "mmdet")
    assert where == place
    assert why.startswith(problem)


def test_there_is_nothing_to_say(make, caplog):
    assert convert(make(YOLOV3).weights, family="mmdet").warnings == ()
    assert "pads" not in caplog.text


def test_a_backbone_of_a_whole_network(make):
    """The first 75 layers, for whoever trains on from them."""
    files = make(YOLOV3)
    first = sum(int(np.prod(entry.shape)) for entry in reference.layout(YOLOV3) if entry.layer < 75)
    files.weights.write_bytes(files.weights.read_bytes()[: 20 + 4 * first])
    made = convert(files.weights, family="mmdet", partial=True)
    tensors = load_file(made.output)
    assert all(name.startswith("backbone.") for name in tensors)
    assert len(tensors) == 52 * 5
    back = files.weights.with_name("back.weights")
    assert revert(made.output, back).identical
