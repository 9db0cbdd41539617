#!/usr/bin/env python3
"""What conversion, loading and export cost, relative to copying and hashing the same file.

One picture through onnxruntime comes after them, beside a script that does nothing else; then
detection beside other engines: ``bench_detect`` says how. Give ``convert``, ``export``, ``picture``
or ``detect`` for one of the four.

Writes full-size files of random values (yolov3.weights has 248 MB) to a temporary folder and runs
whole processes on them, in rounds, so that a busy machine slows all. Prints medians and ratios.

Python keeps what it compiles, as it does for an installed program, in the temporary folder, from a
first run that does not count.
"""

import argparse
import hashlib
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import NamedTuple

from bench_times import in_turns, medians

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from converter.diagnosis.architectures import ARCHITECTURES  # noqa: E402 - after the path

SIZES = {"yolov3": 248_007_048, "yolov3-tiny": 35_434_956}


def write_weights(path: Path) -> None:
    """A .weights file of the right size for its name whose variances are not negative."""
    import numpy as np

    (known,) = (each for each in ARCHITECTURES if each.name == path.stem)
    floats = np.random.default_rng(0).random(known.floats(80), dtype="f4")
    path.write_bytes(b"\0\0\0\0\2\0\0\0" + bytes(12) + floats.tobytes())
    assert path.stat().st_size == SIZES[path.stem]


def copy_and_hash(source: Path, target: Path) -> None:
    """The baseline: cp, then SHA-256."""
    subprocess.run(["cp", source, target], check=True)
    with open(source, "rb", buffering=0) as file:
        hashlib.file_digest(file, "sha256")  # 256 KiB at a time


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


class Cost(NamedTuple):
    """Seconds: of processors, those of the processes that were started included; and passed."""

    processor: float
    seconds: float


def cost(run: Callable[[], None]) -> Cost:
    """What ``run`` takes."""

    def now() -> float:
        used = map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
        return sum(each.ru_utime + each.ru_stime for each in used)

    used, start = now(), time.perf_counter()
    run()
    return Cost(now() - used, time.perf_counter() - start)


LOAD = f"""
import os, sys, time
sys.path[:0] = [{str(ROOT)!r}, {str(ROOT / "scripts")!r}]
import torch
from bench import anonymous
from yolov3 import load
load(sys.argv[2])
before, start = anonymous(os.getpid()), time.perf_counter()
model = load(sys.argv[1])
print(time.perf_counter() - start, anonymous(os.getpid()) - before)
"""


# What anybody would write, for the boxes of one picture: no letterbox, no overlaps, no names.
TEN_LINES = """
import sys
import numpy as np
import onnxruntime
from PIL import Image, ImageDraw
session = onnxruntime.InferenceSession(sys.argv[1], providers=["CPUExecutionProvider"])
picture = Image.open(sys.argv[2]).convert("RGB")
x = np.asarray(picture.resize((416, 416)), np.float32).transpose(2, 0, 1)[None] / 255
boxes, scores = session.run(None, {"images": x})
for box in boxes[scores.max(2) > 0.25]:
    ImageDraw.Draw(picture).rectangle(box.tolist(), outline="red")
picture.save(sys.argv[3])
"""
IMPORTS = "import numpy, onnx, onnx.checker, onnx.helper, onnx.numpy_helper, onnx.shape_inference"


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", nargs="?", choices=(*BENCHES, "detect"), help="default: all")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--device", default="cpu", help="of detect, say cuda (default: cpu)")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        # The processes that follow keep what they compile, whatever the environment says.
        os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
        os.environ["PYTHONPYCACHEPREFIX"] = folder
        for what, bench_files in BENCHES.items():
            if arguments.what in (None, what):
                bench_files(arguments.rounds)
        if arguments.what in (None, "detect"):
            from bench_detect import bench  # late: it needs PyTorch, OpenCV and onnxruntime

            bench(arguments.rounds, arguments.device)


