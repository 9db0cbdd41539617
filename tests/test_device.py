"""The tests' own option --device."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ONE = "tests/yolov3/detection/test_detect.py::test_the_sample"


def pytest_run(*arguments: str) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("name", ["cuda:99", "99", "abacus"])
def test_one_that_is_not_there_is_refused_in_a_line(name):
    done = pytest_run("--device", name, ONE)
    assert done.returncode == pytest.ExitCode.USAGE_ERROR
    (line,) = filter(None, (done.stdout + done.stderr).splitlines())
    assert line.startswith(f"ERROR: --device {name}: ")


def test_the_cpu_is_there():
    done = pytest_run("--device", "cpu", ONE, "-k", "0003")
    assert done.returncode == 0, done.stdout
    assert "4 passed" in done.stdout
