"""The README's example of a video, run on a generated clip."""

import os
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np

from converter import convert

ROOT = Path(__file__).parents[3]
SHAPES = ROOT / "tests/data/shapes"
EXAMPLE = Path(__file__).with_name("video.py")
PICTURE = SHAPES / "images/0003.png"
FRAMES = 4


def frames(path):
    clip = cv2.VideoCapture(str(path))
    found = []
    while (frame := clip.read()[1]) is not None:
        found.append(frame.astype(int))
    return found


def test_objects_are_framed_in_red(tmp_path):
    convert(SHAPES / "shapes.weights", tmp_path / "shapes.safetensors")
    picture = cv2.imread(str(PICTURE))
    height, width = picture.shape[:2]
    code = cv2.VideoWriter.fourcc(*"mp4v")
    clip = cv2.VideoWriter(str(tmp_path / "clip.mp4"), code, 5, (width, height))
    for _ in range(FRAMES):
        clip.write(picture)
    clip.release()
    subprocess.run(
        [sys.executable, "-W", "error", EXAMPLE],
        cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(ROOT)}, check=True,
    )  # fmt: skip
    plain, drawn = frames(tmp_path / "clip.mp4"), frames(tmp_path / "found.mp4")
    assert len(plain) == len(drawn) == FRAMES
    for before, after in zip(plain, drawn, strict=True):
        redder = (after - before) @ [-1, -1, 1] > 100
        # Of each true object, a box within 5 % of the picture: half of its upper side at least.
        for line in PICTURE.with_suffix(".txt").read_text().splitlines():
            x, y, w, h = (float(value) for value in line.split()[1:])
            left, right = int((x - w / 2) * width), int((x + w / 2) * width)
            top, near = int((y - h / 2) * height), height // 20
            side = redder[max(0, top - near) : top + near, max(0, left) : right]
            assert side.any(0).mean() > 0.5
        assert np.mean(redder) < 0.2  # lines and names alone
