"""The command lines that run a network."""

from __future__ import annotations

import argparse
import glob
import logging
import os
import sys
from collections.abc import Iterator, Sequence
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import torch

from converter import store
from converter.command import parser, print_json, run
from converter.errors import DarknetError, ImageError, OutputError, UsageError, printable
from converter.layers import Shape
from converter.source import read_names
from yolov3.blocks import BATCH_NORM_RULES
from yolov3.dataset import labels_of, pictures_in, read_dataset
from yolov3.detect import Detector
from yolov3.detections import Detections
from yolov3.draw import draw
from yolov3.evaluate import COCO_POINTS, Evaluation, evaluate
from yolov3.image import Pixels
from yolov3.load import load

log = logging.getLogger("yolov3")


def detect_main(argv: Sequence[str] | None = None) -> int:
    """``detect.py``: what is on pictures."""
    made = parser(
        "detect.py",
        "Find what is on pictures, and draw it on copies of them.",
        (
            "detect.py yolov3.safetensors dog.jpg",
            "detect.py yolov3-tiny.safetensors photos/ -o found --threshold 0.5",
            "detect.py yolov3.safetensors dog.jpg --bn pjreddie-cpu --json",
        ),
    )
    _add_model_options(made, threshold=0.25)
    made.add_argument("image", metavar="IMAGE", nargs="+", help="picture, folder, or pattern")
    made.add_argument(
        "-o", "--output", metavar="DIR", default="detections", help="folder for the drawn copies"
    )
    made.add_argument(
        "--save-txt", action="store_true", help="also write labels as darknet reads them (.txt)"
    )
    return run(_detect, made, argv)


def evaluate_main(argv: Sequence[str] | None = None) -> int:
    """``evaluate.py``: mean average precision."""
    made = parser(
        "evaluate.py",
        "Measure a detector's mean average precision on labelled pictures.",
        (
            "evaluate.py shapes.safetensors shapes/val/",
            "evaluate.py yolov3.safetensors instances_val2017.json --images val2017/",
        ),
    )
    _add_model_options(made, threshold=0.005)
    made.add_argument(
        "dataset", metavar="DATASET", help="folder in YOLO's or COCO's format, or COCO's JSON file"
    )
    made.add_argument("--images", metavar="DIR", type=Path, help="pictures of COCO's JSON file")
    made.add_argument(
        "--points",
        type=int,
        default=COCO_POINTS,
        metavar="N",
        help="recalls at which precision is read off (default 101, COCO's); 0: the whole area"
        " under the curve, as darknet's detector map",
    )
    return run(_evaluate, made, argv)


def _detect(arguments: argparse.Namespace) -> int:
    paths = _expand(arguments.image)
    targets = _targets(paths, Path(arguments.output))
    find = _detector(arguments)
    failed = False
    rows: list[dict[str, Any]] = []
    for outcome in _found(find, paths, arguments):
        if isinstance(outcome, ImageError):
            failed = True
            print(f"error: {outcome}", file=sys.stderr)
            continue
        path, pixels, detections = outcome
        _write(targets[path], pixels, detections, labels=arguments.save_txt)
        if arguments.json:
            rows.append(_row(path, pixels, detections))
        else:
            _print(path, detections, arguments.threshold)
    if arguments.json:
        print_json({"schema": 1, "images": rows})
    return 1 if failed else 0


def _evaluate(arguments: argparse.Namespace) -> int:
    find = _detector(arguments)
    names = find.names
    samples = read_dataset(Path(arguments.dataset), len(names), names, arguments.images)
    progress = _Progress(arguments, len(samples))
    result = evaluate(
        find,
        samples,
        points=arguments.points,
        batch=arguments.batch,
        progress=progress.show,
    )
    progress.clear()
    if arguments.json:
        print_json(result.as_dict())
    else:
        _print_evaluation(result)
    return 0


