#!/usr/bin/env python3
"""Change the program in one place at a time, thousands of times, and see whether the tests notice.

Runs mutmut, in a copy of the project, on the modules that decide which byte goes where and which
box is found, one module after the other: what must notice is the module's own test file, and those
beside it that ``TARGETS`` names. Fails if a mutant survives that ``survivors.txt`` does not excuse.

    tests/mutation/run.py                       all of them: an evening
    tests/mutation/run.py converter/plan.py     one, in minutes
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import chdir
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
EXCUSED = HERE / "survivors.txt"
# Seconds beside those that its tests take. mutmut waits 15 times both, and then takes a mutant for
# killed: on a busy machine that must not be one that only waits for its turn.
PATIENCE = 2


@dataclass(frozen=True)
class Target:
    """A module that is mutated, or several of one room.

    Attributes:
        files: its path below the root; a pattern for several.
        functions: a pattern for those of its functions that count.
        tests: what must notice, beside the modules' own test files: paths below ``tests``.
    """

    files: str
    functions: str = "*"
    tests: tuple[str, ...] = ()

    def every_test(self) -> list[str]:
        """The tests that must notice, below the root; the modules' own first."""
        modules = (path.relative_to(ROOT) for path in sorted(ROOT.glob(self.files)))
        own = [f"{p.parent}/test_{p.name}" for p in modules if not p.name.startswith("__")]
        return [f"tests/{name}" for name in (*own, *self.tests)]


LAYERS = ("converter/darknet/layers/test_layers.py", "test_round_trip.py")
# Not files/target.py: what replaces and removes files is not to be run at random by anybody who has
# something to lose, least of all by root.
TARGETS = (
    Target("converter/plan.py"),
    Target("converter/checkpoint/header.py"),
    Target("converter/checkpoint/payload.py"),
    Target("converter/checkpoint/metadata.py"),
    Target("converter/checkpoint/reader.py"),
    Target("converter/checkpoint/dtypes.py"),
    Target("converter/darknet/header.py"),
    Target("converter/darknet/cfg.py"),
    Target("converter/darknet/sizes.py"),
    Target("converter/darknet/nodes.py"),
    Target("converter/darknet/network.py"),
    Target("converter/darknet/layers/*.py", "*array*", LAYERS),
    Target("converter/darknet/layers/*.py", "bias_and_norm", LAYERS),
    Target("converter/families/rules.py"),
    Target("converter/families/matching.py"),
    Target("converter/families/template.py", tests=("converter/families/test_yolov3.py",)),
    Target("converter/families/yolov3.py"),
    Target("converter/files/hashing.py"),
    Target("converter/files/sniff.py"),
    Target("yolov3/detection/decode.py"),
    Target("yolov3/detection/nms.py"),
    Target("yolov3/detection/linear.py"),
)


def config(target: Target) -> str:
    """mutmut's settings for one target."""
    tests = "".join(f"    {name}\n" for name in target.every_test())
    return f"""\
[mutmut]
source_paths =
    converter
    yolov3
only_mutate =
    {target.files}
also_copy =
    scripts
pytest_add_cli_args =
    -p
    no:cacheprovider
    -p
    mutation_profile
    --hypothesis-profile=mutation
    -m
    not engine and not slow
pytest_add_cli_args_test_selection =
{tests}\
use_git_change_detection = false
timeout_constant = {PATIENCE}
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
    """What the tests need."""
    for name in ("converter", "scripts", "tests", "yolov3"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", folder)


def mutants(folder: Path, target: Target) -> Iterator[Mutant]:
    """Every mutant of a target's functions, in the copy of the project in ``folder``."""
    (folder / "setup.cfg").write_text(config(target))
    with chdir(folder):  # where mutmut finds its configuration
        from mutmut.mutation.file_mutation import mutate_file_contents
        from mutmut.utils.format_utils import get_mutant_name

        for path in sorted(Path().glob(target.files)):
            for mangled in mutate_file_contents(str(path), path.read_text()).mutant_names:
                # x_function__mutmut_1, xǁClassǁmethod__mutmut_1
                function = mangled.rpartition("__mutmut_")[0][2:].replace("ǁ", ".")
                if fnmatch(function, target.functions):
                    yield Mutant(get_mutant_name(path, mangled), path, function)


def survivor(folder: Path, mutant: Mutant) -> str:
    """A surviving mutant as its function and the line that it was given; mutants are renumbered.

    Removed lines alone are shown with a minus.
    """
    with chdir(folder):
        from mutmut.mutation.diff_apply import get_diff_for_mutant

        diff = get_diff_for_mutant(mutant.name, path=mutant.path).splitlines()
    added = [line[1:].strip() for line in diff if re.match(r"\+(?!\+)", line)]
    removed = [f"-{line[1:].strip()}" for line in diff if re.match(r"-(?!-)", line)]
    module = ".".join(mutant.path.with_suffix("").parts)
    return f"{module}.{mutant.function}: {' '.join(added or removed)}"


def test(folder: Path, target: Target, found: list[Mutant], jobs: int) -> list[Mutant]:
    """Those that survive of a target's mutants; exits if mutmut gives no verdict on one."""
    (folder / "setup.cfg").write_text(config(target))
    shutil.rmtree(folder / "mutants", ignore_errors=True)  # of the target before
    names = [mutant.name for mutant in found]
    printed = mutmut(folder, "run", "--max-children", str(jobs), *names)
    results = mutmut(folder, "results", "--all", "true")
    verdicts = dict(re.findall(r"^\s+(\S+__mutmut_\d+): (.+)$", results, re.MULTILINE))
    if any(verdicts.get(name, "not checked") == "not checked" for name in names):
        print(f"mutmut did not finish: {printed[-4000:]}")
        sys.exit(1)
    return [each for each in found if verdicts[each.name] not in ("killed", "timeout")]


def main() -> int:
    """Test the mutants, module by module, and compare those that survive with the list."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("files", nargs="*", help="modules by their paths; default: all targets")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes")
    arguments = parser.parse_args()
    unknown = set(arguments.files) - {target.files for target in TARGETS}
    if unknown:
        parser.error(f"not among the targets: {', '.join(sorted(unknown))}")
    excused = {line.rpartition("  # ")[0] for line in EXCUSED.read_text().splitlines()}
    met, tested, killed = set[str](), 0, 0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        copy_project(folder)
        for target in TARGETS:
            if arguments.files and target.files not in arguments.files:
                continue
            start = time.monotonic()
            found = list(mutants(folder, target))
            alive = test(folder, target, found, arguments.jobs)
            survivors = {survivor(folder, mutant) for mutant in alive}
            for text in sorted(survivors - excused):
                print(f"survived: {text}")
            dead, seconds = len(found) - len(alive), time.monotonic() - start
            print(f"{target.files}: {dead} of {len(found)} killed, {seconds:.0f} s", flush=True)
            met |= survivors
            tested, killed = tested + len(found), killed + dead
    gone = excused - met if not arguments.files else set()
    for text in sorted(gone):
        print(f"excused, but killed or gone: {text}")
    print(f"{killed} of {tested} mutants killed, {killed / tested:.1%}")
    ok = met <= excused and not gone
    print(f"mutation: {int(ok)} passed, {int(not ok)} failed")
    return 0 if ok else 1


if __name__ == "__main__":
    sys.exit(main())
