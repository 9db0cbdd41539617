"""What an export says of itself, and how what was written is run and compared."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import field
from pathlib import Path
from typing import Any

import numpy as np

from converter.darknet.network import Network
from converter.errors import DarknetError, ExtraError, OutputError, first_line, install
from converter.notebook import Record
from converter.options import ExportFormat, Layout
from converter.records import dataclass
from yolov3.detection.in_onnx import session_of
from yolov3.exporting.drawing import INPUT
from yolov3.exporting.layouts import Array, expected

Run = Callable[[Array], list[Array]]


@dataclass(frozen=True, kw_only=True, repr=False)
class Exported(Record):
    """What an export wrote.

    Attributes:
        output: the file.
        format: of what kind it is.
        opset: the ONNX operator set; None for the other formats.
        outputs: name -> shape, for one picture or the first input that was tried.
        tolerance: what may differ from PyTorch's, absolute and relative: ``layouts.tolerance_of``.
        errors: name -> largest absolute difference from PyTorch, over all inputs that were tried;
            empty if it was not compared.
        unverified: why it was not compared; "" if it was.
        data: the file beside it that has its weights; None if they are in it.
    """

    output: Path
    format: ExportFormat
    opset: int | None
    outputs: dict[str, tuple[int, ...]]
    tolerance: tuple[float, float]
    errors: dict[str, float] = field(default_factory=dict)
    unverified: str = ""
    data: Path | None = None

    shown = "output", "data", "format", "opset", "outputs", "errors", "tolerance", "unverified"

    def as_dict(self) -> dict[str, Any]:
        """The object that ``export --json`` prints."""
        absolute, relative = self.tolerance
        return {
            "schema": 1,
            "output": str(self.output),
            "data": None if self.data is None else str(self.data),
            "format": self.format,
            "opset": self.opset,
            "outputs": {name: list(shape) for name, shape in self.outputs.items()},
            "max_abs_error": self.errors,
            "tolerance": {"absolute": absolute, "relative": relative},
            "unverified": self.unverified or None,
        }


def inputs_for(network: Network, *, dynamic: bool, batch: int = 1) -> list[Array]:
    """Seeded noise of the network's input size; if that may vary, also of another one."""
    shape, stride = network.input, network.coarsest_stride
    size = shape.sides
    # Not 1 and 1: torch.export takes a dimension of one for fixed.
    shapes: list[tuple[int, ...]] = [(2, *size)] if dynamic else [(batch, *size)]
    if dynamic and stride:
        shapes.append((3, shape.c, shape.h + stride, shape.w + 2 * stride))
    elif dynamic:
        shapes.append((3, *size))
    rng = np.random.default_rng(0)
    return [rng.random(size, dtype=np.float32) for size in shapes]


def in_onnxruntime(path: Path, unchecked: str | None = None) -> Run:
    """The ONNX file at ``path``, on the CPU.

    Args:
        path: the file.
        unchecked: how the caller does without this, if that is possible.

    Raises:
        ExtraError: the package onnxruntime is missing.
    """
    try:
        session = session_of(path)
    except ModuleNotFoundError as error:
        without = f", or do without the check: {unchecked}" if unchecked else ""
        raise ExtraError(
            f"checking ONNX needs the package {error.name}", remedy=install("onnx") + without
        ) from None
    return lambda x: session.run(None, {INPUT: x})


def require_finite(names: Iterable[str], found: list[list[Array]], target: Path) -> None:
    """Refuse outputs that are no numbers.

    Raises:
        OutputError: naming the first.
    """
    for outputs in found:
        for name, values in zip(names, outputs, strict=True):
            if not np.isfinite(values).all():
                raise _differs(target, f"{name} that are infinite or no number")


def worst(
    names: Iterable[str],
    found: list[list[Array]],
    wanted: list[list[Array]],
    layout: Layout,
    target: Path,
    *,
    half: bool = False,
) -> dict[str, float]:
    """Of each output, the largest absolute difference, over all inputs.

    Args:
        names: of the outputs.
        found: what the file gave for each input.
        wanted: what PyTorch computed, as ``layouts.expected`` takes it.
        layout: of the file.
        target: its path.
        half: whether it computes in float16.

    Raises:
        OutputError: a difference is above the tolerance.
    """
    errors = dict.fromkeys(names, 0.0)
    for outputs, computed in zip(found, wanted, strict=True):
        right = expected(layout, computed, half=half)
        for name, mine, theirs in zip(errors, outputs, right, strict=True):
            if mine.shape != theirs.values.shape or not np.isfinite(mine).all():
                raise _differs(target, f"{name} of another kind")
            error = theirs.error(mine)
            if error is None:
                most = np.abs(mine - theirs.values).max()
                raise _differs(target, f"{name} that differ by up to {most:.2g}")
            errors[name] = max(errors[name], error)
    return errors


def _differs(target: Path, how: str) -> OutputError:
    return OutputError(
        f"computes {how}, and so was not kept", path=target, remedy="try another format or opset"
    )


@contextmanager
def foreign_errors(target: Path, what: str) -> Iterator[None]:
    """Turn what an exporter or a runtime raises, each its own kinds, into one line."""
    try:
        yield
    except DarknetError:
        raise
    except Exception as error:
        raise OutputError(f"{what}: {first_line(error)}", path=target) from error
