"""What a model has to be shared with, and which class a shared model is of."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch

from converter import CheckpointError, convert
from yolov3 import Darknet53, DarknetModel, YOLOv3, load


@pytest.fixture
def folder(sample, tmp_path):
    load(convert(sample.weights).output).save_pretrained(tmp_path / "folder")
    return tmp_path / "folder"


@pytest.mark.parametrize("cls", [Darknet53, DarknetModel])
def test_another_class_is_named_before_anything_is_built(folder, cls):
    with pytest.raises(CheckpointError) as caught:
        cls.from_pretrained(folder)
    assert str(caught.value) == (
        f"{folder}: holds a YOLOv3, not a {cls.__name__} (use YOLOv3.from_pretrained)"
    )


def test_a_class_of_ones_own_is_built(folder):
    class Mine(YOLOv3):
        def forward(self, x):
            return super().forward(x)[:1]

    model = Mine.from_pretrained(folder)
    assert type(model) is Mine
    x = torch.rand(1, 3, 64, 64)
    with torch.no_grad():
        (found,), (expected, *_) = model(x), load(folder)(x)
    assert torch.equal(found, expected)


def test_sharing_imports_no_model():
    code = (
        "import sys; import yolov3.sharing.pretrained; import yolov3.sharing.hub;"
        "print(*(name for name in ('model', 'darknet', 'backbone', 'loading')"
        " if 'yolov3.' + name in sys.modules))"
    )
    root = Path(__file__).parents[3]
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True
    )
    assert done.stdout == "\n"
