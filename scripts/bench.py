#!/usr/bin/env python3
"""What conversion and loading cost, relative to copying and hashing the same file.

Detection comes after it, beside other engines: ``bench_detect`` says how. Give ``convert`` or
``detect`` for one of the two.

Writes a full-size yolov3.weights of random values (248 MB) to a temporary folder and runs whole
processes on it, in rounds, so that a busy machine slows both sides. Prints medians and ratios.

Python keeps what it compiles, as it does for an installed program, in the temporary folder, from a
first run that does not count.
"""

import argparse
import hashlib
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from converter.diagnosis.architectures import ARCHITECTURES  # noqa: E402 - after the path

SIZE = 248_007_048


def write_weights(path: Path) -> None:
    """A yolov3.weights of the right size whose variances are not negative."""
    import numpy as np

    floats = np.random.default_rng(0).random(ARCHITECTURES[0].floats(80), dtype="f4")
    path.write_bytes(b"\0\0\0\0\2\0\0\0" + bytes(12) + floats.tobytes())
    assert path.stat().st_size == SIZE


def copy_and_hash(source: Path, target: Path) -> None:
    """The baseline: cp, then SHA-256."""
    subprocess.run(["cp", source, target], check=True)
    digest = hashlib.sha256()
    buffer = memoryview(bytearray(256 << 10))
    with open(source, "rb", buffering=0) as file:
        while count := file.readinto(buffer):
            digest.update(buffer[:count])


def keep_bytecode(folder: Path) -> None:
    """Have the processes that follow keep what they compile, whatever the environment says."""
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    os.environ["PYTHONPYCACHEPREFIX"] = str(folder)


def script(*arguments: object) -> None:
    """Run a script of this project."""
    command = [sys.executable, *map(str, arguments)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def peak_memory(*arguments: object) -> int:
    """Run it once more, watched: the peak of its anonymous memory, in KiB."""
    command = [sys.executable, *map(str, arguments)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    peak = 0
    while process.poll() is None:
        peak = max(peak, anonymous(process.pid))
        time.sleep(0.002)
    return peak


def anonymous(pid: int) -> int:
    """Anonymous memory of a process in KiB; 0 if it has just ended (Linux only)."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith("RssAnon")), 0)


def timed(run: Callable[[], None]) -> float:
    """Seconds that ``run`` took."""
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


LOAD = f"""
import sys, time
sys.path.insert(0, {str(ROOT)!r})
from pathlib import Path
import torch
from yolov3 import load
def anonymous():
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("RssAnon"))
load(sys.argv[2])
before, start = anonymous(), time.perf_counter()
model = load(sys.argv[1])
print(time.perf_counter() - start, anonymous() - before)
"""


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", nargs="?", choices=("convert", "detect"), help="default: both")
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    if arguments.what != "detect":
        bench_convert(arguments.rounds)
    if arguments.what != "convert":
        from bench_detect import bench  # late: it needs PyTorch, OpenCV and onnxruntime

        bench(arguments.rounds)


def bench_convert(rounds: int) -> None:
    """Whole processes in turns."""
    with tempfile.TemporaryDirectory() as folder:
        weights, output, copy = (Path(folder) / n for n in ("yolov3.weights", "o.st", "copy"))
        write_weights(weights)
        keep_bytecode(Path(folder) / "bytecode")
        convert = (ROOT / "scripts/convert.py", weights, "-q", "-o", output)
        commands = {"convert": convert, "convert --no-verify": (*convert, "--no-verify")}
        jobs: dict[str, Callable[[], None]] = {"cp + sha256": lambda: copy_and_hash(weights, copy)}
        for name, command in commands.items():
            jobs[name] = partial(script, *command)
        for job in jobs.values():
            job()
            output.unlink(missing_ok=True)
        times: dict[str, list[float]] = {name: [] for name in jobs}
        for _ in range(rounds):
            for name, job in jobs.items():
                for leftover in (output, copy):
                    leftover.unlink(missing_ok=True)
                times[name].append(timed(job))
        print(f"{'':22}{'seconds':>8}{'ratio':>7}{'anonymous memory':>19}")
        for name, found in times.items():
            ratio = statistics.median(
                a / b for a, b in zip(found, times["cp + sha256"], strict=True)
            )
            memory = ""
            if name in commands:
                output.unlink(missing_ok=True)
                memory = f"{peak_memory(*commands[name]) / 1024:.0f} MiB"
            print(f"{name:22}{statistics.median(found):8.3f}{ratio:7.2f}{memory:>19}")
        bench_load(output, Path(folder))


def bench_load(checkpoint: Path, folder: Path) -> None:
    """Time and memory of load(), after a first call on a small checkpoint has warmed PyTorch up."""
    small = folder / "small.safetensors"
    sample = ROOT / "tests/data/shapes/shapes.weights"
    subprocess.run(
        [sys.executable, ROOT / "scripts/convert.py", sample, "-q", "-o", small],
        check=True, stdout=subprocess.DEVNULL,
    )  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-c", LOAD, checkpoint, small], check=True, capture_output=True, text=True
    )
    seconds, memory = done.stdout.split()
    print(f"{'load':22}{float(seconds):8.3f}{'':7}{int(memory) / 1024:15.0f} MiB")


if __name__ == "__main__":
    main()
