"""Many files at once."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from converter import UsageError, WeightsError
from converter.operations.batch import convert_many, find_sources

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


class TestSources:
    def test_a_folder_a_pattern_and_a_file(self, folder):
        files = [str(folder / f"s_{i}.weights") for i in (0, 1, 2, 3, 9)]
        assert find_sources([str(folder)]) == files
        assert find_sources([str(folder / "s_[01].weights")]) == files[:2]
        assert find_sources([files[3], str(folder)]) == [files[3], *files[:3], files[4]]

    def test_a_file_whose_name_looks_like_a_pattern(self, tmp_path):
        bracketed = tmp_path / "a[1].weights"
        bracketed.write_bytes(b"")
        assert find_sources([str(bracketed)]) == [str(bracketed)]

    def test_nothing_there(self, tmp_path):
        for argument in (tmp_path, tmp_path / "*.weights"):
            with pytest.raises(WeightsError, match=r"holds no \.weights file"):
                find_sources([str(argument)])
        assert find_sources(["missing.weights"]) == ["missing.weights"]

    def test_two_that_would_become_one_file(self, folder, tmp_path):
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
