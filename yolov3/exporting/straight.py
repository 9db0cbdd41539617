"""ONNX files straight from a network's arrays: written, read back and run. It needs no PyTorch."""

from __future__ import annotations

import importlib.util
import logging
import os
from collections.abc import Callable
from pathlib import Path

from converter.checkpoint.checkpoint import Checkpoint
from converter.darknet.dialects import DialectName
from converter.darknet.evidence import read_as_known
from converter.errors import OutputError
from converter.files.target import replacing
from converter.options import FILE_NAME, OPSET, PathLike
from yolov3.exporting.checking import (
    Array,
    Exported,
    compare,
    foreign_errors,
    in_onnxruntime,
    inputs_for,
)
from yolov3.exporting.onnx import different_values, encode, require_opset
from yolov3.exporting.source import Source, source_of

log = logging.getLogger("yolov3")

Expected = Callable[[list[Array]], list[list[Array]]]  # what PyTorch computes for each input


def export_checkpoint(
    path: PathLike,
    output: PathLike,
    *,
    cfg: PathLike | None = None,
    dialect: DialectName | None = None,
    boxes: bool = False,
    opset: int | None = None,
    dynamic: bool = False,
    verify: bool = True,
    force: bool = False,
) -> Exported:
    """Write the checkpoint at ``path`` as ONNX; ``export`` says what is in the file.

    Args:
        path: a .safetensors file, or a folder that ``save_pretrained`` wrote.
        output: the file to write.
        cfg: the network, for a file that does not say which it is.
        dialect: whose darknet such a file is for.
        boxes: decoded boxes and their scores as outputs, in place of the raw maps.
        opset: the ONNX operator set, from 11 on; default 13.
        dynamic: accept any number of pictures and, for a detector, any picture size that is a
            multiple of its coarsest stride.
        verify: run what was written, and compare it with PyTorch if that is installed.
        force: replace an output that exists.

    Raises:
        UsageError: the options do not go together.
        ExtraError: a package is missing.
        CheckpointError: it is no checkpoint of a whole network.
        NetworkError: a layer cannot be computed exactly, or there are no boxes.
        OutputError: the file exists, cannot be written, or does not compute the same.
    """
    require_free(output, force=force)
    network = None if cfg is None else read_as_known(cfg, dialect)
    file = Path(path, FILE_NAME) if os.path.isdir(path) else path
    source = source_of(Checkpoint.open(file, network))
    expected, reason = None, "" if verify else "--no-verify"
    if verify and importlib.util.find_spec("torch") is None:
        reason = "PyTorch is not installed"
    elif verify:
        from yolov3.base import in_float32  # late: it needs PyTorch
        from yolov3.exporting.modules import outputs_of
        from yolov3.loading import load

        def expected(inputs: list[Array]) -> list[list[Array]]:
            model = in_float32(load(path, cfg=cfg, dialect=dialect))
            return outputs_of(model, inputs, boxes=boxes)

    return write_straight(
        source,
        Path(output),
        boxes=boxes,
        opset=opset,
        dynamic=dynamic,
        expected=expected,
        run=verify,
        reason=reason,
    )


def require_free(output: PathLike, *, force: bool) -> None:
    """Refuse a file that is there already.

    Raises:
        OutputError: it is.
    """
    if os.path.lexists(output) and not force:
        raise OutputError(
            "exists already",
            path=output,
            remedy="replace it with --force, or choose another output with -o",
        )


def write_straight(
    source: Source,
    target: Path,
    *,
    boxes: bool,
    opset: int | None,
    dynamic: bool,
    expected: Expected | None,
    run: bool = True,
    reason: str = "",
) -> Exported:
    """Write ``source`` to ``target``, whose weights are compared bit by bit before it has its name.

    With ``run`` it is also run, and compared with ``expected``; ``reason`` is why it is not.
    """
    opset = OPSET if opset is None else opset
    require_opset(opset)
    drawn = source.draw(boxes=boxes, opset=opset, dynamic=dynamic)
    with foreign_errors(target, "cannot be made"):
        encoded = encode(drawn, source.facts)
    errors: dict[str, float] = {}
    with replacing(target, encoded.size) as file:
        for chunk in encoded.chunks(source.arrays):
            file.write(chunk)
        file.flush()
        written = Path(file.name)
        with foreign_errors(target, "was made, but cannot be read"):
            different = different_values(written, drawn, source.arrays)
        if different:
            raise OutputError("was not written as it is", path=target, place=different)
        if run:
            log.info("running %s", target)
            inputs = inputs_for(source.network, dynamic=dynamic)
            with foreign_errors(target, "was made, but does not run"):
                compute = in_onnxruntime(written)
                found = [compute(x) for x in inputs]
            names = list(drawn.outputs)
            for mine, theirs in zip(found, expected(inputs) if expected else found, strict=True):
                tried = compare(names, mine, theirs, target)
                errors = {name: max(errors.get(name, 0.0), tried[name]) for name in names}
    return Exported(
        output=target,
        format="onnx",
        opset=opset,
        outputs={name: (1, *shape) for name, shape in drawn.shapes.items()},
        errors=errors if expected else {},
        unverified=reason,
    )