def _add_model_options(made: argparse.ArgumentParser, *, threshold: float) -> None:
    made.add_argument("checkpoint", metavar="CHECKPOINT", help=".safetensors file from convert.py")
    made.add_argument(
        "--threshold", type=float, default=threshold, help=f"least score (default {threshold})"
    )
    made.add_argument(
        "--nms",
        type=float,
        default=0.45,
        help="overlap from which only the likelier of two boxes of a class stays (default 0.45)",
    )
    made.add_argument("--names", metavar="FILE", help="class names (default: the checkpoint's)")
    made.add_argument("--device", default="cpu", help="where to compute, say cuda (default cpu)")
    made.add_argument("--batch", type=int, default=1, metavar="N", help="pictures at once")
    made.add_argument(
        "--bn",
        choices=BATCH_NORM_RULES,
        default="torch",
        help="rule of batch norm: PyTorch's, or that of pjreddie's darknet on the CPU",
    )
    made.add_argument(
        "--resize",
        choices=("letterbox", "stretch"),
        help="how a picture becomes the network's input (default: as its engine does)",
    )
    made.add_argument(
        "--compile", action="store_true", help="torch.compile: pays from some hundred pictures on"
    )


def _detector(arguments: argparse.Namespace) -> Detector:
    """The checkpoint, made ready to compute fast."""
    if arguments.batch < 1:
        raise UsageError(f"--batch {arguments.batch} must be at least 1")
    model = load(arguments.checkpoint, arguments.bn, device=_device(arguments.device))
    if arguments.names is not None:
        model.names = read_names(Path(arguments.names), model.network.classes)
    if arguments.bn == "torch":
        # It changes scores by less than 1e-5; who asks for the other rule wants them as they are.
        model = model.fuse()
    model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # not in its stubs
    if arguments.compile:
        from torch._inductor import config  # late: its import takes a second

        # Weights become constants, packed once as oneDNN wants them: a tenth faster.
        config.freezing = True
        model.compile()
    find = Detector(model, arguments.threshold, arguments.nms, arguments.resize)
    if arguments.compile:
        _warm_up(find, model.network.input, arguments.batch)
    return find


def _device(name: str) -> torch.device:
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        # What a build without CUDA raises is an AssertionError.
        raise UsageError(f"--device {name}: {str(error).splitlines()[0]}") from error
    return device


def _warm_up(find: Detector, shape: Shape, batch: int) -> None:
    """Compile now, where it can be said that it was compiling that failed."""
    log.info("compiling")
    try:
        find([np.zeros((shape.h, shape.w, shape.c), np.uint8)] * batch)
    except DarknetError:
        raise
    except Exception as error:  # whatever the compiler behind torch.compile raises
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise UsageError(
            f"torch.compile does not work here: {reason}", remedy="leave out --compile"
        ) from error


def _expand(arguments: Sequence[str]) -> list[str]:
    """Paths of pictures: of files as given, of folders and patterns those that are there."""
    paths: list[str] = []
    for argument in arguments:
        found = [argument]
        if os.path.isdir(argument):
            found = [os.path.join(argument, name) for name in pictures_in(argument)]
        elif glob.has_magic(argument) and not os.path.exists(argument):
            found = [path for path in sorted(glob.glob(argument)) if os.path.isfile(path)]
        if not found:
            raise ImageError("has no pictures in it", path=argument)
        paths += found
    return list(dict.fromkeys(paths))


def _targets(paths: Sequence[str], folder: Path) -> dict[str, Path]:
    """Where to draw what is on each of ``paths``, each under a name of its own.

    Raises:
        UsageError: a picture, or the labels beside it, would be overwritten.
    """
    precious = {os.path.realpath(p) for path in paths for p in (path, labels_of(Path(path)))}
    targets: dict[str, Path] = {}
    taken: set[str] = set()
    for path in paths:
        name, suffix = Path(path).stem, Path(path).suffix
        numbered = (f"{name}-{i}" if i > 1 else name for i in count(1))
        stem = next(stem for stem in numbered if stem not in taken)
        taken.add(stem)
        target = folder / (stem + (suffix if suffix.lower() in (".jpg", ".jpeg") else ".png"))
        if not precious.isdisjoint(map(os.path.realpath, (target, labels_of(target)))):
            raise UsageError(
                f"{target} would replace what was given", remedy="choose another folder with -o"
            )
        targets[path] = target
    return targets


