"""export(): a model as a file for other programs, run again before it gets its name."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.export import Dim

from converter.errors import CheckpointError, DarknetError, OutputError, UsageError
from converter.files.target import replacing
from converter.options import OPSET, ExportFormat, PathLike
from yolov3.base import FromDarknet, in_float32
from yolov3.exporting.modules import Boxes, Maps
from yolov3.exporting.writers import FORMATS, Array, ExportJob
from yolov3.sharing.card import facts

log = logging.getLogger("yolov3")

# Two runtimes' float32, one with batch norm folded and one without: the maps of real yolov3-tiny
# differ by up to 6e-5 at values up to 26 (six photographs; PyTorch is as far from float64), those
# of the sample's 75 convolutions by 3e-5 at up to 37. A wrong operator is off by far more.
ATOL = RTOL = 1e-4


@dataclass(frozen=True, kw_only=True)
class Exported:
    """What ``export`` wrote.

    Attributes:
        output: the file.
        format: of what kind it is.
        opset: the ONNX operator set; None for the other formats.
        outputs: name -> shape, for the first input that was tried.
        errors: name -> largest absolute difference from PyTorch, over all inputs that were tried.
    """

    output: Path
    format: ExportFormat
    opset: int | None
    outputs: dict[str, tuple[int, ...]]
    errors: dict[str, float]

    def as_dict(self) -> dict[str, Any]:
        """The object that ``export --json`` prints."""
        return {
            "schema": 1,
            "output": str(self.output),
            "format": self.format,
            "opset": self.opset,
            "outputs": {name: list(shape) for name, shape in self.outputs.items()},
            "max_abs_error": self.errors,
            "tolerance": {"absolute": ATOL, "relative": RTOL},
        }


def export(
    model: FromDarknet,
    output: PathLike,
    *,
    format: ExportFormat = "onnx",  # noqa: A002 - as everybody calls it
    boxes: bool = False,
    opset: int | None = None,
    dynamic: bool = False,
    force: bool = False,
) -> Exported:
    """Write ``model`` for another runtime, run what was written, and compare.

    The file's input is ``images``: float32 (N, channels, height, width), RGB in 0..1; N is 1
    without ``dynamic``. Its outputs are those of ``yolov3.exporting.modules``.

    Args:
        model: from ``load``, on the CPU; from values of another type the file computes in float32,
            too.
        output: the file to write.
        format: "onnx", "torchscript" (for ``torch.jit.load``) or "pt2" (``torch.export.load``).
        boxes: decoded boxes and their scores as outputs, in place of the raw maps.
        opset: the ONNX operator set; default 18.
        dynamic: accept any number of pictures and, for a detector, any picture size that is a
            multiple of its coarsest stride.
        force: replace an output that exists.

    Raises:
        UsageError: the options do not go together.
        ExtraError: a package is missing.
        CheckpointError: the model comes from no checkpoint.
        NetworkError: ``boxes`` of a network that has none.
        OutputError: the file exists, cannot be written, or does not compute the same.
    """
    if format not in FORMATS:
        raise UsageError(f"format={format!r} is unknown", remedy=f"use one of {list(FORMATS)}")
    if opset is not None and format != "onnx":
        raise UsageError(f"opset={opset} is about ONNX, not {format}")
    if not hasattr(model, "network"):
        raise CheckpointError("this model comes from no checkpoint: its input size is not known")
    target = Path(output)
    if os.path.lexists(target) and not force:
        raise OutputError(
            "exists already",
            path=target,
            remedy="replace it with --force, or choose another output with -o",
        )
    model = in_float32(model)
    graph = (Boxes(model) if boxes else Maps(model)).eval()
    inputs = _inputs(model, dynamic=dynamic)
    wanted = [_outputs(graph, x) for x in inputs]
    job = ExportJob(
        graph=graph,
        example=inputs[0],
        dimensions=_dimensions(model) if dynamic else {},
        opset=opset or OPSET,
        facts=facts(model),
    )
    log.info("writing %s and running it: up to a minute for a large network", target)
    with _foreign_errors(target, "cannot be made"):
        content = FORMATS[format].write(job)
    with replacing(target, len(content)) as file:
        file.write(content)
        file.flush()
        with _foreign_errors(target, "was made, but does not run"):
            run = FORMATS[format].read(Path(file.name))
            found = [run(x) for x in inputs]
        errors = [
            _errors(graph.names, mine, theirs, target)
            for mine, theirs in zip(found, wanted, strict=True)
        ]
    return Exported(
        output=target,
        format=format,
        opset=job.opset if format == "onnx" else None,
        outputs={name: y.shape for name, y in zip(graph.names, wanted[0], strict=True)},
        errors={name: max(tried[name] for tried in errors) for name in graph.names},
    )


def _inputs(model: FromDarknet, *, dynamic: bool) -> list[torch.Tensor]:
    """Seeded noise of the network's input size; if that may vary, also of another one."""
    shape = model.network.input
    size = (shape.c, shape.h, shape.w) if shape.is_image else (shape.outputs,)
    stride = _stride(model)
    # Not 1 and 1: torch.export takes a dimension of one for fixed.
    shapes = [(2, *size)] if dynamic else [(1, *size)]
    if dynamic and stride:
        shapes.append((3, shape.c, shape.h + stride, shape.w + 2 * stride))
    elif dynamic:
        shapes.append((3, *size))
    generator = torch.Generator().manual_seed(0)
    return [torch.rand(size, generator=generator) for size in shapes]


