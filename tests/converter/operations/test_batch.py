"""Many files at once."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from converter import UsageError
from converter.operations.batch import convert_many

SCRIPT = Path(__file__).parents[3] / "scripts/convert.py"


@pytest.fixture
def folder(sample, tmp_path) -> Path:
    """Four copies of the sample that share a cfg, and one that is cut."""
    made = tmp_path / "weights"
    made.mkdir()
    shutil.copyfile(sample.cfg, made / "s.cfg")
    for i in range(4):
        shutil.copyfile(sample.weights, made / f"s_{i}.weights")
    (made / "s_9.weights").write_bytes(sample.weights.read_bytes()[:5000])
    return made


def convert(*arguments) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, SCRIPT, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_two_that_would_become_one_file(folder, tmp_path):
    other = tmp_path / "s_1.weights"
    shutil.copyfile(folder / "s_1.weights", other)
    with pytest.raises(UsageError, match="would be written to the same file"):
        list(convert_many([str(folder / "s_1.weights"), str(other)], tmp_path, {}, 1))


def test_the_same_bytes_as_one_by_one(folder, tmp_path):
    assert convert(folder / "s_[0-3].weights", "-o", tmp_path / "out", "-j", 2).returncode == 0
    assert convert(folder / "s_0.weights", "-o", tmp_path / "alone.safetensors").returncode == 0
    alone = (tmp_path / "alone.safetensors").read_bytes()
    assert all(p.read_bytes() == alone for p in (tmp_path / "out").iterdir())


def test_interrupted(folder, tmp_path):
    """Ctrl-C reaches the whole process group; nothing half-written stays."""
    for i in range(60):
        shutil.copyfile(folder / "s_0.weights", folder / f"s_{100 + i}.weights")
    process = subprocess.Popen(
        [sys.executable, SCRIPT, folder, "-o", tmp_path / "out", "-j", "2"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip
    process.stdout.readline()
    time.sleep(0.05)
    os.killpg(process.pid, signal.SIGINT)
    _, errors = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "Traceback" not in errors
    assert not [name for name in os.listdir(tmp_path / "out") if name.startswith(".")]


def test_workers_end_with_their_parent(folder, tmp_path):
    """Whoever reads its output would otherwise wait for ever."""
    process = subprocess.Popen(
        [sys.executable, SCRIPT, folder, "-o", tmp_path / "out", "-j", "2"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    process.stdout.readline()
    process.kill()
    process.communicate(timeout=30)  # until the last process has closed the pipes
