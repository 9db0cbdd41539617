"""Cfgs for other numbers of classes."""

import pytest

from converter.darknet.classes import with_class_count
from converter.darknet.network import parse_network
from converter.errors import NetworkError

START = "[net]\nwidth=32\nheight=32\nchannels=3\n\n"
CONV = "[convolutional]\nfilters={}\nsize=1\nactivation=linear\n\n"
YOLO = "[yolo]\nmask={}\nanchors=1,1, 2,2, 3,3\nclasses={}\nnum=3\n\n"
CLASSIFIER = (
    START
    + CONV.format(8)
    + "[avgpool]\n\n[connected]\noutput={}\nactivation=linear\n\n[softmax]\ngroups=1\n"
)


@pytest.mark.parametrize("classes", [1, 2, 20, 601])
def test_each_head_and_what_it_reads_is_changed(classes):
    """A head with n anchors has n * (5 + K) channels: pj yolo_layer.c:26."""
    text = START + CONV + YOLO + CONV + YOLO
    before = text.format(3 * 85, "0,1,2", 80, 2 * 85, "0,1", 80)
    after = text.format(3 * (5 + classes), "0,1,2", classes, 2 * (5 + classes), "0,1", classes)
    assert with_class_count(before, classes) == after


def test_gaussian_heads_have_nine_values_and_region_heads_their_own_anchors():
    """4 boxes' values, their 4 variances and the objectness: AB gaussian_yolo_layer.c:34."""
    text = (
        START + CONV + YOLO.replace("[yolo]", "[Gaussian_yolo]")
        + CONV + "[region]\nanchors=1,1, 2,2\nclasses={}\ncoords=4\nnum=2\n"
    )  # fmt: skip
    before = text.format(3 * 89, "0,1,2", 80, 2 * 85, 80)
    after = text.format(3 * 12, "0,1,2", 3, 2 * 8, 3)
    assert with_class_count(before, 3) == after


def test_a_classifiers_last_layer_is_changed():
    assert with_class_count(CLASSIFIER.format(1000), 10) == CLASSIFIER.format(10)
    text = START + CONV + "[avgpool]\n\n[softmax]\ngroups=1\n"
    assert with_class_count(text.format(1000), 10) == text.format(10)


def test_spaces_comments_and_line_ends_stay():
    text = (START + CONV + YOLO).format(" 255  # 3 * 85", "0,1,2", "80\t; COCO")
    text = text.replace("\n", "\r\n")
    wanted = text.replace(" 255  #", " 24  #").replace("80\t;", "3\t;")
    assert with_class_count(text, 3) == wanted


def test_the_first_of_two_options_counts():
    text = (START + CONV + YOLO).format("255\nfilters=9", "0,1,2", 80)
    changed = with_class_count(text, 3)
    assert "filters=24\nfilters=9\n" in changed
    assert parse_network(changed).classes == 3


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (START + CONV.format(8), "has no classes to change"),
        (
            (START + CONV + YOLO).format(255, "0,1,2", 80).replace("classes=80\n", ""),
            "has no classes= to change",
        ),
        (
            START + CONV.format(255) + "[maxpool]\nsize=2\nstride=2\n\n" + YOLO.format("0,1,2", 80),
            "reads no convolution",
        ),
    ],
)
def test_what_has_none_to_change_is_refused(text, message):
    """Without the option a head has 20: pj parser.c:308, 346."""
    if "classes=" in message:
        text = text.replace("filters=255", "filters=75")
    with pytest.raises(NetworkError, match=message):
        with_class_count(text, 3)
