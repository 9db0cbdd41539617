"""``export``: .weights or .safetensors to ONNX, TorchScript or pt2."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from converter.cli.output import StatusLine, print_json
from converter.cli.parser import CommandParser, add_flag, network_options, positive_int
from converter.errors import UsageError, printable
from converter.files.source import CHECKPOINT_SUFFIXES, WEIGHTS_SUFFIXES
from converter.files.target import is_folder, require_other
from converter.options import EXPORT_SUFFIXES, FILE_NAME, LAYOUTS, OPSET, PathLike

if TYPE_CHECKING:
    from yolov3.exporting.checking import Exported


def make_parser(program: str) -> CommandParser:
    """The parser of ``export``, called by the name ``program``."""
    parser = CommandParser(
        program,
        "CHECKPOINT",
        "Write a model for other runtimes, and check that they compute what PyTorch does.\n"
        "ONNX needs no PyTorch.",
        (
            "yolov3.weights",
            "yolov3-tiny.safetensors --layout ultralytics -o tiny.onnx",
            "yolov3.safetensors --format pt2 --dynamic",
        ),
    )
    parser.add_argument(
        "checkpoint",
        metavar="CHECKPOINT",
        help=".weights, .safetensors, .pt or .pth file, or folder of save_pretrained",
    )
    output = parser.add_argument_group("output")
    output.add_argument("-o", "--output", metavar="OUT", help="file to write, or folder")
    output.add_argument(
        "--format", choices=tuple(EXPORT_SUFFIXES), help="default: what OUT ends in, or onnx"
    )
    add_flag(output, "--no-verify", "do not run an ONNX file after writing it")
    add_flag(output, "--force", "replace an existing output")
    graph = parser.add_argument_group("what is in it")
    graph.add_argument(
        "--layout",
        choices=LAYOUTS,
        default="maps",
        help="raw maps (default), boxes and scores, or what ultralytics and Frigate, or DeepStream"
        " take",
    )
    graph.add_argument(
        "--opset", type=int, metavar="N", help=f"ONNX operator set (default: {OPSET})"
    )
    add_flag(graph, "--dynamic", "any number of pictures, and sizes of a detector")
    graph.add_argument(
        "--batch", type=positive_int, default=1, metavar="N", help="pictures at once (default: 1)"
    )
    add_flag(graph, "--half", "compute in float16; input and output stay float32")
    parser.add_network_options()
    return parser


def run(arguments: argparse.Namespace) -> int:
    """Write the file; the exit code."""
    from yolov3.exporting.formats import format_of

    checkpoint = Path(arguments.checkpoint)
    output = _output(arguments, checkpoint)
    require_other(output, checkpoint, checkpoint / FILE_NAME, arguments.cfg, arguments.names)
    arguments.format = format_of(output, arguments.format)
    straight = arguments.format == "onnx"
    if arguments.no_verify and not straight:
        raise UsageError(f"--no-verify is about ONNX, not {arguments.format}")
    result = _straight(arguments, output) if straight else _through_pytorch(arguments, output)
    if arguments.json:
        print_json(result.as_dict())
    else:
        print(printable(_summary(result)))
    return 0


def _straight(arguments: argparse.Namespace, output: PathLike) -> Exported:
    from yolov3.exporting.straight import export_checkpoint

    with StatusLine(quiet=arguments.quiet) as line:
        return export_checkpoint(
            arguments.checkpoint,
            output,
            **network_options(arguments),
            **_options(arguments),
            verify=not arguments.no_verify,
            progress=lambda what, part: line.show(_progress(what, part)),
        )


def _progress(what: str, part: float | None) -> str:
    return what if part is None else f"[{'=' * int(30 * part):30}] {what}"


def _through_pytorch(arguments: argparse.Namespace, output: PathLike) -> Exported:
    from converter.operations.opening import open_stored
    from yolov3.exporting.export import export
    from yolov3.loading import class_of

    stored = open_stored(arguments.checkpoint, **network_options(arguments))
    require_other(output, *stored.inputs)
    model = class_of(stored).from_checkpoint(stored)
    return export(model, output, format=arguments.format, **_options(arguments))


def _options(arguments: argparse.Namespace) -> dict[str, Any]:
    names = ("layout", "opset", "dynamic", "batch", "half", "force")
    return {name: getattr(arguments, name) for name in names}


def _output(arguments: argparse.Namespace, checkpoint: Path) -> Path:
    """The file to write: as given, or the default one, in a folder that is given or beside."""
    default = _default(checkpoint, EXPORT_SUFFIXES[arguments.format or "onnx"])
    if arguments.output is None:
        return default
    return Path(arguments.output, default.name if is_folder(arguments.output) else "")


def _default(checkpoint: Path, suffix: str) -> Path:
    if checkpoint.is_dir():
        return checkpoint / f"model{suffix}"
    if checkpoint.suffix in (*CHECKPOINT_SUFFIXES, *WEIGHTS_SUFFIXES):
        return checkpoint.with_suffix(suffix)
    return checkpoint.with_name(checkpoint.name + suffix)


def _summary(result: Exported) -> str:
    shapes = ", ".join(
        f"{name} {' x '.join(map(str, shape))}" for name, shape in result.outputs.items()
    )
    kind = result.format if result.opset is None else f"{result.format} opset {result.opset}"
    check = f"not compared with PyTorch ({result.unverified})"
    if result.errors:
        check = f"differs from PyTorch by at most {_difference(result.errors)}"
    files = f"{result.output}" if result.data is None else f"{result.output} and {result.data}"
    return f"{files}: {kind}, {shapes}; {check}"


def _difference(errors: Mapping[str, float]) -> str:
    if "boxes" not in errors:
        return f"{max(errors.values()):.2g}"
    return f"{errors['boxes']:.2g} pixels in boxes and {errors['scores']:.2g} in scores"
