"""The command lines that run a network."""

from __future__ import annotations

import argparse
import glob
import logging
import os
import sys
from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import torch

from converter.cli.program import Command, StatusLine, parser, print_json, run
from converter.darknet.layers import Shape
from converter.darknet.names import read_names
from converter.errors import (
    CheckpointError,
    DarknetError,
    ImageError,
    NetworkError,
    OutputError,
    UsageError,
    printable,
)
from yolov3.blocks import BATCH_NORM_RULES
from yolov3.detection.dataset import pictures_in, read_dataset
from yolov3.detection.detect import DETECTOR_RESIZES, Detector
from yolov3.detection.detections import Detections
from yolov3.detection.evaluate import COCO_POINTS, Evaluation, evaluate
from yolov3.detection.image import Pixels
from yolov3.detection.results import row, targets, write
from yolov3.loading import load

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
        "-o",
        "--output",
        metavar="DIR",
        default="detections",
        help="folder for the drawn copies (default: detections)",
    )
    made.add_argument(
        "--save-txt", action="store_true", help="also write labels as darknet reads them (.txt)"
    )
    made.add_argument(
        "--force", action="store_true", help="replace what detect.py did not write, too"
    )
    return _run(_detect, made, argv)


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
    return _run(_evaluate, made, argv)


def _run(command: Command, made: argparse.ArgumentParser, argv: Sequence[str] | None) -> int:
    """As ``run``; what is wrong with the network is told of the checkpoint that it came from."""

    def about_checkpoint(arguments: argparse.Namespace) -> int:
        try:
            return command(arguments)
        except (CheckpointError, NetworkError) as error:
            error.path = error.path or arguments.checkpoint
            raise

    return run(about_checkpoint, made, argv)


def _detect(arguments: argparse.Namespace) -> int:
    paths, errors = _expand(arguments.image)
    where = targets(paths, Path(arguments.output))
    find = _detector(arguments)
    failed = False
    rows: list[dict[str, Any]] = []
    for outcome in chain(errors, _found(find, paths, arguments)):
        if isinstance(outcome, DarknetError):
            failed = True
            print(f"error: {outcome}", file=sys.stderr)
            continue
        path, pixels, detections = outcome
        if arguments.json:
            rows.append(row(path, pixels, detections))
        else:
            _print(path, detections, arguments.threshold)
        try:
            write(where[path], pixels, detections, labels=arguments.save_txt, force=arguments.force)
        except OutputError as error:
            failed = True
            print(f"error: {error}", file=sys.stderr)
    if arguments.json:
        print_json({"schema": 1, "images": rows})
    return 1 if failed else 0


def _evaluate(arguments: argparse.Namespace) -> int:
    find = _detector(arguments)
    names = find.names
    samples = read_dataset(Path(arguments.dataset), len(names), names, arguments.images)
    line = StatusLine(quiet=arguments.quiet)
    try:
        result = evaluate(
            find,
            samples,
            points=arguments.points,
            batch=arguments.batch,
            progress=lambda done: line.show(_progress(done, len(samples))),
        )
    finally:
        line.clear()
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
        choices=DETECTOR_RESIZES,
        help="how a picture becomes the network's input (default: as its engine does)",
    )
    made.add_argument(
        "--compile", action="store_true", help="torch.compile: pays from some hundred pictures on"
    )


def _detector(arguments: argparse.Namespace) -> Detector:
    """The checkpoint, made ready to compute fast."""
    if arguments.batch < 1:
        raise UsageError(f"--batch {arguments.batch} must be at least 1")
    # Not strict: the detector says better what is wrong with a model in part.
    model = load(arguments.checkpoint, arguments.bn, strict=False, device=_device(arguments.device))
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
        torch.empty(1, device=device).cpu()
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


def _expand(arguments: Sequence[str]) -> tuple[list[str], list[DarknetError]]:
    """Paths of pictures: of files as given, of folders and patterns those that are there.

    Also why an argument stands for none.
    """
    paths: dict[str, None] = {}
    errors: list[DarknetError] = []
    for argument in arguments:
        found = [argument]
        try:
            if os.path.isdir(argument):
                found = [os.path.join(argument, name) for name in pictures_in(argument)]
            elif glob.has_magic(argument) and not os.path.exists(argument):
                found = [path for path in sorted(glob.glob(argument)) if os.path.isfile(path)]
            if not found:
                raise ImageError("has no pictures in it", path=argument, remedy="check the path")
        except DarknetError as error:
            errors.append(error)
        else:
            paths.update(dict.fromkeys(found))
    return list(paths), errors


def _found(
    find: Detector, paths: Sequence[str], arguments: argparse.Namespace
) -> Iterator[tuple[str, Pixels, Detections] | ImageError]:
    """What is on each picture, or why it is not known."""
    line = StatusLine(quiet=arguments.quiet or len(paths) < 2)
    try:
        for start in range(0, len(paths), arguments.batch):
            line.show(_progress(start, len(paths)))
            pictures: dict[str, Pixels] = {}
            for path in paths[start : start + arguments.batch]:
                try:
                    pictures[path] = find.read(path)
                except ImageError as error:
                    line.clear()
                    yield error
            answers = find(list(pictures.values())) if pictures else []
            line.clear()
            for (path, pixels), detections in zip(pictures.items(), answers, strict=True):
                yield path, pixels, detections
    finally:
        line.clear()


def _progress(done: int, total: int) -> str:
    share = 30 * done // total
    return f"[{'=' * share:30}] {done} of {total} pictures"


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
    width = max(len(each.name) for each in (result.mean, *result.classes))
    print(f"{'':{width}}  objects   AP50   AP75  AP50:95")
    for each in (*result.classes, result.mean):
        values = [f"{v:.4f}" if v is not None else "-" for v in (each.ap50, each.ap75, each.ap)]
        line = (
            f"{each.name:{width}}  {each.objects:7} {values[0]:>6} {values[1]:>6}  {values[2]:>7}"
        )
        print(printable(line))
    print(f"by the rule: {result.rule}")
