"""What ``darknet detector map`` measures: validate_detector_map, AB detector.c:937.

AB is AlexeyAB/darknet@59596d7. Its rule differs from COCO's: the object of best overlap counts even
if another detection has it already, the overlap must be above the threshold, and the mean is over
all classes of the network.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from converter.records import dataclass
from yolov3.detection.image import Floats, Indices
from yolov3.detection.nms import iou

Flags: TypeAlias = npt.NDArray[np.bool_]

IOU = 0.5  # the default of -iou_thresh, AB detector.c:1970
CONFIDENCE = 0.25  # the default of -thresh, AB detector.c:1969


@dataclass(frozen=True, eq=False, kw_only=True)
class Compared:
    """The detections and the objects of one picture.

    Boxes are centre x, centre y, width, height, all in the same unit.

    Attributes:
        boxes: (N, 4) float32, of the detections.
        scores: (N,) float32, 0..1, falling.
        labels: (N,) integers, the classes, counted from 0.
        true_boxes: (M, 4) float32, of the objects.
        true_labels: (M,) integers.
        difficult: (M,) bool: objects that are left out, AB detector.c:1091.
    """

    boxes: Floats
    scores: Floats
    labels: Indices
    true_boxes: Floats
    true_labels: Indices
    difficult: Flags


@dataclass(frozen=True, eq=False, kw_only=True)
class Matches:
    """All detections by falling score, each with the object of its class that it overlaps best.

    Overlaps are intersections over union (IoU), 0..1; 0 without any object.

    Attributes:
        scores: (N,) float32.
        labels: (N,) integers.
        overlaps: (N,) float32, with that object, be it another detection's or not.
        objects: (N,) integers, which object of all pictures that is.
        difficult_overlaps: (N,) float32, the best with a difficult object.
        class_objects: (classes,) integers: how many objects there are, but for the difficult ones.
    """

    scores: Floats
    labels: Indices
    overlaps: Floats
    objects: Indices
    difficult_overlaps: Floats
    class_objects: Indices


@dataclass(frozen=True, eq=False, kw_only=True)
class Curve:
    """Precision over recall of one class, both 0..1, by falling score.

    Attributes:
        recall: (N,) float64, rising: the share of the objects that is found so far.
        precision: (N,) float64, falling: the largest one at that recall or above.
    """

    recall: npt.NDArray[np.float64]
    precision: npt.NDArray[np.float64]

    @property
    def area(self) -> float:
        """Under the curve, 0..1: AB detector.c:1297-1315."""
        return float((np.diff(self.recall, prepend=0) * self.precision).sum())


@dataclass(frozen=True, kw_only=True)
class Counts:
    """What is right and wrong above a score, by Darknet's rule: AB detector.c:1155-1174, 1350.

    Attributes:
        confidence: the score, 0..1.
        tp: true positives: objects that are found.
        fp: false positives: detections of nothing, or of an object that a likelier one has. Those
            of difficult objects are among them: AB drops them from the curve, not from here.
        fn: false negatives: objects that are not found.
        precision: tp / (tp + fp); None without detections, where Darknet prints "nan".
        recall: tp / (tp + fn); None without objects.
        f1: harmonic mean of both; None without both, or if both are 0.
        mean_iou: "average IoU": the sum of the true positives' over tp + fp (AB detector.c:1203);
            0 without detections.
    """

    confidence: float
    tp: int
    fp: int
    fn: int
    precision: float | None
    recall: float | None
    f1: float | None
    mean_iou: float

    def as_dict(self) -> dict[str, Any]:
        """As part of what ``evaluate --json`` prints."""
        return asdict(self)


def match(pictures: Sequence[Compared], classes: int) -> Matches:
    """Compare each detection with the objects of its picture and class: AB detector.c:1122-1136.

    Detections of one score keep their order.
    """
    parts = [_match(picture) for picture in pictures]
    starts = np.cumsum([0, *(len(picture.true_labels) for picture in pictures)])
    scores = _joined([picture.scores for picture in pictures], np.float32)
    order = np.argsort(-scores, kind="stable")
    objects = [best + start for (_, best, _), start in zip(parts, starts[:-1], strict=True)]
    counted = [picture.true_labels[~picture.difficult] for picture in pictures]
    return Matches(
        scores=scores[order],
        labels=_joined([picture.labels for picture in pictures], np.intp)[order],
        overlaps=_joined([overlaps for overlaps, _, _ in parts], np.float32)[order],
        objects=_joined(objects, np.intp)[order],
        difficult_overlaps=_joined([overlaps for _, _, overlaps in parts], np.float32)[order],
        class_objects=np.bincount(_joined(counted, np.intp), minlength=classes),
    )


def _joined(parts: Sequence[npt.NDArray[Any]], dtype: type) -> npt.NDArray[Any]:
    return np.concatenate([np.empty(0, dtype), *parts])  # of no pictures, too


def _match(picture: Compared) -> tuple[Floats, Indices, Floats]:
    """Of each detection the best overlap, its object, and the best overlap with a difficult one."""
    best, difficult = np.zeros((2, len(picture.scores)), np.float32)
    objects = np.zeros(len(picture.scores), np.intp)
    for i, (box, label) in enumerate(zip(picture.true_boxes, picture.true_labels, strict=True)):
        same = np.flatnonzero(picture.labels == label)
        overlaps = iou(box, picture.boxes[same])
        so_far = difficult if picture.difficult[i] else best
        # Of equal ones the first stays; NaN, of boxes without area, is not above either.
        better = overlaps > so_far[same]
        so_far[same[better]] = overlaps[better]
        if not picture.difficult[i]:
            objects[same[better]] = i
    return best, objects, difficult


def average_precisions(
    matches: Matches, points: int = 0, iou_threshold: float = IOU
) -> list[float]:
    """The average precision of each class, 0..1; 0 without objects. Their mean is Darknet's mAP.

    That mean is over all classes of the network, AB detector.c:1359.

    Args:
        matches: what was found, by falling score.
        points: recalls from 0 to 1 at which precision is read off: Pascal VOC's 11, COCO's 101; 0
            is the whole area under the curve, the default of -points (AB detector.c:1957).
        iou_threshold: what an overlap must be above, 0..1.
    """
    return [_average_precision(curve, points) for curve in curves(matches, iou_threshold)]


def curves(matches: Matches, iou_threshold: float = IOU) -> list[Curve]:
    """The curve of each class; without detections or objects it has no points.

    Darknet's has a place for each detection of any class; those of other classes repeat the values
    before them, and add nothing.
    """
    hit, first = _found(matches, iou_threshold)
    # What is found on a difficult object, and on no other, is left out: AB detector.c:1143-1152.
    counted = hit | ~(matches.difficult_overlaps > np.float32(iou_threshold))
    return [
        _curve(first[counted & (matches.labels == label)], objects)
        for label, objects in enumerate(matches.class_objects.tolist())
    ]


def _curve(right: Flags, objects: int) -> Curve:
    """Of one class: whether each detection, by falling score, is a true positive."""
    tp = np.cumsum(right if objects else right[:0])
    # The largest precision at that recall or above: AB detector.c:1306 and 1327
    precision = np.maximum.accumulate((tp / np.arange(1, len(tp) + 1))[::-1])[::-1]
    return Curve(recall=tp / max(objects, 1), precision=precision)


def _average_precision(curve: Curve, points: int) -> float:
    if not points:
        return curve.area
    # The quotient as in AB detector.c:1321: linspace() rounds otherwise, and recalls can be equal.
    at = np.searchsorted(curve.recall, np.arange(points) / (points - 1))
    return float(np.append(curve.precision, 0)[at].mean())


def counts(matches: Matches, confidence: float = CONFIDENCE, iou_threshold: float = IOU) -> Counts:
    """What is right and wrong among the detections of all classes that score above ``confidence``.

    A picture's detections are taken by falling score. Darknet takes them in the order that NMS of
    the last class left: of two on one object another one may then be the right one, which changes
    ``mean_iou``, and if only one of them is above ``confidence`` also ``tp``.
    """
    _, first = _found(matches, iou_threshold)
    likely = matches.scores > np.float32(confidence)
    return _counts(matches, likely, first, int(matches.class_objects.sum()), confidence)


def class_counts(matches: Matches, confidence: float = CONFIDENCE) -> list[Counts]:
    """The same of each class; Darknet prints its TP and FP (AB detector.c:1344)."""
    _, first = _found(matches, IOU)
    likely = matches.scores > np.float32(confidence)
    return [
        _counts(matches, likely & (matches.labels == label), first, objects, confidence)
        for label, objects in enumerate(matches.class_objects.tolist())
    ]


def _counts(
    matches: Matches, likely: Flags, first: Flags, objects: int, confidence: float
) -> Counts:
    """Of the detections ``likely``, of which those in ``first`` are right."""
    detections, tp = int(likely.sum()), int((likely & first).sum())
    overlap = float(matches.overlaps[likely & first].sum(dtype=np.float64))
    return Counts(
        confidence=confidence,
        tp=tp,
        fp=detections - tp,
        fn=objects - tp,
        precision=tp / detections if detections else None,
        recall=tp / objects if objects else None,
        # 2PR / (P + R), without rounding twice
        f1=2 * tp / (detections + objects) if tp else None,
        mean_iou=overlap / detections if detections else 0.0,
    )


def _found(matches: Matches, iou_threshold: float) -> tuple[Flags, Flags]:
    """Which detections are on an object, and which is its likeliest: AB detector.c:1253."""
    hit = matches.overlaps > np.float32(iou_threshold)
    first = np.zeros(len(hit), np.bool_)
    where = np.flatnonzero(hit)
    first[where[np.unique(matches.objects[where], return_index=True)[1]]] = True
    return hit, first
