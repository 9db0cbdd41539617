#!/usr/bin/env python3
"""The tests of ``converter`` on another Python, in an environment of its own, without PyTorch.

    python tests/pythons/run.py 3.12 [arguments for pytest]

PyTorch's registry has a small build for one Python here, and three gigabytes for the others. What
of the tests needs it, darknet, Chromium or full-size files is left out.
"""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = (
    "--editable",
    ".[remote,report]",
    "hypothesis",
    "mypy",
    "pillow",
    "pytest",
    "pytest-xdist",
)
TESTS = ("tests/converter", "tests/test_round_trip.py")
LEAST = 2000  # of them pass on each


def find(version: str) -> str:
    """The interpreter: on the path, or among those of pyenv."""
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    for candidate in (
        shutil.which(f"python{version}"),
        *sorted(pyenv.glob(f"versions/{version}.*/bin/python")),
    ):
        # pyenv has a stand-in for each, which only says that another one is chosen.
        if candidate and subprocess.run([candidate, "-V"], capture_output=True).returncode == 0:
            return str(candidate)
    sys.exit(
        f"python {version}: not found. Install it, with one of:\n"
        f"    pyenv install {version}\n"
        f"    apt-get install python{version}-venv"
    )


def main() -> int:
    """Prepare the environment and run the tests in it; 1 if any failed, or few ran."""
    version, *more = sys.argv[1:]
    folder = ROOT / f".venv-{version}"
    program = folder / "bin/python"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "tests")])}
    if not program.exists():
        subprocess.run([find(version), "-m", "venv", folder], check=True)
    pip = [program, "-m", "pip", "install", "--quiet", "--constraint", "tests/constraints.txt"]
    subprocess.run([*pip, *PACKAGES], cwd=ROOT, check=True)
    command = [
        program, "-m", "pytest", "-p", "pythons.without_torch", "-p", "no:cacheprovider",
        "--numprocesses", "2", "-m", "not slow and not engine and not browser", "-r", "fE",
    ]  # fmt: skip
    with subprocess.Popen(
        [*command, *(more or TESTS)], cwd=ROOT, env=environment, stdout=subprocess.PIPE,
        encoding="utf-8", errors="replace",
    ) as tests:  # fmt: skip
        last = ""
        for last in tests.stdout:
            print(last, end="", flush=True)
    if tests.returncode or more:
        return tests.returncode
    passed = re.search(r"(\d+) passed\b", last)
    if not passed or int(passed[1]) < LEAST:
        print(f"python {version}: fewer than {LEAST:,} tests passed")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
