"""The README's code runs as it stands."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from converter import convert

ROOT = Path(__file__).parents[1]
SHAPES = ROOT / "tests/data/shapes"
TRAINING = ROOT / "tests/yolov3/training/example.py"  # a minute; test_example.py runs it


def blocks(language: str, document: str = "README.md") -> list[str]:
    text = (ROOT / document).read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```$", text, flags=re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """Where a reader would be after the first block."""
    folder = tmp_path_factory.mktemp("readme")
    for name in ("shapes.weights", "shapes.cfg", "shapes.names"):
        shutil.copyfile(SHAPES / name, folder / name)
    shutil.copyfile(SHAPES / "images/0003.png", folder / "0003.png")
    convert(folder / "shapes.weights")
    return folder


BLOCKS = [
    (document, number)
    for document in ("README.md", "README.ko.md")
    for number in range(len(blocks("python", document)))
]


@pytest.mark.parametrize(
    ("document", "number"),
    [each for each in BLOCKS if blocks("python", each[0])[each[1]] != TRAINING.read_text()],
)
def test_python(folder, document, number):
    for left in ("back.weights", "saved.weights"):  # written by another test
        (folder / left).unlink(missing_ok=True)
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    code = blocks("python", document)[number]
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        cwd=folder, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


def test_the_example_of_training_is_the_one_that_is_run_elsewhere():
    assert TRAINING.read_text() in blocks("python")


def test_types(tmp_path):
    """Pyright, as many editors run it, has nothing to say about any block."""
    for document, number in BLOCKS:
        file = tmp_path / f"{document.replace('.', '_')}_{number}.py"
        file.write_text(blocks("python", document)[number])
    settings = {"typeCheckingMode": "basic", "extraPaths": [str(ROOT)]}
    (tmp_path / "pyrightconfig.json").write_text(json.dumps(settings))
    done = subprocess.run(
        [sys.executable, "-m", "pyright", "--pythonpath", sys.executable, "--project", tmp_path],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_gate_is_one_command():
    assert "scripts/check\n" in blocks("sh")
    assert (ROOT / ".ci/run").read_text().endswith("exec scripts/check\n")


@pytest.mark.slow
def test_a_new_user(tmp_path):
    """The first block, in a fresh clone and a fresh environment."""
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    for name in filter(None, listed.stdout.split("\0")):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / name, tmp_path / name)
    environment = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "VIRTUAL_ENV")}
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", blocks("sh")[0]],
        cwd=tmp_path, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert blocks("sh", "README.ko.md") == blocks("sh")[:1]
    assert "verified" in done.stdout
    assert done.stdout.splitlines()[-1].startswith("equal: 366 of 366 tensors")
