"""Darknet's mean average precision: against arithmetic, and against ``darknet detector map``."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from converter import convert
from tests.yolov3.detection.metrics.pictures import compared
from yolov3 import load
from yolov3.detection.datasets import read_dataset
from yolov3.detection.detect import Detector
from yolov3.detection.in_torch import TorchModel
from yolov3.detection.metrics.darknet_map import (
    Compared,
    Counts,
    average_precisions,
    class_counts,
    counts,
    curves,
    match,
)

SHAPES = Path(__file__).parents[3] / "data" / "shapes"


def test_of_two_detections_on_one_object_the_likelier_is_right():
    """True, false, true: precision 1, 1/2, 2/3 at recall 1/2, 1/2, 1: 1/2 * 1 + 1/2 * 2/3."""
    matches = match([compared([(0.9, 0, 0), (0.8, 0, 0.1), (0.7, 0, 5)], [(0, 0), (0, 5)])], 1)
    assert average_precisions(matches) == pytest.approx([5 / 6])
    result = counts(matches)
    assert (result.tp, result.fp, result.fn) == (2, 1, 0)


def test_the_object_of_best_overlap_counts_even_if_it_is_taken():
    """The second is at d = 0.1 from an object that the first has, at 0.2 from a free one.

    IoU 0.82 and 0.67: it is false, where COCO's rule would give it the free one. AP 1/2 * 1.
    """
    matches = match([compared([(0.9, 0, 0), (0.8, 0, 0.1)], [(0, 0), (0, 0.3)])], 1)
    assert average_precisions(matches) == [0.5]
    assert (counts(matches).tp, counts(matches).fp, counts(matches).fn) == (1, 1, 1)


def test_of_two_objects_of_equal_overlap_it_is_the_first():
    """Both at d = 0.25, IoU 0.6. The second detection is on the first, and so false: AP 1/2."""
    matches = match([compared([(0.9, 0, 0), (0.8, 0, -0.25)], [(0, -0.25), (0, 0.25)])], 1)
    assert average_precisions(matches) == [0.5]


def test_an_overlap_of_the_threshold_itself_is_too_little():
    """Boxes 2 and 1 wide, one in the other: 1 / 2, without rounding."""
    picture = compared([(0.9, 0, 0)], [(0, 0)])
    wide = replace(picture, true_boxes=np.array([(0, 0, 2, 1)], np.float32))
    assert average_precisions(match([wide], 1), iou_threshold=0.5) == [0]
    assert counts(match([wide], 1)).tp == 0
    below = float(np.nextafter(np.float32(0.5), np.float32(0)))
    assert average_precisions(match([wide], 1), iou_threshold=below) == [1]


def test_a_class_that_does_not_occur_has_0_and_is_one_of_the_mean():
    """80 classes, 7 occur, of each the one object is found at rank 1: 7 / 80 = 0.0875."""
    picture = compared([(0.9, label, 0) for label in range(7)], [(label, 0) for label in range(7)])
    areas = average_precisions(match([picture], 80))
    assert areas == [1] * 7 + [0] * 73
    assert sum(areas) / 80 == 0.0875


def test_a_detection_of_another_class_is_wrong():
    matches = match([compared([(0.9, 1, 0)], [(0, 0)])], 2)
    assert average_precisions(matches) == [0, 0]
    assert (counts(matches).tp, counts(matches).fp, counts(matches).fn) == (0, 1, 1)


def test_detections_of_all_pictures_are_sorted_by_score():
    """False at 0.8 stands between the true ones at 0.9 and 0.7 of another picture: 5/6 as above."""
    pictures = [
        compared([(0.9, 0, 0), (0.7, 0, 5)], [(0, 0), (0, 5)]),
        compared([(0.8, 0, 0)], []),
    ]
    for order in (pictures, pictures[::-1]):
        assert average_precisions(match(order, 1)) == pytest.approx([5 / 6])


def test_equal_scores_keep_their_order():
    """Those on the 50 objects, then 50 on none: AP 1, less if any of those were earlier.

    Between them stand likelier ones of another class, so that there is something to sort.
    """
    objects = [(0, 2 * i) for i in range(50)]
    places = [x for _, x in objects] + [-2 * i for i in range(1, 51)]
    found = [each for x in places for each in ((0.5, 0, x), (0.9, 1, x))]
    assert average_precisions(match([compared(found, objects)], 2))[0] == pytest.approx(1)


def test_a_difficult_object_is_no_miss_and_what_is_found_on_it_no_mistake():
    """Without it the detection at 0.9 would be false: AP 1/2. Among the counts it is, as in AB."""
    found = [(0.9, 0, 5), (0.8, 0, 0)]
    plain = match([compared(found, [(0, 0)])], 1)
    assert average_precisions(plain) == [0.5]
    matches = match([compared(found, [(0, 0)], difficult=[(0, 5)])], 1)
    assert average_precisions(matches) == [1]
    assert matches.class_objects.tolist() == [1]
    assert counts(matches) == counts(plain)
    assert (counts(matches).tp, counts(matches).fp, counts(matches).fn) == (1, 1, 0)
    # a difficult one of another class excuses nothing
    other = match([compared(found, [(0, 0)], difficult=[(1, 5)])], 2)
    assert average_precisions(other) == [0.5, 0]


def test_a_detection_of_a_difficult_and_another_object_counts():
    matches = match([compared([(0.9, 0, 0)], [(0, 0.2)], difficult=[(0, 0)])], 1)
    assert average_precisions(matches) == [1]


# True, false, true of three objects: precision 1, 1/2, 2/3 at recall 1/3, 1/3, 2/3.
CURVE = compared([(0.9, 0, 0), (0.8, 0, 9), (0.7, 0, 5)], [(0, 0), (0, 5), (0, 20)])


@pytest.mark.parametrize(
    ("points", "expected"),
    [
        (0, 1 / 3 + 1 / 3 * 2 / 3),
        (11, (4 * 1 + 3 * 2 / 3) / 11),  # 0, 0.1, 0.2, 0.3; 0.4, 0.5, 0.6
        (101, (34 * 1 + 33 * 2 / 3) / 101),  # 0 to 0.33; 0.34 to 0.66
        (4, (2 * 1 + 1 * 2 / 3) / 4),  # 0, 1/3; 2/3: a recall that is reached counts
    ],
)
def test_points(points, expected):
    assert average_precisions(match([CURVE], 1), points) == pytest.approx([expected])


def test_counts_above_a_score():
    """Above 0.25, not at it: two, on one object, IoU 1 and 0.9 / 1.1; of two objects."""
    matches = match([compared([(0.9, 0, 0), (0.3, 0, 0.1), (0.25, 0, 5)], [(0, 0), (0, 5)])], 1)
    assert counts(matches) == Counts(
        confidence=0.25, tp=1, fp=1, fn=1, precision=0.5, recall=0.5, f1=0.5, mean_iou=0.5
    )
    # of a precision of 2/3 and a recall of 1: (4/3) / (5/3)
    all_of_them = counts(matches, 0.2)
    assert all_of_them.f1 == pytest.approx(0.8)
    assert all_of_them.mean_iou == pytest.approx(2 / 3)
    stricter = counts(matches, 0.95)
    assert (stricter.precision, stricter.recall, stricter.f1) == (None, 0, None)


def test_counts_of_each_class_add_up():
    """Class 0: right at IoU 0.9 / 1.1, one missed. Class 1: one of nothing. Class 2: nothing."""
    matches = match([compared([(0.9, 0, 0.1), (0.8, 1, 5)], [(0, 0), (0, 5)])], 3)
    first, second, third = class_counts(matches)
    assert (first.tp, first.fp, first.fn) == (1, 0, 1)
    assert (first.precision, first.recall, first.f1) == (1, 0.5, pytest.approx(2 / 3))
    assert first.mean_iou == pytest.approx(0.9 / 1.1)
    assert (second.tp, second.fp, second.fn) == (0, 1, 0)
    assert (second.precision, second.recall, second.f1, second.mean_iou) == (0, None, None, 0)
    assert (third.tp, third.fp, third.fn, third.precision) == (0, 0, 0, None)
    total = counts(matches)
    assert (total.tp, total.fp, total.fn) == (1, 1, 1)


def test_curves_are_what_average_precision_is_the_area_of():
    """True, false, true of three: precision 1, 2/3 (not 1/2, since 2/3 follows), 2/3."""
    (curve,) = curves(match([CURVE], 1))
    assert curve.recall.tolist() == pytest.approx([1 / 3, 1 / 3, 2 / 3])
    assert curve.precision.tolist() == pytest.approx([1, 2 / 3, 2 / 3])
    (none,) = curves(match([compared([(0.9, 0, 0)], [])], 1))
    assert len(none.recall) == len(none.precision) == 0


@pytest.mark.parametrize("pictures", [[], [compared([], [])]])
def test_nothing_found_and_nothing_there(pictures):
    matches = match(pictures, 2)
    assert average_precisions(matches) == average_precisions(matches, 11) == [0, 0]
    assert counts(matches) == Counts(
        confidence=0.25, tp=0, fp=0, fn=0, precision=None, recall=None, f1=None, mean_iou=0
    )


# What AlexeyAB/darknet@59596d7, built for the CPU, printed of the sample's val/:
# darknet detector map x.data shapes.cfg shapes.weights -points P -iou_thresh T

REAL = [  # T, P, percent of each class, mAP
    (0.5, 0, (100, 100, 100), 1),
    (0.75, 0, (40.00, 40.38, 40.00), 0.401269),
    (0.75, 11, (42.48, 42.15, 41.60), 0.420753),
    (0.75, 101, (40.22, 40.51, 40.16), 0.403001),
    (0.9, 0, (6.16, 10.18, 2.47), 0.062714),
    (0.9, 11, (7.09, 13.64, 9.09), 0.099394),
    (0.9, 101, (6.16, 10.55, 3.03), 0.065780),
]
REAL_COUNTS = [  # T, TP, FP, FN, percent of average IoU
    (0.5, 193, 1, 0, 77.11),
    (0.75, 103, 91, 90, 44.80),
    (0.9, 28, 166, 165, 13.73),
]


@pytest.fixture(scope="module")
def pictures(tmp_path_factory) -> list[Compared]:
    """The sample's, found as AlexeyAB's engine does: stretched."""
    target = tmp_path_factory.mktemp("shapes") / "shapes.safetensors"
    model = load(convert(SHAPES / "shapes.weights", target).output)
    find = Detector(TorchModel(model), 0.005, 0.45, "stretch")
    result = []
    for sample in read_dataset(SHAPES / "val", 3, None).samples:
        pixels = find.read(sample.path)
        (found,) = find([pixels])
        sides = found.boxes / np.float32([pixels.shape[1], pixels.shape[0]] * 2)
        truths = np.array([truth.box for truth in sample.truths])
        result.append(
            Compared(
                boxes=np.hstack([(sides[:, :2] + sides[:, 2:]) / 2, sides[:, 2:] - sides[:, :2]]),
                scores=found.scores,
                labels=found.labels,
                true_boxes=np.float32(
                    np.hstack([truths[:, :2] + truths[:, 2:] / 2, truths[:, 2:]])
                ),
                true_labels=np.array([truth.label for truth in sample.truths]),
                difficult=np.zeros(len(truths), np.bool_),
            )
        )
    return result


@pytest.mark.parametrize(("threshold", "points", "percent", "mean"), REAL)
def test_darknets_average_precision_of_the_sample(pictures, threshold, points, percent, mean):
    matches = match(pictures, 3)
    assert len(matches.scores) == 231
    areas = average_precisions(matches, points, threshold)
    # as many digits as it prints
    assert [100 * area for area in areas] == pytest.approx(percent, abs=0.0051)
    assert sum(areas) / 3 == pytest.approx(mean, abs=0.51e-6)


@pytest.mark.parametrize(("threshold", "tp", "fp", "fn", "percent"), REAL_COUNTS)
def test_darknets_counts_of_the_sample(pictures, threshold, tp, fp, fn, percent):
    result = counts(match(pictures, 3), iou_threshold=threshold)
    assert (result.tp, result.fp, result.fn) == (tp, fp, fn)
    assert 100 * result.mean_iou == pytest.approx(percent, abs=0.0051)


@pytest.mark.parametrize(
    ("difficult", "threshold", "mean", "expected"),
    [
        (False, 0.5, 0.429005, (79, 115, 0, 31.33)),
        (False, 0.8, 0.021802, (16, 178, 63, 7.66)),
        (True, 0.5, 0.666667, (79, 115, 0, 31.33)),
        (True, 0.8, 0.024693, (16, 178, 63, 7.66)),
    ],
)
def test_darknets_figures_without_a_class_and_with_difficult_objects(
    pictures, difficult, threshold, mean, expected
):
    """Each picture's first line went to the labels that ``difficult=`` names, or to none.

    Of the others, those of the triangles (class 2) were taken away.
    """
    changed = []
    for picture in pictures:
        first = np.arange(len(picture.true_labels)) == 0
        stay = (first & difficult) | (~first & (picture.true_labels != 2))
        changed.append(
            replace(
                picture,
                true_boxes=picture.true_boxes[stay],
                true_labels=picture.true_labels[stay],
                difficult=first[stay],
            )
        )
    matches = match(changed, 3)
    areas = average_precisions(matches, 0, threshold)
    assert areas[2] == 0
    assert sum(areas) / 3 == pytest.approx(mean, abs=0.51e-6)
    result = counts(matches, iou_threshold=threshold)
    assert (result.tp, result.fp, result.fn) == expected[:3]
    assert 100 * result.mean_iou == pytest.approx(expected[3], abs=0.0051)
