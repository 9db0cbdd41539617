"""Mean average precision of a detector: by COCO's rule and code (pycocotools), or by Darknet's."""

from __future__ import annotations

import contextlib
import importlib.metadata
import io
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from converter.errors import UsageError, install
from converter.notebook import Record
from converter.options import PathLike
from yolov3.detection.darknet_map import Compared, Counts, average_precisions, counts, match
from yolov3.detection.dataset import Categories, Dataset, Sample
from yolov3.detection.datasets import read_dataset
from yolov3.detection.decode import Runner
from yolov3.detection.detect import Detector, runner_of
from yolov3.detection.detections import Detections
from yolov3.detection.nms import Floats

if TYPE_CHECKING:
    from torch import nn

MOST = 100  # detections of a picture and class that count: COCO's number
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
        categories: how COCO's were taken for classes; None in YOLO's format.
    """

    images: int
    detections: int
    mean: Precision
    classes: tuple[Precision, ...]
    rule: str
    counts: Counts
    categories: Categories | None

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
                }
                for row in self.classes
            ],
            "counts": {"rule": COUNTS_RULE, **self.counts.as_dict()},
            "categories": self.categories.as_dict() if self.categories else None,
        }


def evaluate(
    find: Detector | nn.Module | Runner,
    dataset: Dataset | PathLike,
    *,
    points: int | None = None,
    batch: int = 1,
    progress: Callable[[int], None] | None = None,
) -> Evaluation:
    """Detect on every picture, and compare with its labels.

    Instead of a detector and a dataset a model (from ``load``, or an ``OnnxModel``) and a path will
    do: they are read by ``read_dataset``, and found from the score ``LEAST_SCORE`` on.

    Args:
        find: the detector; its threshold should be low (darknet's ``detector map`` has 0.005, AB
            detector.c:1002).
        dataset: the labelled pictures.
        points: None is COCO's rule, by pycocotools, or Darknet's if that is not installed. A number
            is Darknet's rule, and what its ``detector map -points`` takes: 0 is the whole area
            under the curve, 11 and 101 are as many recalls at which the precision is read off.
        batch: how many pictures to compute at once.
        progress: called with the number of pictures that are done.

    Raises:
        ImageError: a picture cannot be used. None is skipped: that would be another result.
        UsageError: ``points`` makes no sense.
    """
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
    matches = match(compared, len(find.names))
    if points is None:
        results = [entry for i, each in enumerate(found) for entry in each.to_coco(i)]
        classes = _by_cocos_rule(_ground_truth(samples, sizes, find.names), results)
        averaged, rule = [row for row in classes if row.objects], _cocos_rule()
    else:
        areas = np.array([average_precisions(matches, points, iou) for iou in IOUS])
        columns = zip(find.names, matches.class_objects.tolist(), areas.T, strict=True)
        classes = [_precision(*column) for column in columns]
        averaged, rule = classes, _darknets_rule(points)
    return Evaluation(
        images=len(samples),
        detections=sum(map(len, found)),
        mean=Precision(
            name="mean",
            objects=sum(row.objects for row in classes),
            **{at: _mean([getattr(row, at) for row in averaged]) for at in ("ap50", "ap75", "ap")},
        ),
        classes=tuple(classes),
        rule=rule,
        counts=counts(matches),
        categories=dataset.categories,
    )


def _compared(sample: Sample, size: tuple[int, int], found: Detections) -> Compared:
    """As Darknet compares them: in parts of the picture.

    Its labels have no crowds: they are taken for difficult objects.
    """
    boxes = found.boxes.astype(np.float64) / (size * 2)
    truths = sample.truths
    true_boxes = np.array([truth.box for truth in truths], np.float64).reshape(-1, 4)
    if not sample.relative:
        true_boxes /= size * 2
    return Compared(
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


def _ground_truth(
    samples: Sequence[Sample], sizes: Sequence[tuple[int, int]], names: Sequence[str]
) -> dict[str, Any]:
    """The labels as the content of a COCO file; classes and pictures are numbered from 0."""
    annotations: list[dict[str, Any]] = []
    for i, (sample, size) in enumerate(zip(samples, sizes, strict=True)):
        unit = np.array(size * 2 if sample.relative else (1, 1, 1, 1), np.float64)
        for truth in sample.truths:
            box = (np.array(truth.box) * unit).tolist()
            annotations.append(
                {
                    # From 1: to pycocotools a match with annotation 0 is none (cocoeval.py dtm).
                    "id": len(annotations) + 1,
                    "image_id": i,
                    "category_id": truth.label,
                    "bbox": box,
                    "area": box[2] * box[3],
                    "iscrowd": int(truth.crowd),
                }
            )
    return {
        "images": [{"id": i, "width": w, "height": h} for i, (w, h) in enumerate(sizes)],
        "categories": [{"id": i, "name": name} for i, name in enumerate(names)],
        "annotations": annotations,
    }


def _by_cocos_rule(truth: dict[str, Any], results: list[dict[str, Any]]) -> list[Precision]:
    """The precision of each class, as pycocotools has it."""
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    rows = []
    with contextlib.redirect_stdout(io.StringIO()):  # pycocotools reports on itself
        labelled, found = COCO(), COCO()
        labelled.dataset = truth
        labelled.createIndex()
        found.dataset = {**truth, "annotations": []}
        found.createIndex()
        if results:  # loadRes() of nothing is an IndexError
            found = labelled.loadRes(results)
        run = COCOeval(labelled, found, "bbox")
        run.params.maxDets = [MOST]
        run.params.areaRng, run.params.areaRngLbl = run.params.areaRng[:1], ["all"]
        for category in truth["categories"]:
            objects = sum(
                entry["category_id"] == category["id"] and not entry["iscrowd"]
                for entry in truth["annotations"]
            )
            run.params.catIds = [category["id"]]
            run.evaluate()
            run.accumulate()
            # Precisions (IoU 0.50, 0.55, ... 0.95; recalls; 1; 1; 1)
            areas = run.eval["precision"].reshape(len(IOUS), -1).mean(1)
            rows.append(_precision(category["name"], objects, areas if objects else None))
    return rows


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


def _mean(values: list[float]) -> float | None:
    return sum(values) / len(values) if values else None


def _cocos_rule() -> str:
    version = importlib.metadata.version("pycocotools")
    return (
        "COCO's: precision at 101 recalls, mean of the classes that have objects, at most"
        f" {MOST} detections a picture and class; pycocotools {version}"
    )


def _darknets_rule(points: int) -> str:
    how = f"precision at {points} recalls" if points else "the whole area under the curve"
    return f"Darknet's: {how}, mean of all classes, as detector map -points {points}"
