"""Mean average precision of a detector, by COCO's rules and COCO's own code (pycocotools)."""

from __future__ import annotations

import contextlib
import importlib.metadata
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

import numpy as np

from converter.errors import ExtraError, UsageError, install
from yolov3.detection.dataset import Sample
from yolov3.detection.detect import Detector

COCO_POINTS = 101
MOST = 100  # detections of a picture that count: COCO's number


@dataclass(frozen=True, kw_only=True)
class Precision:
    """Average precision of one class, or the mean of all.

    Attributes:
        name: the class.
        objects: how many there are.
        ap50: area under the precision-recall curve at IoU 0.5, 0..1; None without objects.
        ap75: at IoU 0.75.
        ap: mean over IoU 0.50, 0.55, ... 0.95.
    """

    name: str
    objects: int
    ap50: float | None
    ap75: float | None
    ap: float | None


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """How well a detector does on labelled pictures.

    Attributes:
        images: pictures.
        detections: boxes that were found.
        mean: over the classes that have objects.
        classes: each class.
        rule: how the area is measured, and by what.
    """

    images: int
    detections: int
    mean: Precision
    classes: tuple[Precision, ...]
    rule: str

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
        }


def evaluate(
    find: Detector,
    samples: Sequence[Sample],
    *,
    points: int = COCO_POINTS,
    batch: int = 1,
    progress: Callable[[int], None] | None = None,
) -> Evaluation:
    """Detect on every picture, and compare with its labels as COCO does.

    Args:
        find: the detector; its threshold should be low (darknet's ``detector valid`` has 0.005).
        samples: the labelled pictures.
        points: recalls at which the precision is read off: COCO's 101, or another number; 0 is the
            whole area under the curve, darknet's own default (``detector map -points 0``, AB
            detector.c:1297).
        batch: how many pictures to compute at once.
        progress: is told how many pictures are done.

    Raises:
        ImageError: a picture cannot be used. None is skipped: that would be another result.
        UsageError: ``points`` makes no sense.
        ExtraError: pycocotools is not installed.
    """
    if points < 0 or points == 1:
        raise UsageError(f"points={points} must be 0, or at least 2")
    if find_spec("pycocotools") is None:
        raise ExtraError("evaluating needs pycocotools", remedy=install("evaluate"))
    sizes: list[tuple[int, int]] = []
    results: list[dict[str, Any]] = []
    for start in range(0, len(samples), batch):
        if progress:
            progress(start)
        pictures = [find.read(sample.path) for sample in samples[start : start + batch]]
        sizes += [(picture.shape[1], picture.shape[0]) for picture in pictures]
        for i, detections in enumerate(find(pictures), start=start):
            results += detections.to_coco(i)
    truth = _ground_truth(samples, sizes, find.names)
    each = _score(truth, results, points)
    counted = [row for row in each if row.objects]
    return Evaluation(
        images=len(samples),
        detections=len(results),
        mean=Precision(
            name="mean",
            objects=sum(row.objects for row in counted),
            **{at: _mean([getattr(row, at) for row in counted]) for at in ("ap50", "ap75", "ap")},
        ),
        classes=each,
        rule=_rule(points),
    )


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


def _score(
    truth: dict[str, Any], results: list[dict[str, Any]], points: int
) -> tuple[Precision, ...]:
    """The precision of each class."""
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
            # At each recall that is reached, precision counts for one object: the whole area.
            whole = np.arange(1, objects + 1) / max(objects, 1)
            run.params.recThrs = np.linspace(0, 1, points) if points else whole
            run.evaluate()
            run.accumulate()
            rows.append(_precision(category["name"], objects, run.eval["precision"]))
    return tuple(rows)


def _precision(name: str, objects: int, curves: Any) -> Precision:
    """Of precisions (IoU 0.50, 0.55, ... 0.95; recalls; 1; 1; 1)."""
    if not objects:
        return Precision(name=name, objects=0, ap50=None, ap75=None, ap=None)
    areas = curves.reshape(len(curves), -1).mean(1)
    return Precision(
        name=name,
        objects=objects,
        ap50=float(areas[0]),
        ap75=float(areas[5]),
        ap=float(areas.mean()),
    )


def _mean(values: list[float]) -> float | None:
    return sum(values) / len(values) if values else None


def _rule(points: int) -> str:
    how = f"precision at {points} recalls" if points else "the whole area under the curve"
    known = {COCO_POINTS: ", as COCO's", 0: ", as darknet's detector map"}.get(points, "")
    version = importlib.metadata.version("pycocotools")
    return f"{how}{known}; at most {MOST} detections a picture and class; pycocotools {version}"
