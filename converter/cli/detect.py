"""``detect``: what is in pictures."""

from __future__ import annotations

import argparse
import glob
import os
from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

from converter.cli.detector import add_model_options, errors_name, make_detector, progress
from converter.cli.output import StatusLine, print_error, print_json
from converter.cli.parser import CommandParser
from converter.errors import DarknetError, ImageError, OutputError, printable
from yolov3.detection.dataset import pictures_in

if TYPE_CHECKING:
    from yolov3.detection.detect import Detector
    from yolov3.detection.detections import Detections
    from yolov3.detection.image import Pixels


def make_parser(program: str) -> CommandParser:
    """The parser of ``detect``, called by the name ``program``."""
    parser = CommandParser(
        program,
        "Find what is in pictures, and draw it on copies of them.",
        (
            "yolov3.weights dog.jpg",
            "yolov3-tiny.safetensors photos/ -o found --threshold 0.5",
            "yolov3.onnx dog.jpg",
            "yolov3.safetensors dog.jpg --bn pjreddie-cpu --json",
        ),
    )
    add_model_options(parser, threshold=0.25)
    parser.add_argument("image", metavar="IMAGE", nargs="+", help="picture, folder, or pattern")
    parser.add_argument(
        "-o",
        "--output",
        metavar="DIR",
        default="detections",
        help="folder for the drawn copies (default: detections)",
    )
    parser.add_argument(
        "--save-txt", action="store_true", help="also write labels as darknet reads them (.txt)"
    )
    parser.add_argument(
        "--force", action="store_true", help="replace files that this command did not write, too"
    )
    return parser


def run(arguments: argparse.Namespace) -> int:
    """Print and draw what is found; the exit code."""
    with errors_name(arguments.checkpoint):
        return _detect(arguments)


def _detect(arguments: argparse.Namespace) -> int:
    from yolov3.detection.results import row, targets, write

    paths, errors = _expand(arguments.image)
    where = targets(paths, Path(arguments.output), arguments.checkpoint, arguments.names)
    detector = make_detector(arguments)
    failed = False
    rows: list[dict[str, Any]] = []
    for outcome in chain(errors, _detections(detector, paths, arguments)):
        if isinstance(outcome, DarknetError):
            failed = True
            print_error(outcome)
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
            print_error(error)
    if arguments.json:
        print_json({"schema": 1, "images": rows})
    return 1 if failed else 0


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


def _detections(
    detector: Detector, paths: Sequence[str], arguments: argparse.Namespace
) -> Iterator[tuple[str, Pixels, Detections] | ImageError]:
    """What is on each picture, or why it is not known."""
    line = StatusLine(quiet=arguments.quiet or len(paths) < 2)
    try:
        for start in range(0, len(paths), arguments.batch):
            line.show(progress(start, len(paths)))
            pictures: dict[str, Pixels] = {}
            for path in paths[start : start + arguments.batch]:
                try:
                    pictures[path] = detector.read(path)
                except ImageError as error:
                    line.clear()
                    yield error
            answers = detector(list(pictures.values())) if pictures else []
            line.clear()
            for (path, pixels), detections in zip(pictures.items(), answers, strict=True):
                yield path, pixels, detections
    finally:
        line.clear()


def _print(path: str, detections: Detections, threshold: float) -> None:
    if not len(detections):
        print(printable(f"{path}: nothing above {threshold:g}"))
    for name, score, box in zip(
        detections.names, detections.scores.tolist(), detections.boxes.tolist(), strict=True
    ):
        corners = ", ".join(f"{value:.1f}" for value in box)
        print(printable(f"{path}: {name} {score:.1%} [{corners}]"))
