"""Boxes of every kind of head, and which of them stay."""

import json
import shutil
from pathlib import Path

import darknet_detector
import numpy as np
import pytest

from converter import convert
from converter.darknet.layers.cells import RawMap
from converter.darknet.network import parse_network
from converter.errors import NetworkError
from yolov3 import load
from yolov3.detection.decode import decode, require_boxes
from yolov3.detection.detect import detect

DATA = Path(__file__).parents[2] / "data"
PICTURES = DATA / "shapes" / "images"
HEADS = sorted(path.stem for path in (DATA / "heads").glob("*.cfg"))

# Darknet and PyTorch add up in another order. Measured are 1e-6 in scores, and in boxes 3e-5 pixels
# or 3e-6 of their size (these networks are random, and some boxes are ten pictures large).
SCORE = 1e-5
PIXELS = {"atol": 1e-3, "rtol": 1e-5}


def agree(detections, expected):
    """Compare with (class, probability, left, top, right, bottom), likeliest first."""
    expected = np.array(expected, np.float64).reshape(-1, 6)
    assert detections.labels.tolist() == expected[:, 0].tolist()
    np.testing.assert_allclose(detections.scores, expected[:, 1], atol=SCORE, rtol=0)
    np.testing.assert_allclose(detections.boxes, expected[:, 2:], **PIXELS)


# Whole networks against real darknet


@pytest.mark.parametrize("name", HEADS)
def test_boxes_of_alexeyabs_darknet(tmp_path, name):
    for suffix in (".cfg", ".weights"):
        shutil.copyfile(DATA / "heads" / (name + suffix), tmp_path / (name + suffix))
    model = load(convert(tmp_path / f"{name}.weights", dialect="alexeyab").output)
    golden = json.loads((DATA / "heads" / f"{name}.json").read_text())
    for picture, expected in golden["boxes"].items():
        agree(detect(model, PICTURES / f"{picture}.png", golden["threshold"]), expected)


NET = """\
[net]
width=96
height=64
channels=3

[convolutional]
batch_normalize=1
filters=8
size=3
stride=8
pad=1
activation=leaky

[convolutional]
filters={channels}
size=3
stride=2
pad=1
activation=linear

"""
YOLO = "[yolo]\nmask=1,2\nclasses=3\nnum=3\nanchors=10,14, 23,27, 37,58\n"
REGION = "[region]\nanchors=1.08,1.19, 3.42,4.41\nclasses=3\ncoords=4\nnum=2\n"
PJREDDIES = {
    "yolo": YOLO,
    "region with softmax": REGION + "softmax=1\n",
    "region with logistic classes": REGION,
    "region with a background": REGION + "softmax=1\nbackground=1\n",
    "yolo with a pair too few": YOLO.replace(", 37,58", ""),
    "yolo with half a pair too few": YOLO.replace(", 37,58", ", 37"),
    "region without anchors": REGION.replace("1.08,1.19, 3.42,4.41", ""),
}


@pytest.mark.engine
@pytest.mark.parametrize("head", PJREDDIES)
def test_boxes_of_pjreddies_darknet(make, head):
    text, names = NET.format(channels=16) + PJREDDIES[head], ["0003.png", "0032.png"]
    if "background" in head:
        # Every box counts there, and cells in the grey of a letterbox see the same: which of two
        # equally likely boxes stays would be up to rounding. 4:3, as this picture is, has no grey.
        text, names = text.replace("height=64", "height=72"), ["0003.png"]
    files = make(text)
    model = load(convert(files.weights, dialect="pjreddie").output, bn="pjreddie-cpu")
    pictures = [PICTURES / name for name in names]
    expected = darknet_detector.boxes(files.cfg, files.weights, 0.2, pictures, classes=3)
    assert all(expected)
    for picture, boxes in zip(pictures, expected, strict=True):
        agree(detect(model, picture, 0.2), boxes)


# One box, by hand


def head(text, outputs):
    return parse_network(NET.format(channels=outputs) + text).outputs


def one(heads, raw, threshold=0.25):
    """The boxes of a single map, all values of which are 0 but ``raw`` in row 1, column 2."""
    values = np.zeros((1, len(raw), 4, 6), np.float32)
    values[0, :, 1, 2] = raw
    ((boxes, scores),) = decode(heads, [RawMap(values, np.asarray)], (64, 96), threshold)
    return boxes, scores


def test_a_box_of_yolo():
    # sigmoid(0) = 1/2: half a cell from row 1, column 2 of 4 x 6; anchor 23 x 27 of 96 x 64 pixels;
    # objectness 1 and 1/2 for the second class. Others have 1/2 * 1/2, not above 1/4.
    first = [0, 0, 0, np.log(2), 50, -50, 0, -50]
    boxes, scores = one(head(YOLO, 16), [*first, *[-50] * 8], threshold=0.25)
    keep = scores.sum(1) > 0
    assert keep.sum() == 1
    expected = [[2.5 / 6, 1.5 / 4, 23 / 96, 2 * 27 / 64]]
    np.testing.assert_allclose(boxes[keep], expected, rtol=1e-7)  # log(2) is a float32 there
    np.testing.assert_array_equal(scores[keep], [[0, 0.5, 0]])


