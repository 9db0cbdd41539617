"""What pycocotools measures, COCO's own code: precision of each class, and the twelve figures."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from yolov3.detection.dataset import Sample

MOST = 100  # detections of a picture and class that count: COCO's number
# In the order of COCOeval.stats (pycocotools cocoeval.py summarize): average precision, by size of
# the objects (below 32 x 32 pixels, below 96 x 96, larger); recall with so many detections.
FIGURES = (
    "AP", "AP50", "AP75", "APs", "APm", "APl", "AR1", "AR10", "AR100", "ARs", "ARm", "ARl",
)  # fmt: skip


class CocoResult(NamedTuple):
    """What COCO's rule says.

    Attributes:
        objects: how many each class has, without crowds.
        areas: (10,) of each class, the average precision at IoU 0.50, 0.55, ... 0.95; None for a
            class without objects.
        figures: the value of each of ``FIGURES``, 0..1; None where there are none.
    """

    objects: list[int]
    areas: list[npt.NDArray[np.float64] | None]
    figures: dict[str, float | None]


def by_cocos_rule(truth: dict[str, Any], results: list[dict[str, Any]]) -> CocoResult:
    """Measure ``results``, as ``Detections.to_coco`` gives them, on the content of a COCO file."""
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    with contextlib.redirect_stdout(io.StringIO()):  # pycocotools reports on itself
        labelled, found = COCO(), COCO()
        labelled.dataset = truth
        labelled.createIndex()
        found.dataset = {**truth, "annotations": []}
        found.createIndex()
        if results:  # loadRes() of nothing is an IndexError
            found = labelled.loadRes(results)
        run = COCOeval(labelled, found, "bbox")
        run.evaluate()
        run.accumulate()
        run.summarize()
    objects = [0] * len(truth["categories"])
    for entry in truth["annotations"]:
        objects[entry["category_id"]] += not entry["iscrowd"]
    # (IoUs, 101 recalls, classes, 4 ranges of sizes, 3 numbers of detections): all sizes, 100
    precision = run.eval["precision"][:, :, :, 0, -1]
    return CocoResult(
        objects=objects,
        areas=[precision[:, :, i].mean(1) if count else None for i, count in enumerate(objects)],
        figures={
            name: float(value) if value >= 0 else None  # -1: there are none
            for name, value in zip(FIGURES, run.stats, strict=True)
        },
    )


def ground_truth(
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
                    "area": box[2] * box[3] if truth.area is None else truth.area,
                    "iscrowd": int(truth.crowd),
                }
            )
    return {
        "images": [{"id": i, "width": w, "height": h} for i, (w, h) in enumerate(sizes)],
        "categories": [{"id": i, "name": name} for i, name in enumerate(names)],
        "annotations": annotations,
    }
