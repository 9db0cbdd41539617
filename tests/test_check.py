"""The gate's own command, with stand-ins for the programs that it runs."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PROGRAMS = ("python", "ruff", "mypy", "lint-imports", "pytest", "darknet", "chromium")

# Says how it was called, and fails where FAILING names it.
STAND_IN = """\
#!/bin/sh
echo "$(basename "$0") $*" >>"$CALLS"
test "$(basename "$0")" != "$FAILING"
"""


class Gate:
    """A checkout with the gate's command, and an active environment with stand-ins."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "checkout"
        self.programs = folder / "environment/bin"
        self.calls = folder / "calls"
        for name in ("scripts/check", "pyproject.toml", "tests/constraints.txt"):
            (self.root / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, self.root / name)
        self.programs.mkdir(parents=True)
        for name in PROGRAMS:
            (self.programs / name).write_text(STAND_IN)
            (self.programs / name).chmod(0o755)

    def __call__(self, *arguments: str, failing: str = "", path: str | None = None):
        environment = {
            **os.environ,
            "PATH": f"{self.programs}{os.pathsep}{os.defpath}" if path is None else path,
            "VIRTUAL_ENV": str(self.programs.parent),
            "CALLS": str(self.calls),
            "FAILING": failing,
        }
        self.calls.write_text("")
        return subprocess.run(
            [sys.executable, self.root / "scripts/check", *arguments],
            env=environment, capture_output=True, text=True, check=False,
        )  # fmt: skip

    def called(self) -> list[str]:
        return self.calls.read_text().splitlines()


@pytest.fixture
def gate(tmp_path) -> Gate:
    return Gate(tmp_path)


@pytest.fixture
def prepared(gate) -> Gate:
    assert gate("types").returncode == 0
    return gate


def test_the_versions_are_installed_once(gate):
    pip = "python -m pip install --quiet --constraint tests/constraints.txt --editable .[test]"
    assert gate("types").returncode == 0
    assert gate.called() == [pip, "mypy "]
    gate("types")
    assert gate.called() == ["mypy "]
    with (gate.root / "tests/constraints.txt").open("a") as pins:
        pins.write("another==1\n")
    gate("types")
    assert gate.called() == [pip, "mypy "]


def test_versions_that_cannot_be_installed_stop_it(gate):
    done = gate("types", failing="python")
    assert done.returncode == 1
    assert done.stderr.startswith("check: python -m pip install")
    assert len(gate.called()) == 1
    gate("types")
    assert len(gate.called()) == 2  # tried again


def test_all_parts_run_in_order_and_the_failing_one_is_named(prepared):
    done = prepared(failing="ruff")
    assert done.returncode == 1
    assert [line.split()[0] for line in prepared.called()] == [
        "ruff", "ruff", "mypy", "lint-imports", "pytest", "python", "python", "python", "python",
    ]  # fmt: skip
    *summary, last = done.stdout.splitlines()[-9:]
    assert [(line.split()[0], line.split()[-1]) for line in summary] == [
        ("lint", "FAILED"), ("types", "passed"), ("contract", "passed"), ("tests", "passed"),
        ("package", "passed"), ("python3.12", "passed"), ("python3.13", "passed"),
        ("fuzz", "passed"),
    ]  # fmt: skip
    assert last == "check: 7 passed, 1 failed"


def test_what_follows_a_part_goes_to_its_program(prepared):
    assert prepared("tests", "-k", "plan", "lint").returncode == 0
    assert prepared.called() == ["pytest --numprocesses 2 --durations 20 -k plan lint"]


def test_the_other_pythons_are_named(prepared):
    assert prepared("python3.12", "python3.13").returncode == 0
    assert prepared.called() == [
        "python tests/pythons/run.py 3.12", "python tests/pythons/run.py 3.13",
    ]  # fmt: skip


def test_a_python_that_is_not_there(tmp_path):
    done = subprocess.run(
        [sys.executable, ROOT / "tests/pythons/run.py", "3.99"],
        env={**os.environ, "PYENV_ROOT": str(tmp_path)}, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert done.stderr.startswith("python 3.99: not found. Install it, with one of:\n    pyenv ")


@pytest.mark.parametrize(
    "arguments", [["test"], ["-k", "plan"], ["lint", "types", "-v"], ["lint", "--fix"]]
)
def test_what_is_no_part_is_refused(prepared, arguments):
    done = prepared(*arguments)
    assert done.returncode == 2
    assert done.stderr.startswith("check: '")
    assert prepared.called() == []


def test_without_root_or_apt_it_says_what_to_install(prepared, tmp_path):
    done = prepared("tests", path=str(tmp_path))
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == "    apt-get update && apt-get install darknet chromium"
    assert prepared.called() == []
    assert prepared("portable", path=f"{tmp_path}:/usr/bin:/bin").returncode == 0
