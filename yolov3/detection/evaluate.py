"""Mean average precision of a detector: by COCO's rule and code (pycocotools), or by Darknet's."""

from __future__ import annotations

import importlib.metadata
import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import field
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from converter.errors import UsageError, install
from converter.notebook import Record
from converter.options import PathLike
from converter.records import dataclass
from yolov3.detection.dataset import Categories, Dataset, Sample
from yolov3.detection.datasets import read_dataset
from yolov3.detection.decode import Runner
from yolov3.detection.detect import Detector, runner_of
from yolov3.detection.detections import Detections
from yolov3.detection.image import Floats
from yolov3.detection.metrics import darknet_map
from yolov3.detection.metrics.coco_map import MOST, by_cocos_rule, ground_truth
from yolov3.detection.metrics.confusion import Confusion, confusion

if TYPE_CHECKING:
    from torch import nn

IOUS = tuple(i / 100 for i in range(50, 100, 5))
COUNTS_RULE = "Darknet's: of all detections above the score, IoU above 0.5"
LEAST_SCORE = 0.005  # of what is found at all, AB detector.c:1002

log = logging.getLogger("yolov3")


@dataclass(frozen=True, kw_only=True)
class Precision:
    """Average precision of one class, or the mean of all.

    Attributes:
        name: the class.
        objects: how many there are.
        ap50: area under the precision-recall curve at IoU 0.5, 0..1. Without objects it is None
            by COCO's rule, which leaves such a class out of the mean, and 0 by Darknet's.
        ap75: at IoU 0.75.
        ap: mean over IoU 0.50, 0.55, ... 0.95.
    """

    name: str
    objects: int
    ap50: float | None
    ap75: float | None
    ap: float | None


@dataclass(frozen=True, kw_only=True, repr=False)
class Evaluation(Record):
    """How well a detector does on labelled pictures.

    Attributes:
        images: pictures.
        detections: boxes that were found.
        mean: over the classes that have objects by COCO's rule, over all by Darknet's.
        classes: each class.
        rule: of ``mean`` and ``classes``: whose it is, how the area is measured, and by what.
        counts: what is right and wrong above a score, always by Darknet's rule, at IoU 0.5.
        class_counts: the same of each class.
        curves: precision over recall of each class, by Darknet's rule at IoU 0.5.
        confusion: which class was found for which above that score, at IoU 0.5.
        coco: COCO's twelve figures, by their names; None by Darknet's rule.
        categories: how a dataset's were taken for classes; None where it has no names.
    """

    images: int
    detections: int
    mean: Precision
    classes: tuple[Precision, ...]
    rule: str
    counts: darknet_map.Counts
    class_counts: tuple[darknet_map.Counts, ...]
    curves: tuple[darknet_map.Curve, ...] = field(repr=False, compare=False)
    confusion: Confusion = field(repr=False)
    coco: Mapping[str, float | None] | None
    categories: Categories | None

    shown = "images", "mean.objects", "detections", "rule", "mean.ap50", "mean.ap75", "mean.ap"

    def as_dict(self) -> dict[str, Any]:
        """The object that ``evaluate --json`` prints."""
        return {
            "schema": 1,
            "images": self.images,
            "objects": self.mean.objects,
            "detections": self.detections,
            "rule": self.rule,
            "mAP50": self.mean.ap50,
            "mAP75": self.mean.ap75,
            "mAP50:95": self.mean.ap,
            "classes": [
                {
                    "name": row.name,
                    "objects": row.objects,
                    "AP50": row.ap50,
                    "AP75": row.ap75,
                    "AP50:95": row.ap,
                    "counts": right_and_wrong.as_dict(),
                }
                for row, right_and_wrong in zip(self.classes, self.class_counts, strict=True)
            ],
            "coco": self.coco,
            "counts": {"rule": COUNTS_RULE, **self.counts.as_dict()},
            "confusion": [
                {"class": truth, "found": found, "count": count}
                for (truth, found), count in self.confusion.most_common()
            ],
            "categories": self.categories.as_dict() if self.categories else None,
        }


