"""``evaluate``: mean average precision."""

from __future__ import annotations

import argparse
import logging
from pathlib import Path
from typing import TYPE_CHECKING

from converter.cli.detector import MODEL_ERRORS, add_model_options, make_detector, progress
from converter.cli.output import StatusLine, print_json
from converter.cli.parser import CommandParser, add_flag
from converter.errors import errors_name, printable

if TYPE_CHECKING:
    from yolov3.detection.evaluate import Evaluation
    from yolov3.detection.metrics.darknet_map import Counts

log = logging.getLogger("yolov3")


def make_parser(program: str) -> CommandParser:
    """The parser of ``evaluate``, called by the name ``program``."""
    parser = CommandParser(
        program,
        "CHECKPOINT DATASET",
        "Measure on labelled pictures how well a detector does.",
        (
            "shapes.weights shapes/val/",
            "shapes.onnx shapes/val/",
            "yolov3.safetensors instances_val2017.json --images val2017/",
            "yolov4-custom.weights obj.data",
        ),
    )
    add_model_options(parser)
    parser.add_argument(
        "dataset",
        metavar="DATASET",
        help="folder in YOLO's, VOC's or COCO's format; COCO's JSON, darknet's .data, ultralytics'"
        " .yaml; or a list of pictures, .txt",
    )
    data = parser.add_argument_group(
        "the labels, and how to measure",
        "Average precision is of all that scores above 0.005, whatever --threshold\n"
        "is: that is the score above which right and wrong are counted.",
    )
    data.add_argument(
        "--images", metavar="DIR", type=Path, help="pictures of COCO's JSON or VOC's XML files"
    )
    data.add_argument(
        "--points",
        type=int,
        metavar="N",
        help="measure by Darknet's rule, as its detector map -points N: 0 is the whole area under"
        " the curve, 11 and 101 are so many recalls (default: COCO's rule if pycocotools is there)",
    )
    add_flag(
        data,
        "--by-order",
        "take a dataset's categories for the classes in the order of their ids, not by name",
    )
    data.add_argument(
        "--plots",
        type=Path,
        metavar="DIR",
        help="draw precision over recall, and which class is found for which, into that folder",
    )
    return parser


def run(arguments: argparse.Namespace) -> int:
    """Print the mean average precision; the exit code."""
    with errors_name(arguments.checkpoint, *MODEL_ERRORS):
        result = _evaluate(arguments)
    if arguments.plots is not None:
        _draw(arguments.plots, result)
    if arguments.json:
        print_json(result.as_dict())
    else:
        _print(result)
    return 0


def _evaluate(arguments: argparse.Namespace) -> Evaluation:
    from yolov3.detection.datasets import read_dataset
    from yolov3.detection.evaluate import LEAST_SCORE, evaluate

    if arguments.plots is not None:
        from yolov3.detection.metrics.plots import require_folder

        require_folder(arguments.plots)
    # Average precision is of whatever scores more than that; lower, if less is to be counted.
    least = min(LEAST_SCORE, arguments.threshold)
    detector = make_detector(argparse.Namespace(**{**vars(arguments), "threshold": least}))
    names = detector.names
    dataset = read_dataset(
        Path(arguments.dataset),
        len(names),
        names,
        arguments.images,
        by_order=arguments.by_order,
    )
    total = len(dataset.samples)
    with StatusLine(quiet=arguments.quiet) as line:
        return evaluate(
            detector,
            dataset,
            points=arguments.points,
            threshold=arguments.threshold,
            batch=arguments.batch,
            progress=lambda done: line.show(progress(done, total)),
        )


def _draw(folder: Path, result: Evaluation) -> None:
    from yolov3.detection.metrics.plots import draw_plots

    names = [row.name for row in result.classes]
    drawn = draw_plots(folder, result.curves, result.confusion, names)
    log.info("drawn: %s", ", ".join(map(str, drawn)))


def _print(result: Evaluation) -> None:
    print(f"{result.images} pictures, {result.detections} detections")
    width = max(len(each.name) for each in (result.mean, *result.classes))
    print(f"{'':{width}}  objects   AP50   AP75  AP50:95      TP      FP      FN")
    for each, counts in zip(
        (*result.classes, result.mean), (*result.class_counts, result.counts), strict=True
    ):
        values = [_share(value) for value in (each.ap50, each.ap75, each.ap)]
        line = (
            f"{each.name:{width}}  {each.objects:7} {values[0]:>6} {values[1]:>6}  {values[2]:>7}"
            f" {counts.tp:7} {counts.fp:7} {counts.fn:7}"
        )
        print(printable(line))
    print(f"by the rule: {result.rule}")
    if result.coco is not None:
        twelve = (f"{key} {_share(value)}" for key, value in result.coco.items())
        print(f"COCO's figures: {', '.join(twelve)}")
    print(printable(_counts(result.counts)))


def _share(value: float | None) -> str:
    """Of 0..1; "-" where there is nothing to divide by."""
    return "-" if value is None else f"{value:.4f}"


def _counts(counts: Counts) -> str:
    """What is right and wrong, in a line."""
    precision, recall, f1 = map(_share, (counts.precision, counts.recall, counts.f1))
    return (
        f"above score {counts.confidence}, by Darknet's rule: TP {counts.tp}, FP {counts.fp},"
        f" FN {counts.fn}, precision {precision}, recall {recall}, F1 {f1},"
        f" mean IoU {counts.mean_iou:.4f}"
    )
