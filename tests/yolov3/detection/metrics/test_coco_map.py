"""COCO's figures, against arithmetic with pycocotools' rule."""

import pytest

from yolov3.detection.dataset import Sample, Truth
from yolov3.detection.metrics.coco_map import FIGURES, by_cocos_rule, ground_truth


def truth_of(*truths, relative=False):
    sample = Sample(path="a.png", truths=truths, relative=relative)
    return ground_truth([sample], [(200, 100)], ["a", "b"])


def result(label, box, score=0.9):
    return {"image_id": 0, "category_id": label, "bbox": box, "score": score}


def test_the_twelve_figures():
    """Class a: a small object, found, and a large one that is not; b has none.

    Found at every IoU: precision 1 up to recall 1/2, which is 51 of 101 recalls.
    """
    truth = truth_of(
        Truth(label=0, box=(10, 10, 20, 20)),  # 400 < 32 * 32
        Truth(label=0, box=(90, 0, 100, 100)),  # 10,000 > 96 * 96
    )
    answer = by_cocos_rule(truth, [result(0, [10, 10, 20, 20])])
    assert answer.objects == [2, 0]
    assert answer.areas[0] == pytest.approx([51 / 101] * 10)
    assert answer.areas[1] is None
    half, all_of_them = pytest.approx(51 / 101), pytest.approx(1)
    precisions = (half, half, half, all_of_them, None, 0)
    recalls = (0.5, 0.5, 0.5, 1, None, 0)
    assert answer.figures == dict(zip(FIGURES, precisions + recalls, strict=True))


def test_the_size_of_an_object_is_what_its_file_says():
    """COCO's own area is that of the outline, not of the box."""
    box = (0, 0, 100, 100)
    small = truth_of(Truth(label=0, box=box, area=500))
    figures = by_cocos_rule(small, [result(0, list(box))]).figures
    assert (figures["ARs"], figures["ARl"]) == (1, None)
    large = truth_of(Truth(label=0, box=(0, 0, 0.5, 1)), relative=True)  # 100 x 100 pixels
    figures = by_cocos_rule(large, [result(0, list(box))]).figures
    assert (figures["ARs"], figures["ARl"]) == (None, 1)


def test_recall_with_one_detection_and_with_more():
    """Two objects: the likeliest detection finds one, both find both."""
    truth = truth_of(Truth(label=0, box=(0, 0, 40, 40)), Truth(label=0, box=(50, 0, 40, 40)))
    found = [result(0, [0, 0, 40, 40]), result(0, [50, 0, 40, 40], 0.8)]
    figures = by_cocos_rule(truth, found).figures
    assert [figures[name] for name in ("AR1", "AR10", "AR100")] == [0.5, 1, 1]
    assert figures["APm"] == pytest.approx(1)


def test_crowds_are_no_objects():
    answer = by_cocos_rule(truth_of(Truth(label=1, box=(0, 0, 9, 9), crowd=True)), [])
    assert answer.objects == [0, 0]
    assert set(answer.figures.values()) == {None}