def _dimensions(model: FromDarknet) -> dict[int, Any]:
    stride = _stride(model)
    sides = {2: stride * Dim("rows"), 3: stride * Dim("columns")} if stride else {}
    return {0: Dim("batch"), **sides}


def _stride(model: FromDarknet) -> int:
    """Pixels a cell of a detector's coarsest map; 0 if the picture's size is fixed."""
    network = model.network
    heads = [node for node in network.outputs if node.layer.is_head and node.output.is_image]
    return max((network.input.h // head.output.h for head in heads), default=0)


def _outputs(graph: Maps | Boxes, x: torch.Tensor) -> list[Array]:
    with torch.no_grad():
        outputs = [y.numpy() for y in graph(x)]
    if not all(np.isfinite(y).all() for y in outputs):
        raise CheckpointError(
            "the model's own output is infinite or no number, so no file can be compared with it"
        )
    return outputs


def _errors(
    names: Sequence[str], found: list[Array], wanted: list[Array], target: Path
) -> dict[str, float]:
    """Of each output, the largest absolute difference, which must be within the tolerance."""
    pairs = zip(names, found, wanted, strict=True)
    return {name: _error(name, mine, theirs, target) for name, mine, theirs in pairs}


def _error(name: str, found: Array, wanted: Array, target: Path) -> float:
    if found.shape != wanted.shape or not np.isfinite(found).all():
        raise _differs(target, f"{name} of another kind")
    difference, size = np.abs(found - wanted), np.abs(wanted)
    if name == "boxes":
        # A side of a large box can lie at 0, as the difference of centre and half its width.
        size = size.max(-1, keepdims=True)
    if (difference > ATOL + RTOL * size).any():
        raise _differs(target, f"{name} that differ by up to {difference.max():.2g}")
    return float(difference.max())


@contextmanager
def _foreign_errors(target: Path, what: str) -> Iterator[None]:
    """Turn what an exporter or a runtime raises, each its own kinds, into one line."""
    try:
        yield
    except DarknetError:
        raise
    except Exception as error:
        problem = str(error).strip().partition("\n")[0]
        raise OutputError(f"{what}: {problem}", path=target) from error


def _differs(target: Path, how: str) -> OutputError:
    return OutputError(
        f"computes {how}, and so was not kept", path=target, remedy="try another format or opset"
    )
