#!/usr/bin/env python3
"""Change the program in a thousand ways, one at a time, and see whether the tests notice.

Runs mutmut on the modules that decide which byte goes where, in a copy of the project. Fails if
less than 90 % of the mutants are killed, or if one survives that ``survivors.txt`` does not excuse.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
EXCUSED = HERE / "survivors.txt"
LEAST = 0.9

MODULES = ("darknet/cfg", "plan", "families/yolov3")
TESTS = ("darknet/test_cfg", "test_plan", "families/test_families", "test_edges", "test_errors")

CONFIG = f"""\
[mutmut]
source_paths = converter
only_mutate =
{"".join(f"    converter/{name}.py{chr(10)}" for name in MODULES)}\
also_copy =
    scripts
    yolov3
pytest_add_cli_args =
    -p
    no:cacheprovider
    -p
    mutation_profile
pytest_add_cli_args_test_selection =
{"".join(f"    tests/converter/{name}.py{chr(10)}" for name in TESTS)}\
use_git_change_detection = false
"""


def mutmut(folder: Path, *arguments: str) -> str:
    """What mutmut says, run on the copy of the project in ``folder``."""
    path = os.pathsep.join([str(HERE), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        [sys.executable, "-m", "mutmut", *arguments], cwd=folder, text=True, check=False,
        env={**os.environ, "PYTHONPATH": path}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    return done.stdout


def copy_project(folder: Path) -> None:
    """What the tests need, and mutmut's configuration."""
    for name in ("converter", "scripts", "tests", "yolov3"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", folder)
    (folder / "setup.cfg").write_text(CONFIG)


def survivor(folder: Path, mutant: str) -> str:
    """A surviving mutant as its function and the line that it was given; mutants are renumbered.

    Removed lines alone are shown with a minus.
    """
    diff = mutmut(folder, "show", mutant).splitlines()
    added = [line[1:].strip() for line in diff if re.match(r"\+(?!\+)", line)]
    removed = [f"-{line[1:].strip()}" for line in diff if re.match(r"-(?!-)", line)]
    function = re.sub(r"\.x_|__mutmut_\d+$", lambda m: "." if m[0] == ".x_" else "", mutant)
    return f"{function}: {' '.join(added or removed)}"


def main() -> int:
    """Test the mutants and compare those that survive with the list."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes")
    jobs = parser.parse_args().jobs
    excused = {line.split("  # ")[0] for line in EXCUSED.read_text().splitlines()}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        copy_project(folder)
        told = mutmut(folder, "run", "--max-children", str(jobs))
        results = mutmut(folder, "results", "--all", "true")
        verdicts = re.findall(r"^\s+(\S+__mutmut_\d+): (.+)$", results, re.MULTILINE)
        if not verdicts or "not checked" in dict(verdicts).values():
            print(f"mutmut did not finish: {told[-4000:]}")
            return 1
        killed = sum(verdict in ("killed", "timeout") for _, verdict in verdicts)
        alive = [mutant for mutant, verdict in verdicts if verdict not in ("killed", "timeout")]
        survivors = sorted(survivor(folder, mutant) for mutant in alive)
    new = [text for text in survivors if text not in excused]
    for text in new:
        print(f"survived: {text}")
    print(f"{killed} of {len(verdicts)} mutants killed, {killed / len(verdicts):.1%}")
    ok = not new and killed >= LEAST * len(verdicts)
    print(f"mutation: {int(ok)} passed, {int(not ok)} failed")
    return 0 if ok else 1


if __name__ == "__main__":
    sys.exit(main())
