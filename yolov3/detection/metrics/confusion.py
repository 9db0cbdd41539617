"""Which class was found for which: the confusion matrix of detection."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TypeAlias

import numpy as np

from yolov3.detection.metrics.darknet_map import CONFIDENCE, IOU, Compared
from yolov3.detection.nms import iou

# How often an object of the first class was found as the second. None is nothing: an object that
# was not found, or a detection where no object is.
Confusion: TypeAlias = Counter[tuple[int | None, int | None]]


def confusion(
    pictures: Sequence[Compared], confidence: float = CONFIDENCE, iou_threshold: float = IOU
) -> Confusion:
    """Count pairs of an object and the detection on it, whatever the classes of both.

    Of the detections that score above ``confidence``, and overlap an object by more than
    ``iou_threshold``, pairs are taken by falling overlap, each object and each detection once. That
    of Darknet's counts is another rule: there classes are compared one by one. Difficult objects
    are no misses, and what is found on them is no mistake: such pairs are not counted.
    """
    result: Confusion = Counter()
    for picture in pictures:
        result += _of_one(picture, np.float32(confidence), np.float32(iou_threshold))
    return result


def _of_one(picture: Compared, confidence: np.float32, iou_threshold: np.float32) -> Confusion:
    likely = picture.scores > confidence
    boxes, labels = picture.boxes[likely], picture.labels[likely].tolist()
    # (objects, detections); what has no area overlaps nothing
    overlaps = np.zeros((len(picture.true_boxes), len(boxes)), np.float32)
    for i, box in enumerate(picture.true_boxes):
        overlaps[i] = np.nan_to_num(iou(box, boxes))
    truths, found = np.nonzero(overlaps > iou_threshold)
    order = np.argsort(-overlaps[truths, found], kind="stable")
    true_labels = picture.true_labels.tolist()
    free_truths, free_found = set(range(len(true_labels))), set(range(len(labels)))
    result: Confusion = Counter()
    for i, j in zip(truths[order].tolist(), found[order].tolist(), strict=True):
        if i in free_truths and j in free_found:
            free_truths.remove(i)
            free_found.remove(j)
            if not picture.difficult[i]:
                result[true_labels[i], labels[j]] += 1
    result.update((true_labels[i], None) for i in free_truths if not picture.difficult[i])
    result.update((None, labels[j]) for j in free_found)
    return result
