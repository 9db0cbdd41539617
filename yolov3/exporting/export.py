"""export(): a model as a file for other programs, run again before it gets its name."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import torch
from torch.export import Dim

from converter.errors import CheckpointError, UsageError
from converter.files.target import replacing
from converter.options import PYTORCH_OPSET, ExportFormat, PathLike
from yolov3.base import FromDarknet, in_float32
from yolov3.exporting.checking import Exported, compare, foreign_errors, inputs_for
from yolov3.exporting.drawing import stride_of
from yolov3.exporting.modules import graph_of, outputs_of, source_in_memory
from yolov3.exporting.straight import require_free, write_straight
from yolov3.exporting.writers import FORMATS, ExportJob
from yolov3.sharing.facts import facts_of

log = logging.getLogger("yolov3")


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

    ONNX is written straight from the model's tensors. A model whose tensors are not those of its
    network, since its batch norm is folded or its neck is the article's, goes through PyTorch's
    exporter, and needs the package onnxscript.

    Args:
        model: from ``load``, on the CPU; from values of another type the file computes in float32,
            too.
        output: the file to write.
        format: "onnx", "torchscript" (for ``torch.jit.load``) or "pt2" (``torch.export.load``).
        boxes: decoded boxes and their scores as outputs, in place of the raw maps.
        opset: the ONNX operator set, from 11 on; default 13, and 18 through PyTorch's exporter.
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
    require_free(target, force=force)
    model = in_float32(model)
    source = source_in_memory(model) if format == "onnx" else None
    if source is not None:
        return write_straight(
            source,
            target,
            boxes=boxes,
            opset=opset,
            dynamic=dynamic,
            expected=lambda inputs: outputs_of(model, inputs, boxes=boxes),
        )
    return _through_pytorch(
        model, target, format, boxes=boxes, opset=opset or PYTORCH_OPSET, dynamic=dynamic
    )


def _through_pytorch(
    model: FromDarknet,
    target: Path,
    format: ExportFormat,  # noqa: A002
    *,
    boxes: bool,
    opset: int,
    dynamic: bool,
) -> Exported:
    """By what PyTorch has for the format."""
    graph = graph_of(model, boxes=boxes)
    inputs = inputs_for(model.network, dynamic=dynamic)
    wanted = outputs_of(model, inputs, boxes=boxes)
    job = ExportJob(
        graph=graph,
        example=torch.from_numpy(inputs[0]),
        dimensions=_dimensions(model) if dynamic else {},
        opset=opset,
        facts=facts_of(model),
    )
    log.info("writing %s and running it: up to a minute for a large network", target)
    with foreign_errors(target, "cannot be made"):
        content = FORMATS[format].write(job)
    with replacing(target, len(content)) as file:
        file.write(content)
        file.flush()
        with foreign_errors(target, "was made, but does not run"):
            run = FORMATS[format].read(Path(file.name))
            found = [run(x) for x in inputs]
        errors = [
            compare(graph.names, mine, theirs, target)
            for mine, theirs in zip(found, wanted, strict=True)
        ]
    return Exported(
        output=target,
        format=format,
        opset=job.opset if format == "onnx" else None,
        outputs={name: y.shape for name, y in zip(graph.names, wanted[0], strict=True)},
        errors={name: max(tried[name] for tried in errors) for name in graph.names},
    )


def _dimensions(model: FromDarknet) -> dict[int, Any]:
    stride = stride_of(model.network)
    sides = {2: stride * Dim("rows"), 3: stride * Dim("columns")} if stride else {}
    return {0: Dim("batch"), **sides}
