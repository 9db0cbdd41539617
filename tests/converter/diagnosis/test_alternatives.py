"""Networks that differ in one respect: what changes with it, and where there is none."""

import nets
import pytest

from converter.darknet.network import parse_network
from converter.diagnosis.alternatives import with_channels, with_classes, without_repetition

DETECTOR = nets.yolov3(2, 3, size=64)
CLASSIFIER = nets.classifier(2, 7, size=64)


def differences(network, other):
    """The options that differ: {(layer, option): (before, after)}."""
    assert len(network.nodes) == len(other.nodes)
    return {
        (node.index, name): (value, vars(like.layer)[name])
        for node, like in zip(network.nodes, other.nodes, strict=True)
        for name, value in vars(node.layer).items()
        if vars(like.layer)[name] != value
    }


def test_classes_of_a_detector_change_what_its_heads_read():
    network = parse_network(DETECTOR)
    other = with_classes(network, 80)
    assert other.classes == 80
    # three anchors of 5 + 3, then of 5 + 80 channels
    assert differences(network, other) == {
        **{(i, "filters"): (24, 255) for i in (81, 93, 105)},
        **{(i, "classes"): (3, 80) for i in (82, 94, 106)},
    }


def test_classes_of_a_classifier_change_its_last_layer_with_weights():
    network = parse_network(CLASSIFIER)
    changed = differences(network, with_classes(network, 10))
    assert list(changed.values()) == [(7, 10)]
    connected = parse_network("[net]\ninputs=4\n[connected]\noutput=7\n[softmax]\n")
    assert differences(connected, with_classes(connected, 10)) == {(0, "output"): (7, 10)}


def test_a_backbone_has_no_classes_to_change():
    assert with_classes(parse_network("\n".join([nets.net(64), *nets.darknet53(2)])), 5) is None


def test_a_head_that_reads_no_convolution_cannot_have_other_classes():
    text = DETECTOR.replace("[yolo]", "[dropout]\n[yolo]", 1)
    assert with_classes(parse_network(text), 80) is None


def test_channels_change_the_first_kernel_alone():
    network = parse_network(DETECTOR)
    other = with_channels(network, 1)
    assert other.input.c == 1
    # 2 filters of 3 x 3, two channels less
    assert network.floats - other.floats == 2 * 9 * 2
    assert differences(network, other) == {}
    assert with_channels(parse_network("[net]\ninputs=4\n[connected]\noutput=7\n"), 1) is None


BODY = "[convolutional]\nfilters=3\nsize=1\n[maxpool]\nsize=2\nstride=1\n"


@pytest.mark.parametrize(
    ("times", "layers"),
    [(1, None), (2, 2), (3, 2), (4, 2)],  # the shortest part that repeats, not the longest
)
def test_a_repetition_is_cut_to_its_first_part(times, layers):
    once = without_repetition(parse_network(nets.net(8) + "\n" + BODY * times))
    assert (once and len(once.nodes)) == layers


def test_a_part_that_ends_early_is_no_repetition():
    text = nets.net(8) + "\n" + BODY * 2 + "[maxpool]\nsize=2\nstride=1\n"
    assert without_repetition(parse_network(text)) is None
