"""A checkpoint against a real engine, layer by layer, on the same input."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from converter.checkpoint import formats
from converter.darknet.dialects import DIALECTS, DialectName
from converter.darknet.nodes import Node
from converter.errors import CheckpointError, UsageError, errors_name
from converter.families import generic, native_naming
from converter.options import Engine, FamilyChoice, PathLike
from converter.plan import named_arrays
from converter.records import dataclass
from yolov3.base import in_float32
from yolov3.blocks import set_batch_norm
from yolov3.darknet import DarknetModel
from yolov3.detection.image import Picture, read
from yolov3.detection.prepare import prepare, usual_resize
from yolov3.loading import Model, load
from yolov3.parity.engine_bugs import excuse
from yolov3.parity.engines import Darknet, OpenCV
from yolov3.saving import save

Floats = npt.NDArray[np.float32]

# Relative L2 distance that is allowed between raw maps; between layers it is the dialect's.
OPENCV_BOUND = 1e-3  # its batch norm is sqrt(v + 1e-6), neither darknet's rule: measured up to 2e-4
GENERIC_BOUND = 0.0  # the same operations in the same order


@dataclass(frozen=True, kw_only=True)
class Difference:
    """One output of both.

    Attributes:
        index: its cfg layer.
        place: that, in words.
        max_abs: largest absolute difference.
        relative: L2 norm of the difference over that of the engine's output; infinite where one
            of them holds NaN or infinity.
        rms: root mean square of the engine's output.
        varies: whether the engine's output is not constant.
        excuse: why the engine's own output is known to be wrong; None if it should be right.
    """

    index: int
    place: str
    max_abs: float
    relative: float
    rms: float
    varies: bool
    excuse: str | None = None


@dataclass(frozen=True, kw_only=True)
class Parity:
    """A whole comparison: ``bound`` is the relative distance that is allowed."""

    engine: Engine
    bound: float
    rows: tuple[Difference, ...]

    @property
    def first(self) -> Difference | None:
        """The first layer that diverges without an excuse."""
        return next((r for r in self.rows if not r.excuse and not r.relative <= self.bound), None)

    @property
    def ok(self) -> bool:
        """Whether nothing diverges, and something that varies was compared."""
        return self.first is None and any(row.varies and not row.excuse for row in self.rows)

    def as_dict(self) -> dict[str, Any]:
        """The ``against`` object of ``verify --json``."""
        return {
            "engine": self.engine,
            "ok": self.ok,
            "bound": self.bound,
            "first": self.first.place if self.first else None,
            "layers": [
                {
                    "layer": row.index,
                    "max_abs": row.max_abs,
                    "relative": row.relative,
                    "rms": row.rms,
                    "excuse": row.excuse,
                }
                for row in self.rows
            ],
        }


def against(
    weights: PathLike,
    checkpoint: PathLike,
    engine: Engine,
    *,
    cfg: PathLike | None = None,
    dialect: DialectName | None = None,
    family: FamilyChoice = "auto",
    picture: Picture | None = None,
    seed: int = 0,
) -> Parity:
    """Run ``checkpoint`` and ``engine`` on the same input and compare what they compute.

    Both compute in float32. If the checkpoint's values were rounded to a smaller type, the engine
    gets these as well, not those of ``weights``: the bounds are about computing, not rounding.

    Args:
        weights: the .weights file, for the engine.
        checkpoint: the .safetensors, .pt or .pth file, for PyTorch.
        engine: "darknet" (an installed libdarknet, every layer), "opencv" (its raw maps), or
            "generic" (the modular model against the layer-by-layer one).
        cfg: the network, of a checkpoint that does not say it; as for ``load``.
        dialect: likewise.
        family: likewise.
        picture: what to run on; default: noise in 0..1.
        seed: of the noise.

    Raises:
        EngineError: the engine is missing or fails.
        NoAnswer: it was ended.
        CheckpointError: the checkpoint cannot be loaded whole.
        UsageError: it has nothing that the engine could be compared in.
    """
    if "schema" in formats.read(checkpoint).metadata:
        stored = load(checkpoint)
    else:
        stored = load(checkpoint, cfg=cfg, dialect=dialect, family=family)
    model = in_float32(stored)
    if engine != "darknet" and not any(node.layer.is_head for node in model.network.outputs):
        raise UsageError(
            f"has no heads, whose maps --against {engine} compares",
            path=checkpoint,
            remedy="compare it with --against darknet",
        )
    x = _input(model, picture, seed)
    with tempfile.TemporaryDirectory() as folder:
        network = Path(folder, "net.cfg")
        network.write_text(model.network.text, encoding="utf-8")
        if model is not stored:
            weights = Path(folder, "net.weights")
            save(model, weights)
        with errors_name(checkpoint, UsageError):
            bound, rows = _compared(model, x, engine, network, weights)
        return Parity(engine=engine, bound=bound, rows=tuple(rows))


def _compared(
    model: Model, x: Floats, engine: Engine, cfg: Path, weights: PathLike
) -> tuple[float, Iterator[Difference]]:
    """The distance that is allowed from ``engine``, and what there is; it has run then.

    Raises:
        UsageError: the model is layer by layer itself.
    """
    if engine == "opencv":
        return OPENCV_BOUND, _maps(model, x, OpenCV(cfg, weights).run(x))
    whole = layerwise(model)
    if engine == "darknet":
        dialect = DIALECTS[model.dialect]
        set_batch_norm(whole, dialect.batch_norm)
        return dialect.parity_bound, compare_layers(whole, x, Darknet(cfg, weights).run(x))
    if whole is model:
        raise UsageError(
            "this checkpoint is of family generic already",
            remedy="compare it with --against darknet",
        )
    return GENERIC_BOUND, _maps(model, x, _run(whole, x))


def compare_layers(
    model: DarknetModel, x: Floats, outputs: Sequence[Floats | None], device: str = "cpu"
) -> Iterator[Difference]:
    """Layer against layer. After a known bug of darknet, both go on with its values.

    Args:
        model: in eval mode, on ``device``.
        x: one input, without the batch.
        outputs: what the engine left behind in each layer.
        device: where the model computes.

    Raises:
        CheckpointError: a layer's outputs are of different sizes.
    """
    nodes = model.network.nodes
    excuses = {node.index: excuse(model.network, node.index, model.dialect) for node in nodes}
    given = {
        index: torch.from_numpy(output)[None].to(device)
        for index, output in enumerate(outputs)
        if excuses[index] and output is not None
    }
    picture = torch.from_numpy(x)[None].to(device)
    with torch.no_grad():
        for index, found in model.forward_layers(picture, given):
            expected = outputs[index]
            if found is None and expected is None:
                continue
            if found is None or expected is None or found[0].numel() != expected.size:
                raise CheckpointError(
                    "has an output of another size than the engine", place=nodes[index].place
                )
            yield _row(nodes[index], found[0].cpu().numpy(), expected, excuses[index])


def layerwise(model: Model) -> DarknetModel:
    """``model`` as a ``DarknetModel`` with the same tensors, whatever its family."""
    if isinstance(model, DarknetModel):
        return model
    network, dialect = model.network, model.dialect
    ours, theirs = (
        named_arrays(network, naming, dialect)
        for naming in (native_naming(network), generic.name_layers(network))
    )
    state = model.state_dict()
    tensors = {
        their: state[own].reshape(array.shape)
        for (_, array, own), (*_, their) in zip(ours, theirs, strict=True)
    }
    whole = DarknetModel(network, dialect).eval()
    whole.load_state_dict(tensors, strict=False, assign=True)
    return whole


def _run(model: Model, x: Floats) -> list[Floats]:
    """The raw maps in file order, without the batch."""
    with torch.no_grad():
        maps = model(torch.from_numpy(x)[None])
    arrays = [m[0].numpy() for m in maps]
    return model.network.in_file_order(arrays)


def _maps(model: Model, x: Floats, expected: Iterable[Floats]) -> Iterator[Difference]:
    nodes = [model.network.nodes[node.map_index] for node in model.network.outputs]
    for node, ours, theirs in zip(nodes, _run(model, x), expected, strict=True):
        yield _row(node, ours, theirs)


def _row(node: Node, found: Floats, expected: Floats, reason: str | None = None) -> Difference:
    ours, theirs = (a.astype(np.float64).ravel() for a in (found, expected))
    norm, difference = float(np.linalg.norm(theirs)), ours - theirs
    finite = np.isfinite(ours).all() & np.isfinite(theirs).all()
    if not finite:
        distance = float("inf")
    elif norm:
        distance = float(np.linalg.norm(difference)) / norm
    else:
        distance = float("inf") if difference.any() else 0.0
    return Difference(
        index=node.index,
        place=node.place,
        max_abs=float(np.abs(difference).max()) if finite else float("inf"),
        relative=distance,
        rms=norm / theirs.size**0.5,
        varies=bool(np.ptp(theirs) > 0),
        excuse=reason,
    )


def _input(model: Model, picture: Picture | None, seed: int) -> Floats:
    shape = model.network.input
    if picture is None:
        return np.random.default_rng(seed).random(shape.sides, dtype=np.float32)
    if not shape.is_image:
        raise UsageError("this network's input is no picture", remedy="leave --image out")
    how = usual_resize(model.network, model.dialect)
    pixels = prepare(read(picture, shape.c), shape.h, shape.w, how)
    return np.ascontiguousarray(pixels.transpose(2, 0, 1))