def test_objectness_must_be_above_the_threshold():
    # sigmoid(0) = 1/2 everywhere: objectness is above 0.4, times the class's 1/2 it is not.
    boxes, scores = one(head(YOLO, 16), [0.0] * 16, threshold=0.4)
    assert len(boxes) == 2 * 4 * 6
    assert not scores.any()
    boxes, _ = one(head(YOLO, 16), [0.0] * 16, threshold=0.5)
    assert len(boxes) == 0


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_maps_that_are_no_numbers(value):
    with pytest.raises(NetworkError) as caught:
        one(head(YOLO, 16), [value, *[0.0] * 15])
    assert str(caught.value) == (
        "layer 2 [yolo], line 21: gets values that are infinite or no numbers (the weights are"
        " damaged, or not for this network)"
    )


def test_a_map_of_another_size():
    small = RawMap(np.zeros((1, 16, 4, 5), np.float32), np.asarray)  # the cfg's has 4 x 6 cells
    with pytest.raises(NetworkError) as caught:
        list(decode(head(YOLO, 16), [small], (64, 96), 0.25))
    assert str(caught.value) == (
        "layer 2 [yolo], line 21: gets a map of another size than its cfg says"
    )


def test_each_picture_has_its_own_boxes():
    maps = np.full((3, 16, 4, 6), -50.0, np.float32)
    maps[1, :, 1, 2] = 50.0  # the two anchors of one cell, on the second picture alone
    found = list(decode(head(YOLO, 16), [RawMap(maps, np.asarray)], (64, 96), 0.25))
    assert [len(boxes) for boxes, _ in found] == [0, 2, 0]
    assert [scores.shape for _, scores in found] == [(0, 3), (2, 3), (0, 3)]
    assert found[1][0].dtype == np.float64


def test_maps_of_another_count_than_heads():
    with pytest.raises(ValueError, match="zip"):
        list(decode(head(YOLO, 16), [], (64, 96), 0.25))


def test_probabilities_at_the_threshold_are_none():
    # sigmoid(0) = 1/2 of sigmoid(50) = 1
    raw = [0, 0, 0, 0, 50, 0, 0.1, -50]
    _, scores = one(head(YOLO, 16), [*raw, *[-50] * 8], threshold=0.5)
    kept = scores[scores.sum(1) > 0]
    assert kept[0, 0] == kept[0, 2] == 0
    # 0.1 is a float32 there, and the logistic function of it may be
    assert kept[0, 1] == pytest.approx(1 / (1 + np.exp(-0.1)), rel=1e-6)


@pytest.mark.parametrize(
    ("text", "outputs", "problem"),
    [
        ("[iseg]\nclasses=2\nids=2\n", 4, r"\[iseg\], line 21: gives no boxes"),
        ("[softmax]\n", 4, r"\[softmax\], line 21: gives no boxes"),
        (REGION + "tree=9k.tree\n", 16, "word tree"),
        (REGION + "classfix=-1\n", 16, "classfix=-1"),
        ("[detection]\nside=2\nclasses=2\ncoords=1\nnum=2\n", 1, "coords=1"),
        ("[detection]\nside=2\nclasses=0\ncoords=4\nnum=6\n", 5, "has classes=0, so that none"),
        (YOLO.replace("classes=3", "classes=0"), 10, "has classes=0, so that none of its boxes"),
        (REGION.replace("classes=3", "classes=0"), 10, "has classes=0, so that none of its boxes"),
    ],
)
def test_heads_that_are_refused(text, outputs, problem):
    with pytest.raises(NetworkError, match=problem):
        require_boxes(head(text, outputs), "alexeyab")


def test_what_is_refused_says_where_boxes_come_from():
    with pytest.raises(NetworkError) as caught:
        require_boxes(head("[softmax]\n", 4), "alexeyab")
    assert (caught.value.message, caught.value.place) == (
        "gives no boxes", "layer 2 [softmax], line 21",
    )  # fmt: skip
    assert caught.value.remedy == (
        "boxes come from [yolo], [Gaussian_yolo], [region] and [detection]; for a classifier there"
        " is yolov3.classify"
    )


def test_an_engine_that_reports_boxes_of_few_heads():
    """HK darknet_network.cpp:880."""
    for dialect in ("pjreddie", "alexeyab"):
        require_boxes(head(REGION, 16), dialect)
    require_boxes(head(YOLO, 16), "hank-ai")
    with pytest.raises(NetworkError) as caught:
        require_boxes([*head(YOLO, 16), *head(REGION, 16)], "hank-ai")
    assert caught.value.message == "hank-ai's darknet reports no boxes of [region]"