def evaluate(
    find: Detector | nn.Module | Runner,
    dataset: Dataset | PathLike,
    *,
    points: int | None = None,
    threshold: float = darknet_map.CONFIDENCE,
    batch: int = 1,
    progress: Callable[[int], None] | None = None,
) -> Evaluation:
    """Detect on every picture, and compare with its labels.

    Instead of a detector and a dataset a model (from ``load``, or an ``OnnxModel``) and a path will
    do: they are read by ``read_dataset``, and found from the score ``LEAST_SCORE`` on.

    Args:
        find: the detector; its threshold should be low: ``LEAST_SCORE`` is Darknet's.
        dataset: the labelled pictures.
        points: None is COCO's rule, by pycocotools, or Darknet's if that is not installed. A number
            is Darknet's rule, and what its ``detector map -points`` takes: 0 is the whole area
            under the curve, 11 and 101 are as many recalls at which the precision is read off.
        threshold: the score above which right and wrong are counted, darknet's ``-thresh``.
        batch: how many pictures to compute at once.
        progress: called with the number of pictures that are done.

    Raises:
        ImageError: a picture cannot be used. None is skipped: that would be another result.
        UsageError: ``points`` or ``threshold`` makes no sense.
    """
    if not 0 <= threshold <= 1:
        raise UsageError(f"threshold={threshold} is outside 0 to 1")
    if points is not None and (points < 0 or points == 1):
        raise UsageError(f"points={points} must be 0, or at least 2")
    if points is None and find_spec("pycocotools") is None:
        log.warning("by Darknet's rule, since COCO's needs pycocotools: %s", install("evaluate"))
        points = 0
    if not isinstance(find, Detector):
        find = Detector(runner_of(find), LEAST_SCORE, nms=0.45)
    if not isinstance(dataset, Dataset):
        dataset = read_dataset(Path(dataset), len(find.names), find.names)
    samples = dataset.samples
    sizes: list[tuple[int, int]] = []
    found: list[Detections] = []
    for start in range(0, len(samples), batch):
        if progress:
            progress(start)
        pictures = [find.read(sample.path) for sample in samples[start : start + batch]]
        sizes += [(picture.shape[1], picture.shape[0]) for picture in pictures]
        found += find(pictures)
    compared = [_compared(*each) for each in zip(samples, sizes, found, strict=True)]
    names = dataset.names or find.names
    matches = darknet_map.match(compared, len(names))
    if points is None:
        results = [entry for i, each in enumerate(found) for entry in each.to_coco(i)]
        coco = by_cocos_rule(ground_truth(samples, sizes, names), results)
        objects, areas, figures, rule = coco.objects, coco.areas, coco.figures, _cocos_rule()
    else:
        objects, figures, rule = matches.class_objects.tolist(), None, _darknets_rule(points)
        by_iou = [darknet_map.average_precisions(matches, points, iou) for iou in IOUS]
        areas = list(np.array(by_iou).T)
    classes = tuple(_precision(*row) for row in zip(names, objects, areas, strict=True))
    return Evaluation(
        images=len(samples),
        detections=sum(map(len, found)),
        mean=Precision(
            name="mean",
            objects=sum(objects),
            ap50=_mean(row.ap50 for row in classes),
            ap75=_mean(row.ap75 for row in classes),
            ap=_mean(row.ap for row in classes),
        ),
        classes=classes,
        rule=rule,
        counts=darknet_map.counts(matches, threshold),
        class_counts=tuple(darknet_map.class_counts(matches, threshold)),
        curves=tuple(darknet_map.curves(matches)),
        confusion=confusion(compared, threshold),
        coco=figures,
        categories=dataset.categories,
    )


def _compared(sample: Sample, size: tuple[int, int], found: Detections) -> darknet_map.Compared:
    """As Darknet compares them: in parts of the picture.

    Its labels have no crowds: they are taken for difficult objects.
    """
    boxes = found.boxes.astype(np.float64) / (size * 2)
    truths = sample.truths
    true_boxes = np.array([truth.box for truth in truths], np.float64).reshape(-1, 4)
    if not sample.relative:
        true_boxes /= size * 2
    return darknet_map.Compared(
        boxes=_centred(boxes[:, :2], boxes[:, 2:] - boxes[:, :2]),
        scores=found.scores,
        labels=found.labels,
        true_boxes=_centred(true_boxes[:, :2], true_boxes[:, 2:]),
        true_labels=np.array([truth.label for truth in truths], np.intp),
        difficult=np.array([truth.difficult or truth.crowd for truth in truths], np.bool_),
    )


def _centred(corners: npt.NDArray[np.float64], sizes: npt.NDArray[np.float64]) -> Floats:
    with np.errstate(over="ignore", invalid="ignore"):  # boxes of a random network may be huge
        boxes: Floats = np.hstack([corners + sizes / 2, sizes]).astype(np.float32)
    return boxes


def _precision(name: str, objects: int, areas: npt.NDArray[np.float64] | None) -> Precision:
    """Of the average precision at each of ``IOUS``."""
    if areas is None:
        return Precision(name=name, objects=objects, ap50=None, ap75=None, ap=None)
    return Precision(
        name=name,
        objects=objects,
        ap50=float(areas[0]),
        ap75=float(areas[5]),
        ap=float(areas.mean()),
    )


def _mean(values: Iterable[float | None]) -> float | None:
    """Of the classes that have one."""
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None


def _cocos_rule() -> str:
    version = importlib.metadata.version("pycocotools")
    return (
        "COCO's: precision at 101 recalls, mean of the classes that have objects, at most"
        f" {MOST} detections a picture and class; pycocotools {version}"
    )


def _darknets_rule(points: int) -> str:
    how = f"precision at {points} recalls" if points else "the whole area under the curve"
    return f"Darknet's: {how}, mean of all classes, as detector map -points {points}"
