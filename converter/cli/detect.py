"""``detect``: what is in pictures."""

from __future__ import annotations

import argparse
import logging
import os
import time
import warnings
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import closing
from contextvars import copy_context
from functools import partial
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

from converter.cli.detector import MODEL_ERRORS, add_model_options, make_detector, progress
from converter.cli.output import StatusLine, print_error, print_json
from converter.cli.parser import CommandParser, add_flag
from converter.cli.sources import expand
from converter.errors import (
    DarknetError,
    ImageError,
    OutputError,
    UsageError,
    errors_name,
    printable,
)
from yolov3.detection.dataset import SUFFIXES

if TYPE_CHECKING:
    from yolov3.detection.detect import Detector
    from yolov3.detection.detections import Detections
    from yolov3.detection.image import Pixels

    _Found: TypeAlias = tuple[str, Pixels, Detections]
    # A picture that is done: what is on it, as --json prints it, and why it has no copy, if so.
    _Saved: TypeAlias = tuple[dict[str, Any], OutputError | None]

_T = TypeVar("_T")
_R = TypeVar("_R")

log = logging.getLogger("yolov3")


def make_parser(program: str) -> CommandParser:
    """The parser of ``detect``, called by the name ``program``."""
    parser = CommandParser(
        program,
        "CHECKPOINT IMAGE [IMAGE ...]",
        "Find what is in pictures, and draw it on copies of them.",
        (
            "yolov3.weights dog.jpg",
            "yolov3-tiny.safetensors photos/ -o found --threshold 0.5",
            "yolov3.weights photos/ -r --classes person,car",
            "yolov3.onnx valid.txt",
            "yolov3.safetensors dog.jpg --bn pjreddie-cpu --json",
        ),
    )
    found = add_model_options(parser)
    parser.add_argument(
        "image",
        metavar="IMAGE",
        nargs="+",
        help="picture, folder, pattern, or list (.txt: a path on each line, as for Darknet)",
    )
    parser.add_argument_group("pictures").add_argument(
        "-r", "--recursive", action="store_true", help="search the subfolders of folders, too"
    )
    found.add_argument(
        "--classes",
        metavar="A,B",
        type=lambda text: [name.strip() for name in text.split(",")],
        help="look for these only: names, or numbers from 0",
    )
    output = parser.add_argument_group("output")
    output.add_argument(
        "-o",
        "--output",
        metavar="DIR",
        default="detections",
        help="folder for the drawn copies (default: detections)",
    )
    add_flag(output, "--save-txt", "also write labels as darknet reads them (.txt)")
    add_flag(output, "--force", "replace files that this command did not write, too")
    return parser


def run(arguments: argparse.Namespace) -> int:
    """Print and draw what is found; the exit code."""
    with errors_name(arguments.checkpoint, *MODEL_ERRORS):
        return _detect(arguments)


def _detect(arguments: argparse.Namespace) -> int:
    from yolov3.detection.results import targets

    _require_folder(arguments.output)
    paths, errors = expand(arguments.image, arguments.output, recursive=arguments.recursive)
    where = targets(
        paths, Path(arguments.output), arguments.checkpoint, arguments.names, *arguments.image
    )
    detector = make_detector(arguments)
    failed = False
    rows: list[dict[str, Any]] = []
    drawn: list[Path] = []
    with closing(_outcomes(detector, where, arguments)) as outcomes:
        for outcome in chain(errors, outcomes):
            if isinstance(outcome, DarknetError):
                failed = True
                print_error(outcome)
                continue
            row, problem = outcome
            if arguments.json:
                rows.append(row)
            else:
                _print(row, arguments.threshold)
            if problem:
                failed = True
                print_error(problem)
            else:
                drawn.append(where[row["path"]])
    if arguments.json:
        print_json({"schema": 1, "images": rows})
    elif drawn:
        labels = ", with labels (.txt)" if arguments.save_txt else ""
        if len(drawn) == 1:
            log.info("drawn on a copy%s: %s", labels, drawn[0])
        else:
            log.info("drawn on %d copies%s, in %s", len(drawn), labels, arguments.output)
    return 1 if failed else 0


def _require_folder(output: str) -> None:
    """Refuse a picture's name for the folder, unless there is one of that name.

    Raises:
        UsageError: it is one.
    """
    if output.lower().endswith(SUFFIXES) and not os.path.isdir(output):
        raise UsageError(
            "is a picture's name, and copies go into a folder",
            path=output,
            remedy="give a folder's name with -o",
        )


def _outcomes(
    detector: Detector, where: Mapping[str, Path], arguments: argparse.Namespace
) -> Generator[_Saved | DarknetError]:
    """What is on each picture, once it is drawn on a copy, or why it is not known; in order.

    While the network computes a batch, the next one is read, and the last one drawn and saved.
    """
    batch, total = arguments.batch, len(where)
    if not total:  # what was named has no pictures, which is said already
        return
    with StatusLine(quiet=arguments.quiet or total < 2) as line, warnings.catch_warnings():
        # Python's filters are those of all threads: see ``image_errors``, which sets them.
        warnings.filterwarnings("ignore", module="PIL")
        threads = ThreadPoolExecutor(min(2 * batch, os.cpu_count() or 1))
        try:
            read = in_order(threads, partial(_read, detector), where, batch)
            found = _found(detector, read, batch)
            saved = in_order(threads, partial(_save, where, arguments), found, batch)
            started = time.monotonic()
            line.show(progress(0, total))
            for done, outcome in enumerate(saved, 1):
                line.clear()
                yield outcome
                line.show(progress(done, total, time.monotonic() - started))
        finally:
            threads.shutdown(cancel_futures=True)


def in_order(
    threads: Executor, function: Callable[[_T], _R], items: Iterable[_T], ahead: int
) -> Iterator[_R]:
    """``map``, of which ``threads`` do up to ``ahead`` items more than were asked for."""
    waiting: deque[Future[_R]] = deque()
    for item in items:
        # In a copy of this context: remedies must name a command's options there, too.
        waiting.append(threads.submit(copy_context().run, function, item))
        if len(waiting) > ahead:
            yield waiting.popleft().result()
    while waiting:
        yield waiting.popleft().result()


def _read(detector: Detector, path: str) -> tuple[str, Pixels] | DarknetError:
    try:
        return path, detector.read(path)
    except ImageError as error:
        return error


def _found(
    detector: Detector, pictures: Iterator[tuple[str, Pixels] | DarknetError], batch: int
) -> Iterator[_Found | DarknetError]:
    while part := list(islice(pictures, batch)):
        pixels = [each[1] for each in part if not isinstance(each, DarknetError)]
        answers = iter(detector(pixels) if pixels else [])
        for each in part:
            yield each if isinstance(each, DarknetError) else (*each, next(answers))


def _save(
    where: Mapping[str, Path], arguments: argparse.Namespace, found: _Found | DarknetError
) -> _Saved | DarknetError:
    from yolov3.detection.results import row, write

    if isinstance(found, DarknetError):
        return found
    path, pixels, detections = found
    problem = None
    try:
        write(where[path], pixels, detections, labels=arguments.save_txt, force=arguments.force)
    except OutputError as error:
        problem = error
    return row(path, pixels, detections), problem


def _print(row: dict[str, Any], threshold: float) -> None:
    path = row["path"]
    if not row["detections"]:
        print(printable(f"{path}: nothing above {threshold:g}"))
    for each in row["detections"]:
        corners = ", ".join(f"{value:.1f}" for value in each["box"])
        print(printable(f"{path}: {each['label']} {each['score']:.1%} [{corners}]"))
