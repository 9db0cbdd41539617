"""The example of training in tests/README.md, and darknet goes on with its result."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from darknet_trainer import go_on
from drawn_shapes import draw

from converter import convert
from yolov3 import load
from yolov3.detection.datasets import read_dataset
from yolov3.detection.detect import Detector
from yolov3.detection.evaluate import evaluate
from yolov3.detection.in_torch import TorchModel
from yolov3.parity.engines import Darknet

ROOT = Path(__file__).parents[3]
SHAPES = ROOT / "tests/data/shapes"
EXAMPLE = Path(__file__).with_name("example.py")
SEEDED = "import runpy, sys, torch; torch.manual_seed(0); runpy.run_path(sys.argv[1])"

pytestmark = pytest.mark.slow  # a minute of training


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """Where the example has run: 480 drawn pictures, none of the sample's own."""
    folder = tmp_path_factory.mktemp("example")
    for name in ("shapes.weights", "shapes.cfg", "shapes.names"):
        shutil.copyfile(SHAPES / name, folder / name)
    convert(folder / "shapes.weights")
    draw(folder / "train", 480, seed=7)
    subprocess.run(
        [sys.executable, "-W", "error", "-c", SEEDED, EXAMPLE],
        cwd=folder, env={**os.environ, "PYTHONPATH": str(ROOT)}, check=True,
    )  # fmt: skip
    return folder


def test_it_finds_what_is_on_the_validation_pictures(folder):
    model = load(convert(folder / "tuned.weights", force=True).output)
    found = Detector(TorchModel(model), 0.005, 0.45)
    result = evaluate(found, read_dataset(SHAPES / "val", 3, None), points=0, batch=16)
    assert result.images == 60
    assert result.mean.ap50 > 0.9


@pytest.mark.engine
def test_darknet_runs_it(folder):
    engine = Darknet(folder / "tuned.cfg", folder / "tuned.weights")
    model = load(convert(folder / "tuned.weights", force=True).output, bn="pjreddie-cpu")
    x = torch.rand(1, 3, 192, 192, generator=torch.Generator().manual_seed(0))
    layers = engine.run(x[0].numpy())
    with torch.no_grad():
        maps = model(x)
    for index, each in zip((105, 93, 81), maps, strict=True):
        # One order of additions against another: relative L2 of 75 convolutions.
        assert np.linalg.norm(each[0].numpy() - layers[index]) <= 1e-5 * np.linalg.norm(
            layers[index]
        )


@pytest.mark.engine
def test_darknet_goes_on_training_it(folder):
    go_on(folder, "tuned", folder / "train")
