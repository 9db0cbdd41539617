"""``export``: .safetensors to ONNX, TorchScript or pt2."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from converter.cli.output import print_json
from converter.cli.parser import CommandParser, add_network_options, family_choice
from converter.errors import printable
from converter.files.target import require_other
from converter.options import EXPORT_SUFFIXES, OPSET

if TYPE_CHECKING:
    from yolov3.exporting.export import Exported


def make_parser(program: str) -> CommandParser:
    """The parser of ``export``, called by the name ``program``."""
    parser = CommandParser(
        program,
        "Write a model for other runtimes, and check that they compute what PyTorch does.",
        (
            "yolov3.safetensors",
            "yolov3-tiny.safetensors --boxes -o tiny-boxes.onnx",
            "yolov3.safetensors --format pt2 --dynamic",
        ),
    )
    parser.add_argument(
        "checkpoint",
        metavar="CHECKPOINT",
        help=".safetensors, .pt or .pth file, or folder of save_pretrained",
    )
    add_network_options(parser)
    parser.add_argument("-o", "--output", metavar="OUT", help="file to write")
    parser.add_argument(
        "--format", choices=tuple(EXPORT_SUFFIXES), default="onnx", help="default: onnx"
    )
    parser.add_argument(
        "--boxes", action="store_true", help="decoded boxes and scores in place of raw maps"
    )
    parser.add_argument(
        "--opset", type=int, metavar="N", help=f"ONNX operator set (default: {OPSET})"
    )
    parser.add_argument(
        "--dynamic", action="store_true", help="any number of pictures, and sizes of a detector"
    )
    parser.add_argument("--force", action="store_true", help="replace an existing output")
    return parser


def run(arguments: argparse.Namespace) -> int:
    """Write the file; the exit code."""
    from yolov3.exporting.export import export
    from yolov3.loading import load
    from yolov3.saving import FILE_NAME

    checkpoint = Path(arguments.checkpoint)
    output = arguments.output or _default(checkpoint, EXPORT_SUFFIXES[arguments.format])
    require_other(output, checkpoint, checkpoint / FILE_NAME, arguments.cfg)
    result = export(
        load(
            checkpoint,
            cfg=arguments.cfg,
            dialect=arguments.dialect,
            family=family_choice(arguments),
        ),
        output,
        format=arguments.format,
        boxes=arguments.boxes,
        opset=arguments.opset,
        dynamic=arguments.dynamic,
        force=arguments.force,
    )
    if arguments.json:
        print_json(result.as_dict())
    else:
        print(printable(_summary(result)))
    return 0


def _default(checkpoint: Path, suffix: str) -> Path:
    return checkpoint / f"model{suffix}" if checkpoint.is_dir() else checkpoint.with_suffix(suffix)


def _summary(result: Exported) -> str:
    shapes = ", ".join(
        f"{name} {' x '.join(map(str, shape))}" for name, shape in result.outputs.items()
    )
    kind = result.format if result.opset is None else f"{result.format} opset {result.opset}"
    worst = max(result.errors.values())
    return f"{result.output}: {kind}, {shapes}; differs from PyTorch by at most {worst:.2g}"
