#!/usr/bin/env python3
"""Change the program in one place at a time, hundreds of times, and see whether the tests notice.

Runs mutmut, in a copy of the project, on the modules that decide which byte goes where: every
mutant of a function that the branch changed, and a fixed sample of all others. Fails if less than
90 % of them are killed, or if one survives that ``survivors.txt`` does not excuse.
"""

import argparse
import ast
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import chdir
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from zlib import crc32

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
EXCUSED = HERE / "survivors.txt"
LEAST = 0.9
MOST = 700  # mutants of one run
SAMPLE = 5  # one of so many, of those that the branch did not change

# Below converter: files, and the functions in them.
MUTATED = (
    ("darknet/cfg.py", "*"),
    ("darknet/header.py", "*"),
    ("darknet/layers/*.py", "*arrays"),
    ("darknet/layers/*.py", "bias_and_norm"),
    ("families/*.py", "*"),
    ("plan.py", "*"),
    ("checkpoint/header.py", "*"),
    ("checkpoint/payload.py", "*"),
)
# Below tests/converter: what must notice.
TESTS = (
    "darknet",
    "families",
    "checkpoint",
    "operations/test_conversion.py",
    "operations/test_convert.py",
    "operations/test_revert.py",
    "test_plan.py",
    "test_errors.py",
)

CONFIG = f"""\
[mutmut]
source_paths = converter
only_mutate =
{"".join(f"    converter/{name}{chr(10)}" for name in dict(MUTATED))}\
also_copy =
    scripts
    yolov3
pytest_add_cli_args =
    -p
    no:cacheprovider
    -p
    mutation_profile
    -m
    not engine and not slow
pytest_add_cli_args_test_selection =
{"".join(f"    tests/converter/{name}{chr(10)}" for name in TESTS)}\
use_git_change_detection = false
"""


@dataclass(frozen=True)
class Mutant:
    """One change of one function.

    Attributes:
        name: mutmut's: module, mangled function and number.
        path: of its file, below the root.
        function: the function, or Class.method.
    """

    name: str
    path: Path
    function: str


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


def mutants(folder: Path) -> Iterator[Mutant]:
    """Every mutant of the functions of ``MUTATED``, in the copy of the project in ``folder``."""
    with chdir(folder):  # where mutmut finds its configuration
        from mutmut.mutation.file_mutation import mutate_file_contents
        from mutmut.utils.format_utils import get_mutant_name

        for path in sorted(Path("converter").rglob("*.py")):
            chosen = [
                functions for file, functions in MUTATED if fnmatch(str(path), f"converter/{file}")
            ]
            if not chosen:
                continue
            for mangled in mutate_file_contents(str(path), path.read_text()).mutant_names:
                function = mangled.rpartition("__mutmut_")[0].lstrip("x").lstrip("_ǁ")
                function = function.replace("ǁ", ".")
                if any(fnmatch(function, functions) for functions in chosen):
                    yield Mutant(get_mutant_name(path, mangled), path, function)


def git(*arguments: str) -> str | None:
    """What git says of the checkout; None if it fails, or this is no checkout."""
    try:
        done = subprocess.run(
            ["git", *arguments], cwd=ROOT, text=True, check=False, capture_output=True
        )
    except OSError:
        return None
    return done.stdout if done.returncode == 0 else None


def base_commit() -> str | None:
    """The commit that the branch began at; on main itself, the one before the last."""
    head = (git("rev-parse", "HEAD") or "").strip()
    base = (git("merge-base", "HEAD", "origin/main") or "").strip()
    if base and base != head:
        return base
    return (git("rev-parse", "--verify", "--quiet", "HEAD~1") or "").strip() or None


def changed_lines(diff: str) -> dict[Path, set[int]]:
    """The lines of each file that a diff without context (``-U0``) adds, or deletes before."""
    found: dict[Path, set[int]] = {}
    lines: set[int] = set()
    for line in diff.splitlines():
        if line.startswith("+++ b/"):
            lines = found.setdefault(Path(line.removeprefix("+++ b/")), set())
        elif line.startswith("+++ "):
            lines = set()  # of a file that is gone
        elif match := re.match(r"@@ -\S+ \+(\d+)(?:,(\d+))? @@", line):
            first, count = int(match[1]), int(match[2] or 1)
            lines.update(range(first, first + max(count, 1)))
    return found


