"""ONNX files straight from a network's arrays: written, read back and run. It needs no PyTorch."""

from __future__ import annotations

import importlib.util
import logging
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from itertools import count
from pathlib import Path
from typing import SupportsIndex

from converter.darknet.dialects import DialectName
from converter.errors import OutputError, UsageError, argument
from converter.files.target import replacing, replacing_both, require_other
from converter.operations.opening import open_stored
from converter.options import DATA_SUFFIX, OPSET, FamilyChoice, Layout, PathLike
from yolov3.exporting.checking import (
    Exported,
    foreign_errors,
    in_onnxruntime,
    inputs_for,
    require_finite,
    worst,
)
from yolov3.exporting.drawing import Drawing
from yolov3.exporting.layouts import Array, tolerance_of
from yolov3.exporting.onnx import Arrays, Encoded, different_values, encode, require_opset
from yolov3.exporting.source import Options, Source, source_of

log = logging.getLogger("yolov3")

Computed = Callable[[list[Array]], list[list[Array]]]  # what PyTorch computes for each input
# Called with what is being done, and which part of it is done; None where that is not known.
Progress = Callable[[str, float | None], None]


def export_checkpoint(
    path: PathLike,
    output: PathLike,
    *,
    cfg: PathLike | None = None,
    dialect: DialectName | None = None,
    family: FamilyChoice = "auto",
    names: PathLike | None = None,
    names_encoding: str | None = None,
    layout: Layout = "maps",
    opset: int | None = None,
    dynamic: bool = False,
    batch: int = 1,
    half: bool = False,
    verify: bool = True,
    force: bool = False,
    progress: Progress | None = None,
) -> Exported:
    """Write the checkpoint at ``path`` as ONNX; ``export`` says what is in the file.

    Weights of more than 2 GiB go to a second file, which must stay beside the first.

    Args:
        path: as for ``load``.
        output: the file to write.
        cfg: the network, for a file that does not say which it is.
        dialect: whose darknet such a file is for.
        family: whose tensor names it has; "auto": what they show.
        names: class names, one a line; default: the checkpoint's, or the .names beside .weights.
        names_encoding: of ``names``, by Python's name; default: UTF-8.
        layout: raw maps, or decoded boxes as one of ``drawing.draw_decoded``'s outputs.
        opset: the ONNX operator set, from 11 on; default 13.
        dynamic: accept any number of pictures and, for a detector, any picture size that is a
            multiple of its coarsest stride.
        batch: how many pictures at once, without ``dynamic``.
        half: weights and computation in float16; what goes in and comes out, and the decoding of
            boxes, in float32.
        verify: run what was written, and compare it with PyTorch if that is installed.
        force: replace an output that exists.
        progress: called with what is being done, and how far it is.

    Raises:
        UsageError: the options do not go together, or the output is one of the files that are read.
        ExtraError: a package is missing.
        CheckpointError: it is no checkpoint of a whole network.
        NetworkError: a layer cannot be computed exactly, or there are no boxes.
        OutputError: the file exists, cannot be written, or does not compute the same.
    """
    require_numbers(opset, batch, dynamic=dynamic)
    require_free(output, force=force)
    stored = open_stored(
        path, cfg, names, dialect=dialect, family=family, names_encoding=names_encoding
    )
    for each in (output, f"{os.fspath(output)}{DATA_SUFFIX}"):
        require_other(each, *stored.inputs)
    source = source_of(stored)
    computed, reason = None, "" if verify else argument("--no-verify")
    if verify and importlib.util.find_spec("torch") is None:
        reason = "PyTorch is not installed"
    elif verify:
        from yolov3.base import in_float32  # late: it needs PyTorch
        from yolov3.exporting.modules import outputs_of
        from yolov3.loading import class_of

        def computed(inputs: list[Array]) -> list[list[Array]]:
            model = in_float32(class_of(stored).from_checkpoint(stored))
            return outputs_of(model, inputs, layout)

    return write_straight(
        source,
        Path(output),
        Options(
            layout=layout,
            opset=OPSET if opset is None else opset,
            dynamic=dynamic,
            batch=batch,
            half=half,
        ),
        computed=computed,
        run=verify,
        reason=reason,
        unchecked=argument("--no-verify"),
        force=force,
        progress=progress,
    )


