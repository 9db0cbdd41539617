#!/usr/bin/env python3
"""Fuzz the readers of untrusted files, guided by coverage, from a corpus that is kept.

Prints for each target how many inputs were executed and how many edges of the code they reached
beyond those of the corpus. Fails if a target fails, or executed nothing.
"""

import argparse
import importlib
import os
import pkgutil
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

HERE = Path(__file__).resolve().parent
CORPUS = HERE / "corpus"
TARGETS = ("cfg", "weights", "checkpoint", "torch", "dataset")

# In the environment of a process that is the fuzzer of one target. Not an argument: libFuzzer
# starts itself again for some tasks, with its own arguments only.
CHOICE = "FUZZ_TARGET"

# libFuzzer's: a hang is more than 20 seconds for one input, a bomb more than 1 GB.
LIMITS = ("-timeout=20", "-rss_limit_mb=1024", "-max_len=8192")


def be(name: str) -> None:
    """Be the fuzzer of one target; does not return."""
    sys.path[:0] = [str(HERE), str(HERE.parent), str(HERE.parents[1])]
    import atheris

    if name == "cfg":  # a pattern that is hooked takes fewer arguments than json gives one
        atheris.enabled_hooks.add("RegEx")
    with atheris.instrument_imports(include=["converter", "yolov3.detection.datasets"]):
        converter = importlib.import_module("converter")
        # All of it: what is imported later is not instrumented.
        for module in pkgutil.walk_packages(converter.__path__, "converter."):
            if not module.name.startswith(("converter.report", "converter.cli")):
                importlib.import_module(module.name)
        function = importlib.import_module("targets").TARGETS[name]
    atheris.Setup(sys.argv, function)
    atheris.Fuzz()


def fuzzer(name: str, *options: str | Path) -> subprocess.CompletedProcess[str]:
    """Run the fuzzer of one target; ``stdout`` has all that it says."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    return subprocess.run(
        [Path(__file__).resolve(), *LIMITS, *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        check=False,
        env={**os.environ, CHOICE: name, "PATH": path},
    )


def run(name: str, seconds: int, *, grow: bool) -> bool:
    """Fuzz a target for so long; whether it survived."""
    with tempfile.TemporaryDirectory() as folder:
        found = Path(folder, "found")
        found.mkdir()
        limits = (f"-max_total_time={seconds}", f"-artifact_prefix={folder}/")
        done = fuzzer(name, *limits, "-print_final_stats=1", found, CORPUS / name)
        executed = re.search(r"number_of_executed_units:\s*(\d+)", done.stdout)
        edges = re.findall(r"(?:INITED|NEW|pulse|DONE|REDUCE)\s+cov: (\d+)", done.stdout)
        count = int(executed[1]) if executed else 0
        ok = done.returncode == 0 and count > 0 and len(edges) > 0
        new = int(edges[-1]) - int(edges[0]) if edges else 0
        reached = edges[-1] if edges else "no"
        print(f"{name}: {count:,} inputs executed, {new} new edges of {reached}", flush=True)
        if not ok:
            _report(done.stdout, Path(folder))
        elif grow:
            _merge(name, found, Path(folder, "merged"))
    return ok


def _report(output: str, folder: Path) -> None:
    """What went wrong, and the input that it went wrong with."""
    shown = [line for line in output.splitlines() if not line.startswith(("#", "INFO"))]
    print("\n".join(shown)[-6000:])
    for artifact in folder.glob("*-*"):
        print(f"{artifact.name}: {artifact.read_bytes()!r}")


def _merge(name: str, found: Path, merged: Path) -> None:
    """Make the corpus the few files that reach all edges of it and of ``found``."""
    merged.mkdir()
    done = fuzzer(name, "-merge=1", merged, CORPUS / name, found)
    kept = {path.name for path in merged.iterdir()}
    if done.returncode or not kept:
        raise RuntimeError(f"the corpus of {name} could not be merged: {done.stdout[-2000:]}")
    shutil.copytree(merged, CORPUS / name, dirs_exist_ok=True)
    for path in (CORPUS / name).iterdir():
        if path.name not in kept:
            path.unlink()


def main(argv: Sequence[str] | None = None) -> int:
    """Fuzz them all, two at a time."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=", ".join(TARGETS))
    parser.add_argument("--seconds", type=int, default=60, help="for each target")
    parser.add_argument("--jobs", type=int, default=2, help="targets at a time")
    parser.add_argument("--grow", action="store_true", help="keep what was found in the corpus")
    given = parser.parse_args(argv)
    with ThreadPoolExecutor(given.jobs) as pool:
        names = given.targets or TARGETS
        survived = list(pool.map(lambda name: run(name, given.seconds, grow=given.grow), names))
    failed = survived.count(False)
    print(f"fuzz: {len(survived) - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    if CHOICE in os.environ:
        be(os.environ[CHOICE])
    sys.exit(main())
