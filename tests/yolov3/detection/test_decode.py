"""Boxes of every kind of head, and which of them stay."""

import json
import shutil
from pathlib import Path

import darknet_detector
import numpy as np
import pytest
import torch

from converter import convert
from converter.darknet.network import parse_network
from converter.errors import NetworkError
from yolov3 import load
from yolov3.detection.decode import decode, require_boxes
from yolov3.detection.detect import detect
from yolov3.detection.nms import iou, measure, suppress

DATA = Path(__file__).parents[2] / "data"
PICTURES = DATA / "shapes" / "images"
HEADS = sorted(path.stem for path in (DATA / "heads").glob("*.cfg"))

# Darknet and PyTorch add up in another order. Measured are 1e-6 in scores, and in boxes 3e-5 pixels
# or 3e-6 of their size (these networks are random, and some boxes are ten pictures large).
SCORE = 1e-5
PIXELS = {"atol": 1e-3, "rtol": 1e-5}


def agree(detections, expected):
    """Compare with (class, probability, left, top, right, bottom), likeliest first."""
    expected = torch.tensor(expected, dtype=torch.float64).reshape(-1, 6)
    assert detections.labels.tolist() == expected[:, 0].tolist()
    torch.testing.assert_close(detections.scores.double(), expected[:, 1], atol=SCORE, rtol=0)
    torch.testing.assert_close(detections.boxes.double(), expected[:, 2:], **PIXELS)


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
    values = torch.zeros(1, len(raw), 4, 6)
    values[0, :, 1, 2] = torch.tensor(raw)
    ((boxes, scores),) = decode(heads, [values], (64, 96), threshold)
    return boxes, scores


def test_a_box_of_yolo():
    # sigmoid(0) = 1/2: half a cell from row 1, column 2 of 4 x 6; anchor 23 x 27 of 96 x 64 pixels;
    # objectness 1 and 1/2 for the second class. Others have 1/2 * 1/2, not above 1/4.
    first = [0, 0, 0, np.log(2), 50, -50, 0, -50]
    boxes, scores = one(head(YOLO, 16), [*first, *[-50] * 8], threshold=0.25)
    keep = scores.sum(1) > 0
    assert keep.sum() == 1
    expected = torch.tensor([[2.5 / 6, 1.5 / 4, 23 / 96, 2 * 27 / 64]], dtype=torch.float64)
    torch.testing.assert_close(boxes[keep], expected)
    torch.testing.assert_close(scores[keep], torch.tensor([[0, 0.5, 0]], dtype=torch.float64))


def test_objectness_must_be_above_the_threshold():
    # sigmoid(0) = 1/2 everywhere: objectness is above 0.4, times the class's 1/2 it is not.
    boxes, scores = one(head(YOLO, 16), [0.0] * 16, threshold=0.4)
    assert len(boxes) == 2 * 4 * 6
    assert not scores.any()
    boxes, _ = one(head(YOLO, 16), [0.0] * 16, threshold=0.5)
    assert len(boxes) == 0


def test_maps_that_are_no_numbers():
    with pytest.raises(NetworkError, match=r"layer 2 \[yolo\].*infinite or no numbers"):
        one(head(YOLO, 16), [float("nan")] * 16)


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


# Overlaps


def array(*rows):
    return np.array(rows, np.float32)


def test_intersection_over_union():
    # Squares of 2: shifted by 1 they share 2 of 6, by 2 only an edge; inside lies a quarter
    square = array([1, 1, 2, 2])[0]
    others = array([1, 1, 2, 2], [2, 1, 2, 2], [3, 1, 2, 2], [9, 9, 2, 2], [1, 1, 1, 1])
    np.testing.assert_allclose(iou(square, others), [1, 1 / 3, 0, 0, 0.25], rtol=1e-6)


def test_the_likelier_stays_class_by_class():
    boxes = array([1, 1, 2, 2], [1.2, 1, 2, 2], [9, 9, 2, 2])
    scores = array([0.5, 0.9], [0.6, 0], [0.4, 0.7])
    where, labels = suppress(boxes, scores, 0.45, iou)
    found = list(zip(where.tolist(), labels.tolist(), strict=True))
    assert found == [(0, 1), (2, 1), (1, 0), (2, 0)]  # by falling score; (0, 0) is gone


def test_what_was_dropped_drops_nothing():
    # Each overlaps the next by 3/5 and the one after by 1/3: the first drops the second only.
    boxes = array([1, 1, 2, 2], [1.5, 1, 2, 2], [2, 1, 2, 2])
    where, _ = suppress(boxes, array([0.9], [0.8], [0.7]), 0.45, iou)
    assert where.tolist() == [0, 2]


def test_the_overlap_must_be_above_the_threshold():
    boxes, scores = array([1, 1, 2, 2], [2, 1, 2, 2]), array([0.9], [0.8])
    overlap = float(iou(boxes[0], boxes[1:])[0])
    assert len(suppress(boxes, scores, overlap, iou)[0]) == 2
    assert len(suppress(boxes, scores, overlap - 1e-6, iou)[0]) == 1


def test_nothing_is_dropped_at_0():
    boxes, scores = array([1, 1, 2, 2], [1, 1, 2, 2]), array([0.9], [0.8])
    assert len(suppress(boxes, scores, 0, iou)[0]) == 2


def test_equal_scores_keep_their_order():
    where, _ = suppress(array(*[[i, 1, 1, 1] for i in range(5)]), array(*[[0.5]] * 5), 0.45, iou)
    assert where.tolist() == [0, 1, 2, 3, 4]


def test_boxes_without_area_drop_nothing():
    boxes = array([1, 1, 0, 0], [1, 1, 0, 0])
    assert len(suppress(boxes, array([0.9], [0.8]), 0.45, iou)[0]) == 2


def test_no_boxes():
    where, labels = suppress(array().reshape(0, 4), array().reshape(0, 3), 0.45, iou)
    assert len(where) == len(labels) == 0


def test_overlaps_that_count_the_distance():
    # IoU 1/3; the centres are 1 apart in a common box of 3 x 2: (1 / 13)^beta less
    square, others = array([1, 1, 2, 2])[0], array([2, 1, 2, 2])
    for name, exponent in (("greedynms", 0.6), ("diounms", 0.5)):
        expected = [1 / 3 - (1 / 13) ** exponent]
        np.testing.assert_allclose(measure(name, 0.5)(square, others), expected, rtol=1e-5)
    for name in ("default", "cornersnms", "unknown"):
        assert measure(name, 0.5) is iou
