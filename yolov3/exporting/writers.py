"""The file formats of ``export``: how each is written, and how it is run again."""

from __future__ import annotations

import io
import json
import logging
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from converter.errors import UsageError, argument
from converter.options import ExportFormat
from converter.records import dataclass
from yolov3.exporting.checking import Run, in_onnxruntime
from yolov3.exporting.drawing import INPUT
from yolov3.exporting.layouts import Array
from yolov3.exporting.modules import Boxes, Maps
from yolov3.exporting.onnx import imported


@dataclass(frozen=True, kw_only=True)
class ExportJob:
    """What to write.

    Attributes:
        graph: the model, in eval mode.
        example: a batch of pictures.
        dimensions: for each dimension of the input, what ``torch.export`` calls it if it may vary.
        opset: the ONNX operator set.
        facts: what the file shall say of the model.
    """

    graph: Maps | Boxes
    example: torch.Tensor
    dimensions: Mapping[int, Any]
    opset: int
    facts: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Writer:
    """A file format: from a model to bytes, and from a file to what runs it."""

    write: Callable[[ExportJob], bytes]
    read: Callable[[Path], Run]


def _write_onnx(job: ExportJob) -> bytes:
    """Through ``torch.export``: PyTorch has deprecated the older way, over TorchScript."""
    for package in ("onnx", "onnxruntime", "onnxscript"):
        imported(package)
    with _quiet():
        program = torch.onnx.export(
            job.graph,
            (job.example,),
            input_names=[INPUT],
            output_names=list(job.graph.names),
            opset_version=job.opset,
            dynamic_shapes=(dict(job.dimensions),),
            dynamo=True,
            verbose=False,
        )
    assert program is not None  # as with dynamo=False
    model = program.model_proto
    written = {opset.domain: opset.version for opset in model.opset_import}[""]
    if written != job.opset:
        # The exporter only logs that it could not convert.
        raise UsageError(
            f"this PyTorch cannot write ONNX opset {job.opset}",
            remedy=f"use {argument('--opset', written)}",
        )
    graph = model.graph
    for part in [graph, *graph.node, *graph.value_info, *graph.input, *graph.output]:
        # Stack traces with the paths of this machine.
        part.ClearField("metadata_props")
    for key, value in job.facts.items():
        model.metadata_props.add(key=key, value=value if isinstance(value, str) else _json(value))
    return bytes(model.SerializeToString(deterministic=True))


def _write_torchscript(job: ExportJob) -> bytes:
    with _quiet():
        trace: Any = torch.jit.trace
        traced = trace(job.graph, job.example, check_trace=False)
        buffer = io.BytesIO()
        torch.jit.save(traced, buffer, _extra_files={"facts.json": _json(job.facts)})
    return buffer.getvalue()


def _read_torchscript(path: Path) -> Run:
    with _quiet():
        load: Any = torch.jit.load
        module = load(path, map_location="cpu")
    return lambda x: _arrays(module(torch.from_numpy(x)))


def _write_pt2(job: ExportJob) -> bytes:
    with _quiet():
        program = torch.export.export(
            job.graph, (job.example,), dynamic_shapes=(dict(job.dimensions),)
        )
        buffer = io.BytesIO()
        torch.export.save(program, buffer, extra_files={"facts.json": _json(job.facts)})
    return buffer.getvalue()


def _read_pt2(path: Path) -> Run:
    with _quiet(), open(path, "rb") as file:
        module = torch.export.load(io.BytesIO(file.read())).module()
    return lambda x: _arrays(module(torch.from_numpy(x)))


def _arrays(outputs: Sequence[torch.Tensor]) -> list[Array]:
    return [output.detach().numpy() for output in outputs]


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep the exporters' remarks to themselves.

    They are about PyTorch's own insides (deprecations among its parts, torchvision not being
    there), and about the formats as such; what was written is run and compared anyway.
    """
    loggers = [logging.getLogger(name) for name in ("torch", "onnxscript")]
    levels = [logger.level for logger in loggers]
    try:
        for logger in loggers:
            logger.setLevel(logging.CRITICAL)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


FORMATS: dict[ExportFormat, Writer] = {
    "onnx": Writer(write=_write_onnx, read=in_onnxruntime),
    "torchscript": Writer(write=_write_torchscript, read=_read_torchscript),
    "pt2": Writer(write=_write_pt2, read=_read_pt2),
}
