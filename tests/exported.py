"""Exported detectors in onnxruntime, and the boxes that AlexeyAB's darknet gave of the same."""

import json
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch

from yolov3.detection.image import read
from yolov3.detection.prepare import prepare

DATA = Path(__file__).parent / "data"
PICTURES = DATA / "shapes" / "images"

# Small detectors, of which AlexeyAB's darknet gave the boxes.
KINDS = (
    "yolo", "yolo-two", "yolo-new-coords", "region", "gaussian", "gaussian-right-bottom",
)  # fmt: skip


def run_onnx(path, x):
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    return session.run(None, {"images": x.numpy()})


def answers(name):
    """What AlexeyAB's darknet was given, how large that is in the picture, and what it found."""
    golden = json.loads((DATA / "heads" / f"{name}.json").read_text())["boxes"]
    for picture, expected in golden.items():
        pixels = read(PICTURES / f"{picture}.png")
        height, width = pixels.shape[:2]
        # without letter_box the picture is stretched to the 96 x 64 of these networks
        yield tensor(prepare(pixels, 64, 96, "stretch")), (width / 96, height / 64), expected


def tensor(pixels):
    """(H, W, C) -> (1, C, H, W)."""
    return torch.from_numpy(pixels.transpose(2, 0, 1).copy())[None]


def contain(outputs, expected, *, scale):
    """``outputs`` are all boxes; each of (class, probability, left, top, right, bottom) is one.

    Tolerances: darknet and the others add up in another order (measured: 4e-6 in scores, and in
    boxes 1e-4 pixels or 1e-5 of their size; some are ten pictures large).
    """
    boxes, scores = (torch.from_numpy(np.asarray(y))[0].double() for y in outputs)
    boxes *= torch.tensor([*scale, *scale])
    assert expected
    assert boxes.isfinite().all()
    for label, probability, *sides in expected:
        wanted = torch.tensor(sides, dtype=torch.float64)
        nearest = (boxes - wanted).abs().amax(1).argmin()
        torch.testing.assert_close(
            boxes[nearest], wanted, atol=1e-3 + 1e-4 * float(wanted.abs().max()), rtol=0
        )
        assert scores[nearest, label] == pytest.approx(probability, abs=5e-5)
