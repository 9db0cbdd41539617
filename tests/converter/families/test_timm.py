"""timm's names for Darknet-53, its matrix, its slope, and a network that it has no place for."""

from safetensors.numpy import load_file

from converter import convert
from tests.converter.families.port_networks import CLASSIFIER, YOLOV3, names_at, refusal, warning


def test_the_first_and_last_names_and_where_a_pattern_changes():
    expected = {
        (0, "bn.running_mean"): "stem.conv1.bn.running_mean",
        (1, "conv.weight"): "stages.0.conv_down.conv.weight",
        (73, "conv.weight"): "stages.4.blocks.3.conv2.conv.weight",
        (76, "conv.weight"): "head.fc.weight",
        (76, "conv.bias"): "head.fc.bias",
    }
    assert names_at(expected, CLASSIFIER, "timm") == expected


def test_another_network_is_refused_by_its_first_layer():
    place, problem = refusal(YOLOV3, "timm")
    assert place == "layer 75 [convolutional]"
    assert problem.startswith("is not timm's darknet53: ")


def test_that_its_slope_is_another_is_said(make, caplog):
    assert "negative_slope=0.1" in warning(make(CLASSIFIER), "timm", caplog)


def test_the_classifiers_kernel_is_a_matrix(make):
    files = make(CLASSIFIER)
    tensors = load_file(convert(files.weights, family="timm").output)
    assert tensors["head.fc.weight"].shape == (5, 32)
