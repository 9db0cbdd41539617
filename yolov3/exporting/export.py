"""export(): a model as a file for other programs, run again before it gets its name."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import torch
from torch.export import Dim

from converter.errors import CheckpointError, UsageError, argument
from converter.files.target import replacing
from converter.options import LAYOUTS, OPSET, PYTORCH_OPSET, ExportFormat, Layout, PathLike
from yolov3.base import FromDarknet, in_float32
from yolov3.exporting.checking import Exported, foreign_errors, inputs_for, worst
from yolov3.exporting.formats import format_of
from yolov3.exporting.layouts import tolerance_of
from yolov3.exporting.modules import graph_of, outputs_of, source_in_memory
from yolov3.exporting.source import Options, texts
from yolov3.exporting.straight import require_free, require_numbers, write_straight
from yolov3.exporting.writers import FORMATS, ExportJob
from yolov3.sharing.facts import facts_of

log = logging.getLogger("yolov3")


def export(
    model: FromDarknet,
    output: PathLike,
    *,
    format: ExportFormat | None = None,  # noqa: A002 - as everybody calls it
    layout: Layout = "maps",
    opset: int | None = None,
    dynamic: bool = False,
    batch: int = 1,
    half: bool = False,
    force: bool = False,
) -> Exported:
    """Write ``model`` for another runtime, run what was written, and compare.

    The file's input is ``images``: float32 (N, channels, height, width), RGB in 0..1; N is 1
    without ``dynamic``. Its outputs are those of ``yolov3.exporting.modules``.

    ONNX is written straight from the model's tensors; more than 2 GiB of them go to a second file,
    OUTPUT.data, which must stay beside the first. A model whose tensors are not those of its
    network, since its batch norm is folded or its neck is the article's, goes through PyTorch's
    exporter, and needs the package onnxscript.

    Args:
        model: from ``load``, on the CPU; from values of another type the file computes in float32,
            too.
        output: the file to write.
        format: "onnx", "torchscript" (for ``torch.jit.load``) or "pt2" (``torch.export.load``);
            default: what ``output`` ends in, .onnx, .torchscript or .pt2.
        layout: raw maps, or decoded boxes as one of ``drawing.draw_decoded``'s outputs; those of
            "ultralytics" and "deepstream" are for ONNX only.
        opset: the ONNX operator set, from 11 on; default 13, and 18 through PyTorch's exporter.
        dynamic: accept any number of pictures and, for a detector, any picture size that is a
            multiple of its coarsest stride.
        batch: how many pictures at once, without ``dynamic``.
        half: weights and computation in float16, for ONNX; what goes in and comes out, and the
            decoding of boxes, in float32.
        force: replace an output that exists.

    Raises:
        UsageError: the options do not go together, ``output`` ends in no format or in another, or
            the model is not on the CPU.
        ExtraError: a package is missing.
        CheckpointError: the model comes from no checkpoint.
        NetworkError: boxes of a network that has none.
        OutputError: the file exists, cannot be written, or does not compute the same.
    """
    target = Path(output)
    format = format_of(target, format)  # noqa: A001
    if opset is not None and format != "onnx":
        raise UsageError(f"opset={opset} is about ONNX, not {format}")
    if not hasattr(model, "network"):
        raise CheckpointError("this model comes from no checkpoint: its input size is not known")
    if layout not in LAYOUTS:
        raise UsageError(f"layout={layout!r} is unknown", remedy=f"use one of {list(LAYOUTS)}")
    require_numbers(opset, batch, dynamic=dynamic)
    other = next((p.device for p in model.parameters() if p.device.type != "cpu"), None)
    if other is not None:
        raise UsageError(
            f"the model is on {other}", remedy="files are made on the CPU: model.cpu()"
        )
    require_free(target, force=force)
    model = in_float32(model)
    source = source_in_memory(model) if format == "onnx" else None
    if opset is None:
        opset = PYTORCH_OPSET if source is None else OPSET
    options = Options(layout=layout, opset=opset, dynamic=dynamic, batch=batch, half=half)
    if source is not None:
        return write_straight(
            source,
            target,
            options,
            computed=lambda inputs: outputs_of(model, inputs, layout),
            force=force,
        )
    if half or layout not in ("maps", "boxes"):
        what = argument("--half") if half else argument("--layout", layout)
        raise UsageError(
            f"{what} is for ONNX, written straight from a network's own tensors",
            remedy="do without",
        )
    return _through_pytorch(model, target, format, options)


def _through_pytorch(
    model: FromDarknet, target: Path, kind: ExportFormat, options: Options
) -> Exported:
    """By what PyTorch has for the format."""
    layout = options.layout
    graph = graph_of(model, layout)
    inputs = inputs_for(model.network, dynamic=options.dynamic, batch=options.batch)
    wanted = outputs_of(model, inputs, layout)
    facts = facts_of(model)
    if kind == "onnx":  # what detection reads
        facts = texts(facts, model.network, model.dialect, None)
    job = ExportJob(
        graph=graph,
        example=torch.from_numpy(inputs[0]),
        dimensions=_dimensions(model) if options.dynamic else {},
        opset=options.opset,
        facts=facts,
    )
    log.info("writing %s and running it: up to a minute for a large network", target)
    with foreign_errors(target, "cannot be made"):
        content = FORMATS[kind].write(job)
    with replacing(target, len(content)) as file:
        file.write(content)
        file.flush()
        with foreign_errors(target, "was made, but does not run"):
            run = FORMATS[kind].read(Path(file.name))
            found = [run(x) for x in inputs]
        errors = worst(graph.names, found, wanted, layout, target)
    return Exported(
        output=target,
        format=kind,
        opset=options.opset if kind == "onnx" else None,
        outputs={name: y.shape for name, y in zip(graph.names, wanted[0], strict=True)},
        tolerance=tolerance_of(layout),
        errors=errors,
    )


def _dimensions(model: FromDarknet) -> dict[int, Any]:
    stride = model.network.coarsest_stride
    sides = {2: stride * Dim("rows"), 3: stride * Dim("columns")} if stride else {}
    return {0: Dim("batch"), **sides}
