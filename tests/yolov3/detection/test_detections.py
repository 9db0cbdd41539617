"""What detect() answers, in the forms of others."""

import json
import sys
from types import SimpleNamespace

import numpy as np
import pytest

from converter import ExtraError
from yolov3 import Detections

FOUND = Detections(
    boxes=np.float32([[10, 20, 14, 50], [-1, 0, 3, 2.5]]),
    scores=np.float32([0.75, 0.5]),
    labels=np.int64([2, 0]),
    names=("triangle", "circle"),
)


def test_coco_has_corner_and_size():
    entries = FOUND.to_coco(7)
    assert entries == [
        {"image_id": 7, "category_id": 2, "bbox": [10, 20, 4, 30], "score": 0.75},
        {"image_id": 7, "category_id": 0, "bbox": [-1, 0, 4, 2.5], "score": 0.5},
    ]
    json.dumps(entries)  # numbers of Python, not of NumPy


def test_coco_has_ids_of_its_own_for_classes():
    assert [e["category_id"] for e in FOUND.to_coco(7, [10, 20, 30])] == [30, 10]


def test_supervision_gets_corners_and_names(monkeypatch):
    """The fields of supervision.Detections (0.31.2)."""
    made = SimpleNamespace(Detections=lambda **fields: SimpleNamespace(**fields))
    monkeypatch.setitem(sys.modules, "supervision", made)
    theirs = FOUND.to_supervision()
    np.testing.assert_array_equal(theirs.xyxy, [[10, 20, 14, 50], [-1, 0, 3, 2.5]])
    np.testing.assert_array_equal(theirs.confidence, np.float32([0.75, 0.5]))
    np.testing.assert_array_equal(theirs.class_id, [2, 0])
    assert theirs.data["class_name"].tolist() == ["triangle", "circle"]


def test_without_supervision_one_line_says_so(monkeypatch):
    monkeypatch.setitem(sys.modules, "supervision", None)
    with pytest.raises(ExtraError, match="supervision is not installed"):
        FOUND.to_supervision()