def bench_export(rounds: int) -> None:
    """From weights to ONNX that is not run afterwards: whole processes in turns.

    Memory is that above the imports, in times the file.
    """
    print(f"{'':32}{'processor':>10}{'ratio':>7}{'seconds':>9}{'memory':>8}")
    imports = peak_memory("-c", IMPORTS)
    for name, size in SIZES.items():
        with tempfile.TemporaryDirectory() as folder:
            weights, copy, output = (Path(folder, f"{name}{s}") for s in (".weights", "", ".onnx"))
            write_weights(weights)
            checkpoint = weights.with_suffix(".safetensors")
            script(ROOT / "scripts/convert.py", weights, "-q", "-o", checkpoint)
            export = (ROOT / "scripts/export.py", "-q", "--no-verify", "--force", "-o", output)
            sources = {f"{name}{each.suffix} to ONNX": each for each in (weights, checkpoint)}
            jobs = {f"{name}: cp + sha256": partial(copy_and_hash, weights, copy)}
            jobs |= {way: partial(script, *export, source) for way, source in sources.items()}
            costs = in_turns({way: partial(cost, job) for way, job in jobs.items()}, rounds)
            memory = {
                way: f"{(peak_memory(*export, source) - imports) * 1024 / size:.2f}"
                for way, source in sources.items()
            }
            used = {way: [each.processor for each in found] for way, found in costs.items()}
            for way, median, ratio in medians(used):
                passed = statistics.median(each.seconds for each in costs[way])
                print(f"{way:32}{median:10.2f}{ratio:7.2f}{passed:9.2f}{memory.get(way, ''):>8}")


def bench_picture(rounds: int) -> None:
    """Detection in one picture, on files of yolov3-tiny: whole processes in turns."""
    from bench_detect import write_network  # late: it needs PyTorch, OpenCV and onnxruntime

    photo = Path("/usr/share/darknet/data/dog.jpg")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        cfg, weights = write_network("yolov3-tiny", folder)
        maps, boxes = folder / "maps.onnx", folder / "boxes.onnx"
        export = (ROOT / "scripts/export.py", "-q", "--no-verify", weights, "--cfg", cfg)
        script(*export, "-o", maps)
        script(*export, "-o", boxes, "--layout", "boxes")
        detect = (ROOT / "scripts/detect.py", "-q", "--force", "-o", folder / "found")
        jobs = {
            "ten lines": partial(script, "-c", TEN_LINES, boxes, photo, folder / "found.jpg"),
            "detect .onnx": partial(script, *detect, maps, photo),
            "detect .weights": partial(script, *detect, weights, photo),
        }
        ways = {way: lambda job=job: cost(job).processor for way, job in jobs.items()}
        print(f"{'one picture':22}{'processor':>10}{'ratio':>7}")
        for way, median, ratio in medians(in_turns(ways, rounds)):
            print(f"{way:22}{median:10.2f}{ratio:7.2f}")


def bench_convert(rounds: int) -> None:
    """Whole processes in turns."""
    with tempfile.TemporaryDirectory() as folder:
        names = ("yolov3.weights", "o.safetensors", "copy")
        weights, output, copy = (Path(folder) / name for name in names)
        write_weights(weights)
        convert = (ROOT / "scripts/convert.py", weights, "-q", "-o", output)
        commands = {"convert": convert, "convert --no-verify": (*convert, "--no-verify")}
        jobs = {"cp + sha256": partial(copy_and_hash, weights, copy)}
        jobs |= {name: partial(script, *command) for name, command in commands.items()}

        def afresh(job: Callable[[], None]) -> float:
            for leftover in (output, copy):
                leftover.unlink(missing_ok=True)
            return cost(job).seconds

        ways = {name: partial(afresh, job) for name, job in jobs.items()}
        in_turns(ways, 1)
        print(f"{'':22}{'seconds':>8}{'ratio':>7}{'anonymous memory':>19}")
        for name, median, ratio in medians(in_turns(ways, rounds)):
            memory = ""
            if name in commands:
                output.unlink(missing_ok=True)
                memory = f"{peak_memory(*commands[name]) / 1024:.0f} MiB"
            print(f"{name:22}{median:8.3f}{ratio:7.2f}{memory:>19}")
        bench_load(output, Path(folder))


def bench_load(checkpoint: Path, folder: Path) -> None:
    """Time and memory of load(), after a first call on a small checkpoint has warmed PyTorch up."""
    small = folder / "small.safetensors"
    sample = ROOT / "tests/data/shapes/shapes.weights"
    script(ROOT / "scripts/convert.py", sample, "-q", "-o", small)
    done = subprocess.run(
        [sys.executable, "-c", LOAD, checkpoint, small], check=True, capture_output=True, text=True
    )
    seconds, memory = done.stdout.split()
    print(f"{'load':22}{float(seconds):8.3f}{'':7}{int(memory) / 1024:15.0f} MiB")


BENCHES = {"convert": bench_convert, "export": bench_export, "picture": bench_picture}

if __name__ == "__main__":
    main()