def require_numbers(opset: int | None, batch: int, *, dynamic: bool) -> None:
    """Refuse numbers of another type, such as text, and of pictures that is none or left open.

    Raises:
        UsageError: naming the argument.
    """
    for name, value in (("opset", OPSET if opset is None else opset), ("batch", batch)):
        if not isinstance(value, SupportsIndex):
            raise UsageError(f"{name}={value!r} is no whole number")
    if batch < 1:
        raise UsageError(f"batch={batch} must be at least 1")
    if dynamic and batch != 1:
        raise UsageError(
            f"{argument('--batch', batch)} fixes what {argument('--dynamic')} leaves open",
            remedy="give one of them",
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
            remedy=f"replace it with {argument('--force')}, or choose another output with"
            f" {argument('-o')}",
        )


def write_straight(
    source: Source,
    target: Path,
    options: Options,
    *,
    computed: Computed | None,
    run: bool = True,
    reason: str = "",
    unchecked: str | None = None,
    force: bool,
    progress: Progress | None = None,
) -> Exported:
    """Write ``source`` to ``target``, whose weights are compared bit by bit before it has its name.

    With ``run`` it is also run, and its outputs are compared with those ``computed`` elsewhere, if
    that is given; ``reason`` is why they are not. ``unchecked`` is how the caller does without
    ``run``, if that is possible.
    """
    layout, opset, batch, half = options.layout, options.opset, options.batch, options.half
    require_opset(opset)
    drawn = source.draw(options)
    beside = target.with_name(target.name + DATA_SUFFIX)
    with foreign_errors(target, "cannot be made"):
        encoded, data = encode(drawn, source.says(options), beside.name)
    errors: dict[str, float] = {}
    show: Progress = progress or (lambda *_: None)
    read = partial(_shown, source.arrays, drawn, show)
    with _growing(target, beside, encoded, data, read("writing"), force=force) as written:
        with foreign_errors(target, "was made, but cannot be read"):
            different = different_values(written, drawn, read("comparing"))
        if different:
            raise OutputError("was not written as it is", path=target, place=different)
        if run:
            log.info("running %s", target)
            show("running in onnxruntime", None)
            inputs = inputs_for(source.network, dynamic=options.dynamic, batch=batch)
            with foreign_errors(target, "was made, but does not run"):
                compute = in_onnxruntime(written, unchecked)
                found = [compute(x) for x in inputs]
            if computed:
                show("computing in PyTorch", None)
                errors = worst(drawn.outputs, found, computed(inputs), layout, target, half=half)
            else:
                require_finite(drawn.outputs, found, target)
    return Exported(
        output=target,
        data=None if data is None else beside,
        format="onnx",
        opset=opset,
        outputs={name: (batch, *shape) for name, shape in drawn.shapes.items()},
        tolerance=tolerance_of(layout, half=half),
        errors=errors,
        unverified=reason,
    )


def _shown(arrays: Arrays, drawn: Drawing, show: Progress, what: str) -> Arrays:
    """``arrays``, each of which is read once; tells ``show`` how many of them were."""
    total = sum(1 + len(weight.others) for weight in drawn.graph.weights.values())
    done = count()

    def read(layer: int, suffix: str) -> Array:
        show(what, next(done) / total)
        return arrays(layer, suffix)

    return read


@contextmanager
def _growing(
    target: Path,
    beside: Path,
    encoded: Encoded,
    data: Encoded | None,
    arrays: Arrays,
    *,
    force: bool,
) -> Iterator[Path]:
    """What becomes ``target``, with ``data`` beside it, if the block ends well."""
    with ExitStack() as unfinished:
        if data is None:
            file = unfinished.enter_context(replacing(target, encoded.size))
        else:
            require_free(beside, force=force)
            size = encoded.size + data.size
            file, other = unfinished.enter_context(replacing_both(target, beside, size))
            other.writelines(data.chunks(arrays))
            other.flush()
        file.writelines(encoded.chunks(arrays))
        file.flush()
        yield Path(file.name)
