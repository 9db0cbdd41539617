"""One cfg in one engine and in our model: the same, another network, or no network."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal

from converter.darknet.dialects import DIALECTS, DialectName
from converter.darknet.network import parse_network, read_cfg
from converter.errors import CheckpointError, DarknetError, first_line
from converter.records import dataclass
from yolov3.blocks import set_batch_norm
from yolov3.darknet import DarknetModel
from yolov3.parity.compare import Difference, compare_layers
from yolov3.parity.engines import Darknet, EngineError, Limits, NoAnswer
from yolov3.parity.inputs import noise, one_picture, randomise, shrink
from yolov3.saving import save

Result = Literal[
    "exact", "differs", "refused by both", "refused by the engine", "refused here", "no answer"
]
AGREEING: tuple[Result, ...] = ("exact", "refused by both")


@dataclass(frozen=True, kw_only=True)
class Case:
    """A cfg, and how it is run.

    Attributes:
        path: the file.
        name: what it is called in lines and tables.
        dialect: whose engine it is compared with.
        library: that engine.
        full: whether pictures have the size that the cfg says, and are not small.
        device: where our side computes.
    """

    path: Path
    name: str
    dialect: DialectName
    library: Path
    full: bool = False
    device: str = "cpu"


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What became of a case.

    Attributes:
        cfg: its name.
        engine: the dialect.
        result: in a word or two.
        here: why we refuse it.
        there: why the engine does, or how its answer differs.
        layers: layers that were compared.
        floats: in its .weights file.
        same_file: whether the engine writes the file that it read; None if it need not.
        worst: the layer that is farthest from the engine's, or the first that is too far.
        relative: its relative L2 distance; None where a value is infinite or no number.
        excused: layers that are too far, and which the engine is known to compute wrong.
        weak: layers whose agreement says little: constant, or far from 1 in size.
    """

    cfg: str
    engine: DialectName
    result: Result
    here: str | None = None
    there: str | None = None
    layers: int = 0
    floats: int = 0
    same_file: bool | None = None
    worst: str | None = None
    relative: float | None = None
    excused: int = 0
    weak: int = 0

    def as_dict(self) -> dict[str, Any]:
        """As JSON has it."""
        return asdict(self)


def examine(case: Case, limits: Limits) -> Verdict:
    """Run a cfg in its engine and here, with the same random weights and input, and compare.

    Raises:
        NoAnswer: nobody waits any more.
    """
    facts: dict[str, Any] = {"cfg": case.name, "engine": case.dialect}
    with tempfile.TemporaryDirectory() as folder:
        try:
            return Verdict(**facts, **_compared(case, Path(folder), limits))
        except NoAnswer as error:
            if limits.stop.is_set():
                raise
            return Verdict(**facts, result="no answer", there=error.message)
        except (RuntimeError, MemoryError) as error:  # PyTorch's, for a network that is too large
            text = f"{type(error).__name__}: {first_line(error)}"
            return Verdict(**facts, result="no answer", here=text)


def _compared(case: Case, folder: Path, limits: Limits) -> dict[str, Any]:
    cfg, weights, saved = (folder / name for name in ("net.cfg", "net.weights", "saved.weights"))
    try:
        model = _model(case, cfg)
        x = noise(model.network)
        randomise(model, x)
        save(model.state_dict(), weights, cfg=cfg, dialect=case.dialect)
    except DarknetError as error:
        return _refused(case, cfg, str(error), limits)
    try:
        outputs = Darknet(cfg, weights, case.library, limits).run(x, save_to=saved)
    except EngineError as error:
        return {"result": "refused by the engine", "there": _named(error, case, cfg)}
    facts = {"floats": model.network.floats_of(case.dialect), "layers": len(model.network.nodes)}
    same = None if _flipped(model) else weights.read_bytes() == saved.read_bytes()
    rows: list[Difference] = []
    try:
        for row in compare_layers(model.to(case.device), x, outputs, case.device):
            if limits.stop.is_set():
                raise NoAnswer("nobody waits any more")
            rows.append(row)
    except CheckpointError as error:
        return {"result": "differs", "there": error.message, "worst": error.place, **facts}
    return {**facts, "same_file": same, **_judged(rows, case.dialect, same)}


def _model(case: Case, cfg: Path) -> DarknetModel:
    """The model of a case, for a smaller picture as the case may be, which ``cfg`` then says."""
    cfg.write_bytes(case.path.read_bytes())  # even if it is no text
    text = one_picture(read_cfg(case.path))
    cfg.write_text(text, encoding="utf-8")
    if not case.full:
        text = shrink(text, case.dialect)
        cfg.write_text(text, encoding="utf-8")
    model = DarknetModel(parse_network(text, case.dialect), case.dialect).eval()
    set_batch_norm(model, DIALECTS[case.dialect].batch_norm)
    return model


def _refused(case: Case, cfg: Path, here: str, limits: Limits) -> dict[str, Any]:
    """Whether the engine refuses what we do; it gets no weights, since we know of none."""
    try:
        Darknet(cfg, None, case.library, limits).load()
    except EngineError as error:
        return {"result": "refused by both", "here": here, "there": _named(error, case, cfg)}
    return {"result": "refused here", "here": here}


def _named(error: EngineError, case: Case, cfg: Path) -> str:
    """What the engine said, which knows the cfg as a temporary file."""
    return error.message.replace(str(cfg), case.name)


def _judged(rows: Sequence[Difference], dialect: DialectName, same: bool | None) -> dict[str, Any]:
    bound = DIALECTS[dialect].parity_bound
    held = [row for row in rows if row.relative <= bound or not row.excuse]
    far = [row for row in held if not row.relative <= bound]
    worst = far[0] if far else max(held, key=lambda row: row.relative, default=None)
    facts: dict[str, Any] = {
        "excused": len(rows) - len(held),
        "weak": sum(_is_weak(row) for row in held),
    }
    if worst:
        facts["worst"] = worst.place
        facts["relative"] = worst.relative if math.isfinite(worst.relative) else None
    if far:
        return {"result": "differs", **facts}
    if same is False:
        return {"result": "differs", "there": "it writes another file than it read", **facts}
    if not any(row.varies for row in held):
        return {"result": "no answer", "there": "all that it computes is constant", **facts}
    return {"result": "exact", **facts}


def _is_weak(row: Difference) -> bool:
    """Whether the engine's values are such that ours could hardly be others."""
    # n probabilities have an RMS of about 1/n
    least = 0.0 if "[softmax]" in row.place else 1e-2
    return not (row.varies and least <= row.rms <= 1e2)


def _flipped(model: DarknetModel) -> bool:
    """Whether kernels are transposed as they are read, which darknet does not undo."""
    return any(
        array.stored == "transposed"
        for node in model.network.nodes
        for array in node.layer.arrays(node.inputs, model.dialect)
    )
