"""What an export says of itself, and how what was written is run and compared."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from converter.darknet.network import Network
from converter.errors import DarknetError, ExtraError, OutputError, install
from converter.options import ExportFormat
from yolov3.exporting.drawing import INPUT, sides_of, stride_of

Array = npt.NDArray[np.float32]
Run = Callable[[Array], list[Array]]

# Two runtimes' float32, one with batch norm folded and one without: the maps of real yolov3-tiny
# differ by up to 6e-5 at values up to 26 (six photographs; PyTorch is as far from float64), those
# of the sample's 75 convolutions by 3e-5 at up to 37. A wrong operator is off by far more.
ATOL = RTOL = 1e-4


@dataclass(frozen=True, kw_only=True)
class Exported:
    """What an export wrote.

    Attributes:
        output: the file.
        format: of what kind it is.
        opset: the ONNX operator set; None for the other formats.
        outputs: name -> shape, for one picture or the first input that was tried.
        errors: name -> largest absolute difference from PyTorch, over all inputs that were tried;
            empty if it was not compared.
        unverified: why it was not compared; "" if it was.
    """

    output: Path
    format: ExportFormat
    opset: int | None
    outputs: dict[str, tuple[int, ...]]
    errors: dict[str, float] = field(default_factory=dict)
    unverified: str = ""

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
            "unverified": self.unverified or None,
        }


def inputs_for(network: Network, *, dynamic: bool) -> list[Array]:
    """Seeded noise of the network's input size; if that may vary, also of another one."""
    shape, stride = network.input, stride_of(network)
    size = sides_of(shape)
    # Not 1 and 1: torch.export takes a dimension of one for fixed.
    shapes: list[tuple[int, ...]] = [(2, *size)] if dynamic else [(1, *size)]
    if dynamic and stride:
        shapes.append((3, shape.c, shape.h + stride, shape.w + 2 * stride))
    elif dynamic:
        shapes.append((3, *size))
    rng = np.random.default_rng(0)
    return [rng.random(size, dtype=np.float32) for size in shapes]


def in_onnxruntime(path: Path) -> Run:
    """The ONNX file at ``path``, on the CPU.

    Raises:
        ExtraError: the package onnxruntime is missing.
    """
    try:
        import onnxruntime
    except ModuleNotFoundError as error:
        raise ExtraError(
            f"checking ONNX needs the package {error.name}",
            remedy=f"{install('onnx')}, or do without the check: --no-verify",
        ) from error
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    return lambda x: session.run(None, {INPUT: x})


def compare(
    names: Sequence[str], found: list[Array], wanted: list[Array], target: Path
) -> dict[str, float]:
    """Of each output, the largest absolute difference.

    Raises:
        OutputError: it is above the tolerance.
    """
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
        problem = str(error).strip().partition("\n")[0]
        raise OutputError(f"{what}: {problem}", path=target) from error
