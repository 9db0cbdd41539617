"""What ``detect`` and ``evaluate`` share: the options of a model, and the detector they ask for."""

from __future__ import annotations

import argparse
import datetime
import logging
from pathlib import Path
from typing import TYPE_CHECKING

from converter.cli.parser import (
    CommandParser,
    add_flag,
    family_choice,
    network_options,
    positive_int,
    require_without,
)
from converter.darknet.names import read_names, suggest_names
from converter.errors import CheckpointError, DarknetError, NetworkError, UsageError, first_line
from converter.files import sniff
from converter.files.opening import read_start
from converter.files.source import is_weights
from converter.options import BATCH_NORM_RULES, DETECTOR_RESIZES, EXPORT_SUFFIXES

if TYPE_CHECKING:
    import torch

    from yolov3.base import FromDarknet
    from yolov3.detection.decode import Runner
    from yolov3.detection.detect import Detector
    from yolov3.detection.in_onnx import OnnxModel

log = logging.getLogger("yolov3")

MODEL_ERRORS = (CheckpointError, NetworkError)  # which name no file where they are found in a model


def add_model_options(parser: CommandParser) -> argparse._ArgumentGroup:
    """Add the checkpoint and how to run it.

    Returns:
        The group of options about what is found.
    """
    parser.add_argument(
        "checkpoint",
        metavar="CHECKPOINT",
        help=".weights, .safetensors, .pt, .pth or exported .onnx file",
    )
    parser.set_defaults(classes=None)  # all of them
    found = parser.add_argument_group("what is found")
    found.add_argument("--threshold", type=float, default=0.25, help="least score (default 0.25)")
    found.add_argument(
        "--nms",
        type=float,
        default=0.45,
        help="overlap from which only the likelier of two boxes of a class stays (default 0.45)",
    )
    add_flag(found, "--agnostic", "only the likelier, whatever the two boxes' classes")
    found.add_argument(
        "--max", type=positive_int, metavar="N", help="at most N boxes a picture, the likeliest"
    )
    computing = parser.add_argument_group("computing")
    computing.add_argument(
        "--device", default="cpu", help="where to compute: cpu (default), cuda, cuda:1 or 1"
    )
    computing.add_argument(
        "--batch", type=positive_int, default=1, metavar="N", help="pictures at once"
    )
    computing.add_argument(
        "--bn",
        choices=BATCH_NORM_RULES,
        default="torch",
        help="rule of batch norm: PyTorch's, or that of pjreddie's darknet on the CPU",
    )
    computing.add_argument(
        "--resize",
        choices=DETECTOR_RESIZES,
        help="how a picture becomes the network's input (default: as its engine does)",
    )
    add_flag(computing, "--compile", "torch.compile: pays from some hundred pictures on")
    parser.add_network_options()
    return found


def make_detector(arguments: argparse.Namespace) -> Detector:
    """The checkpoint or ONNX file, made ready to compute fast."""
    if _is_onnx(arguments.checkpoint):
        return _detector(_in_onnxruntime(arguments), arguments)
    import torch

    from yolov3.detection.in_torch import TorchModel
    from yolov3.loading import load

    model = load(
        arguments.checkpoint,
        arguments.bn,
        usable_device(arguments.device),
        **network_options(arguments),
    )
    if arguments.bn == "torch":
        # It changes scores by less than 1e-5; who asks for the other rule wants them as they are.
        model = model.fuse()
    model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # not in its stubs
    detector = _detector(TorchModel(model), arguments)
    if model.names is None:
        _suggest_names(arguments.checkpoint, model.network.classes)
    if arguments.compile:
        _compile(model, detector, arguments.batch)
    return detector


def _detector(runner: Runner, arguments: argparse.Namespace) -> Detector:
    from yolov3.detection.detect import Detector

    return Detector(
        runner,
        arguments.threshold,
        arguments.nms,
        arguments.resize,
        classes=arguments.classes,
        agnostic=arguments.agnostic,
        max_boxes=arguments.max,
    )


def _suggest_names(checkpoint: str, classes: int | None) -> None:
    suggestion = suggest_names(Path(checkpoint), classes)
    if suggestion and is_weights(Path(checkpoint)):
        return  # it was said when they were read
    how = suggestion or "give them with --names FILE"
    log.info("class names: none in %s, classes are numbers; %s", checkpoint, how)


def _is_onnx(path: str) -> bool:
    return path.endswith(EXPORT_SUFFIXES["onnx"]) or sniff.is_onnx(read_start(path, sniff.HEAD))


def _in_onnxruntime(arguments: argparse.Namespace) -> OnnxModel:
    """An exported file, which says itself what it is."""
    of_a_checkpoint = {
        "--cfg": arguments.cfg,
        "--dialect": arguments.dialect,
        "--family": family_choice(arguments) != "auto",
        "--bn": arguments.bn != "torch",
        "--device": arguments.device != "cpu",
        "--compile": arguments.compile,
    }
    require_without(of_a_checkpoint, "an ONNX file")
    from yolov3.detection.in_onnx import OnnxModel

    model = OnnxModel(arguments.checkpoint)
    if arguments.names is not None:
        model.names = read_names(
            Path(arguments.names), model.network.classes, arguments.names_encoding
        )
    return model


def progress(done: int, total: int, seconds: float = 0) -> str:
    """A bar of 30 characters, and how many pictures are done.

    If it is known how long that took, also how many that is a second, and how long the rest takes.
    """
    share = 30 * done // total
    text = f"[{'=' * share:30}] {done} of {total} pictures"
    if not done or not seconds:
        return text
    left = datetime.timedelta(seconds=round((total - done) * seconds / done))
    return f"{text}, {done / seconds:.3g} a second, {left} left"


def usable_device(name: str) -> torch.device:
    """PyTorch's device of that name; a number is that of a GPU, as in ``cuda:0``.

    Raises:
        UsageError: there is none, or this build of PyTorch cannot compute on it.
    """
    import torch

    from yolov3.base import refusing_device

    with refusing_device(f"--device {name}"):
        device = torch.device(f"cuda:{name}" if name.isdecimal() else name)
        torch.empty(1, device=device).cpu()
    return device


def _compile(model: FromDarknet, detector: Detector, batch: int) -> None:
    """Compile now, where a failure can only be the compiler's."""
    import numpy as np

    log.info("compiling")
    try:
        from torch._inductor import config  # late: its import takes a second

        # Weights become constants, packed once as oneDNN wants them: a tenth faster.
        config.freezing = True
        model.compile()
        shape = model.network.input
        detector([np.zeros((shape.h, shape.w, shape.c), np.uint8)] * batch)
    except DarknetError:
        raise
    except Exception as error:  # whatever the compiler behind torch.compile raises
        raise UsageError(
            f"torch.compile does not work here: {first_line(error)}", remedy="leave out --compile"
        ) from error