def changed_functions(text: str, lines: set[int]) -> set[str]:
    """The functions and methods of a module that have one of the lines."""
    found = set()
    for node in ast.parse(text).body:
        inside = [node] if isinstance(node, ast.FunctionDef) else getattr(node, "body", [])
        prefix = f"{node.name}." if isinstance(node, ast.ClassDef) else ""
        for function in inside:
            if isinstance(function, ast.FunctionDef) and any(
                function.lineno <= line <= (function.end_lineno or 0) for line in lines
            ):
                found.add(prefix + function.name)
    return found


def changed() -> dict[Path, set[str]]:
    """The functions that the branch changed, by file; none where that cannot be known."""
    base = base_commit()
    diff = git("diff", "-U0", "--find-renames", base, "--", "converter") if base else None
    return {
        path: changed_functions((ROOT / path).read_text(), lines)
        for path, lines in changed_lines(diff or "").items()
        if path.suffix == ".py"
    }


def choose(found: list[Mutant], touched: dict[Path, set[str]]) -> tuple[list[Mutant], int]:
    """The mutants to test, at most ``MOST``; and how many there are of changed functions.

    Which are in the sample follows from their names alone.
    """
    number = {mutant: crc32(mutant.name.encode()) for mutant in found}
    first, rest = [], []
    for mutant in sorted(found, key=number.__getitem__):
        if mutant.function in touched.get(mutant.path, ()):
            first.append(mutant)
        elif number[mutant] % SAMPLE == 0:
            rest.append(mutant)
    # If the branch changed much, half is left for the rest.
    room = max(MOST - len(rest), MOST // 2)
    return (first[:room] + rest)[:MOST], len(first)


def survivor(folder: Path, mutant: str) -> str:
    """A surviving mutant as its function and the line that it was given; mutants are renumbered.

    Removed lines alone are shown with a minus.
    """
    diff = mutmut(folder, "show", mutant).splitlines()
    added = [line[1:].strip() for line in diff if re.match(r"\+(?!\+)", line)]
    removed = [f"-{line[1:].strip()}" for line in diff if re.match(r"-(?!-)", line)]
    function = re.sub(r"\.x_|__mutmut_\d+$", lambda m: "." if m[0] == ".x_" else "", mutant)
    function = function.replace(".xǁ", ".").replace("ǁ", ".")
    return f"{function}: {' '.join(added or removed)}"


def test(folder: Path, names: list[str], jobs: int) -> dict[str, str]:
    """The verdict on each mutant; exits if mutmut gives none."""
    printed = mutmut(folder, "run", "--max-children", str(jobs), *names)
    results = mutmut(folder, "results", "--all", "true")
    verdicts = dict(re.findall(r"^\s+(\S+__mutmut_\d+): (.+)$", results, re.MULTILINE))
    if not names or any(verdicts.get(name, "not checked") == "not checked" for name in names):
        print(f"mutmut did not finish: {printed[-4000:]}")
        sys.exit(1)
    return {name: verdicts[name] for name in names}


def main() -> int:
    """Test the mutants and compare those that survive with the list."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes")
    parser.add_argument("--all", action="store_true", help="every mutant, which takes an hour")
    parser.add_argument("--only", default="*", metavar="GLOB", help="mutants whose name fits")
    arguments = parser.parse_args()
    excused = {line.split("  # ")[0] for line in EXCUSED.read_text().splitlines()}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        copy_project(folder)
        every = [mutant for mutant in mutants(folder) if fnmatch(mutant.name, arguments.only)]
        chosen, fresh = (every, 0) if arguments.all else choose(every, changed())
        print(
            f"{len(chosen)} of {len(every)} mutants; {fresh} are of changed functions", flush=True
        )
        verdicts = test(folder, [mutant.name for mutant in chosen], arguments.jobs)
        alive = [name for name, verdict in verdicts.items() if verdict not in ("killed", "timeout")]
        survivors = sorted(survivor(folder, mutant) for mutant in alive)
    new = [text for text in survivors if text not in excused]
    for text in new:
        print(f"survived: {text}")
    if arguments.all and arguments.only == "*":
        for text in sorted(excused.difference(survivors)):
            print(f"excused, but killed or gone: {text}")
    killed = len(verdicts) - len(alive)
    print(f"{killed} of {len(verdicts)} mutants killed, {killed / len(verdicts):.1%}")
    ok = not new and killed >= LEAST * len(verdicts)
    print(f"mutation: {int(ok)} passed, {int(not ok)} failed")
    return 0 if ok else 1


if __name__ == "__main__":
    sys.exit(main())
