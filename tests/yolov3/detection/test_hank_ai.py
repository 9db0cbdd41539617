"""Boxes of hank-ai's engine: OpenCV's resizing, no letterbox, clipping, plain overlap."""

import json
import shutil
from pathlib import Path

import pytest

from converter import convert
from yolov3 import load
from yolov3.detection.detect import detect

DATA = Path(__file__).parents[2] / "data"
PHOTOGRAPHS = json.loads((DATA / "boxes" / "hank-ai.json").read_text())
HEADS = json.loads((DATA / "boxes" / "hank-ai-heads.json").read_text())


def require_same(found, expected, *, pixels: float, score: float) -> None:
    """Each of (class, probability, left, top, right, bottom) once, in whatever order."""
    assert len(found) == len(expected)
    left = [
        (label, probability, box)
        for label, probability, box in zip(
            found.labels.tolist(), found.scores.tolist(), found.boxes.tolist(), strict=True
        )
    ]
    for label, probability, *box in expected:
        match = [
            one
            for one in left
            if one[0] == label
            and one[1] == pytest.approx(probability, abs=score)
            and one[2] == pytest.approx(box, abs=pixels)
        ]
        assert match, (label, probability, box)
        left.remove(match[0])


@pytest.mark.parametrize("name", HEADS)
def test_boxes_of_small_networks(name, tmp_path):
    for suffix in (".cfg", ".weights"):
        shutil.copyfile(DATA / "heads" / (name + suffix), tmp_path / (name + suffix))
    model = load(convert(tmp_path / f"{name}.weights", dialect="hank-ai").output)
    for picture, expected in HEADS[name]["boxes"].items():
        found = detect(
            model, DATA / "shapes" / "images" / f"{picture}.png", HEADS[name]["threshold"]
        )
        # measured: 1.3e-4 pixels, 3e-7
        require_same(found, expected, pixels=1e-3, score=1e-5)


@pytest.mark.slow
def test_boxes_of_photographs(coco_tiny, tmp_path):
    checkpoint = tmp_path / "tiny.safetensors"
    convert(coco_tiny.weights, checkpoint, cfg=coco_tiny.cfg, dialect="hank-ai")
    model = load(checkpoint)
    for name, golden in PHOTOGRAPHS["pictures"].items():
        width, height = golden["size"]
        expected = [
            (label, probability, (x - w / 2) * width, (y - h / 2) * height,
             (x + w / 2) * width, (y + h / 2) * height)
            for label, probability, x, y, w, h in golden["boxes"]
        ]  # fmt: skip
        found = detect(model, Path("/usr/share/darknet/data", name), PHOTOGRAPHS["threshold"])
        # measured: 1.8e-4 pixels, 5.2e-6
        require_same(found, expected, pixels=1e-2, score=1e-4)