def _found(
    find: Detector, paths: Sequence[str], arguments: argparse.Namespace
) -> Iterator[tuple[str, Pixels, Detections] | ImageError]:
    """What is on each picture, or why it is not known."""
    progress = _Progress(arguments, len(paths))
    for start in range(0, len(paths), arguments.batch):
        progress.show(start)
        pictures: dict[str, Pixels] = {}
        for path in paths[start : start + arguments.batch]:
            try:
                pictures[path] = find.read(path)
            except ImageError as error:
                progress.clear()
                yield error
        answers = find(list(pictures.values())) if pictures else []
        progress.clear()
        for (path, pixels), detections in zip(pictures.items(), answers, strict=True):
            yield path, pixels, detections


class _Progress:
    """How many pictures are done, on a line of a terminal that the next output takes over."""

    def __init__(self, arguments: argparse.Namespace, total: int) -> None:
        self.total = total
        self.wanted = total > 1 and not arguments.quiet and sys.stderr.isatty()

    def show(self, done: int) -> None:
        share = 30 * done // self.total
        self._draw(f"[{'=' * share:30}] {done} of {self.total} pictures")

    def clear(self) -> None:
        self._draw("")

    def _draw(self, text: str) -> None:
        if self.wanted:
            # ESC [ K erases the rest of the line.
            print(f"\r{text}\x1b[K", end="", file=sys.stderr, flush=True)
            if not text:
                print("\r", end="", file=sys.stderr, flush=True)


def _write(target: Path, pixels: Pixels, detections: Detections, *, labels: bool) -> None:
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"cannot be made: {error.strerror}", path=target.parent) from error
    with store.replacing(target, pixels.size) as file:
        kind = "PNG" if target.suffix == ".png" else "JPEG"
        draw(pixels, detections).save(file, kind, quality=95)
    if labels:
        text = "".join(f"{line}\n" for line in _label_lines(pixels, detections))
        with store.replacing(labels_of(target), len(text)) as file:
            file.write(text.encode())


def _label_lines(pixels: Pixels, detections: Detections) -> Iterator[str]:
    """Lines "class x y width height" of the part of each box that is on the picture."""
    height, width = pixels.shape[:2]
    unit = torch.tensor([width, height] * 2)
    for label, box in zip(detections.labels.tolist(), detections.boxes / unit, strict=True):
        left, top, right, bottom = box.clamp(0, 1).tolist()
        x, y, w, h = (left + right) / 2, (top + bottom) / 2, right - left, bottom - top
        yield f"{label} {x:.6f} {y:.6f} {w:.6f} {h:.6f}"


def _row(path: str, pixels: Pixels, detections: Detections) -> dict[str, Any]:
    return {
        "path": path,
        "width": pixels.shape[1],
        "height": pixels.shape[0],
        "detections": [
            {"class": label, "label": name, "score": score, "box": box}
            for label, name, score, box in zip(
                detections.labels.tolist(),
                detections.names,
                detections.scores.tolist(),
                detections.boxes.tolist(),
                strict=True,
            )
        ],
    }


def _print(path: str, detections: Detections, threshold: float) -> None:
    if not len(detections):
        print(printable(f"{path}: nothing above {threshold:g}"))
    for name, score, box in zip(
        detections.names, detections.scores.tolist(), detections.boxes.tolist(), strict=True
    ):
        corners = ", ".join(f"{value:.1f}" for value in box)
        print(printable(f"{path}: {name} {score:.1%} [{corners}]"))


def _print_evaluation(result: Evaluation) -> None:
    print(f"{result.images} pictures, {result.detections} detections")
    width = max(len(row.name) for row in (result.mean, *result.classes))
    print(f"{'':{width}}  objects   AP50   AP75  AP50:95")
    for row in (*result.classes, result.mean):
        values = [f"{v:.4f}" if v is not None else "-" for v in (row.ap50, row.ap75, row.ap)]
        line = f"{row.name:{width}}  {row.objects:7} {values[0]:>6} {values[1]:>6}  {values[2]:>7}"
        print(printable(line))
    print(f"by the rule: {result.rule}")
