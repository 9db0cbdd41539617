"""The report as data: what the page, the Markdown and the JSON all show."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from math import inf, isfinite
from typing import Any, Literal, NamedTuple

from converter.checkpoint.metadata import Metadata
from converter.darknet.cfg import parse_cfg
from converter.darknet.layers.convolutional import Convolutional
from converter.darknet.layers.routing import Route, Upsample
from converter.darknet.nodes import Node
from converter.diagnosis.health import Anomaly
from converter.plan import Plan, Slot
from converter.records import dataclass
from converter.report.statistics import Statistics

State = Literal["converted", "left out", "not in the file", "without weights"]


class LayerError(NamedTuple):
    """How far a layer's output is from an engine's.

    ``max_abs`` is the largest difference of two values, ``relative`` that of the whole output.
    """

    layer: int
    max_abs: float
    relative: float


@dataclass(frozen=True, kw_only=True)
class ArrayView:
    """One array of the file; ``statistics`` is None if its values are not at hand."""

    slot: Slot
    statistics: Statistics | None


@dataclass(frozen=True, kw_only=True)
class LayerView:
    """One layer of the network.

    Attributes:
        node: the layer in its place.
        line: of its section in the cfg.
        module: path of its module in the model; "" if it has none.
        state: what became of its weights.
        rows: its arrays.
        parity: how far its output is from an engine's, if that was measured.
    """

    node: Node
    line: int
    module: str
    state: State
    rows: Sequence[ArrayView]
    parity: LayerError | None

    @property
    def kind(self) -> str:
        """Group of layer types, for their colour."""
        layer = self.node.layer
        groups: tuple[tuple[str, bool], ...] = (
            ("head", layer.is_head),
            ("route", isinstance(layer, Route)),
            ("resize", isinstance(layer, Upsample) or "reorg" in layer.type),
            ("pool", "pool" in layer.type),
            ("combine", len(self.node.sources) > 1),
            ("weights", bool(self.rows) or isinstance(layer, Convolutional)),
        )
        return next((name for name, fits in groups if fits), "other")

    @property
    def largest(self) -> ArrayView | None:
        """The array with the most values, if any of them can be shown."""
        measured = [row for row in self.rows if row.statistics and row.statistics.mean is not None]
        return max(measured, key=lambda row: row.slot.floats, default=None)

    @property
    def bytes(self) -> tuple[int, int] | None:
        """First byte of its arrays in the file, and the one after the last."""
        return (self.rows[0].slot.offset, self.rows[-1].slot.end) if self.rows else None


@dataclass(frozen=True, kw_only=True)
class Report:
    """All that is reported.

    Attributes:
        name: the file that the values were read from.
        plan, metadata: of the conversion.
        verified: whether the checkpoint was compared with its .weights file and found equal; None
            if it was not compared.
        statistics: of the arrays whose values are at hand.
        anomalies: what in those values no training gives.
        parity: a row for each layer that was run and compared with an engine's.
        agrees: whether they are close enough; None if nothing was run.
    """

    name: str
    plan: Plan
    metadata: Metadata
    verified: bool | None
    statistics: Mapping[Slot, Statistics]
    anomalies: Sequence[Anomaly]
    parity: Sequence[LayerError]
    agrees: bool | None = None

    @cached_property
    def layers(self) -> tuple[LayerView, ...]:
        """Every layer of the network, also those without weights."""
        plan = self.plan
        # A recognised network was not read from its text: its layers do not know their lines.
        lines = [section.line for section in parse_cfg(plan.network.text)[1:]]
        rows: dict[int, list[ArrayView]] = {node.index: [] for node in plan.network.nodes}
        for row in self.rows:
            rows[row.slot.node.index].append(row)
        parity = {row.layer: row for row in self.parity}
        return tuple(
            LayerView(
                node=node,
                line=line,
                module=plan.naming.modules.get(node.index, "") if rows[node.index] else "",
                state=_state(plan, node, rows[node.index]),
                rows=rows[node.index],
                parity=parity.get(node.index),
            )
            for node, line in zip(plan.network.nodes, lines, strict=True)
        )

    @cached_property
    def rows(self) -> tuple[ArrayView, ...]:
        """Every array of the file, in its order."""
        return tuple(
            ArrayView(slot=slot, statistics=self.statistics.get(slot)) for slot in self.plan.slots
        )

    @cached_property
    def flawed(self) -> tuple[ArrayView, ...]:
        """Arrays with values that are not finite."""
        return tuple(
            row
            for row in self.rows
            if row.statistics and row.statistics.nan + row.statistics.infinite
        )

    @property
    def floats(self) -> int:
        """Float32 values of the checkpoint."""
        return sum(slot.floats for slot in self.plan.tensors)

    @property
    def worst(self) -> LayerError | None:
        """The layer that is farthest from the engine's; one that is not finite before others."""
        return max(
            self.parity,
            key=lambda row: row.max_abs if isfinite(row.max_abs) else inf,
            default=None,
        )

    def as_dict(self) -> dict[str, Any]:
        """The report as JSON."""
        plan, meta = self.plan, self.metadata
        return {
            "schema": 1,
            "tool": meta.tool,
            "source": self.name,
            "source_sha256": meta.source_sha256 or None,
            "size": plan.size,
            "header": {
                name: getattr(meta.header, name)
                for name in ("major", "minor", "revision", "seen", "size")
            },
            "family": meta.family,
            "dialect": meta.dialect,
            "classes": meta.classes,
            "names": meta.names,
            "assumed": meta.assumed,
            "dtype": meta.dtype,
            "lossless": meta.lossless,
            "verified": self.verified,
            "agrees": self.agrees,
            "warnings": [anomaly.as_dict() for anomaly in self.anomalies],
            "complete": meta.complete,
            "cutoff": meta.cutoff,
            "tensors": len(plan.tensors),
            "floats": self.floats,
            "layers": [_layer_dict(layer) for layer in self.layers],
            "unfilled": {name: list(shape) for name, shape in plan.unfilled.items()},
        }


def _state(plan: Plan, node: Node, rows: Sequence[ArrayView]) -> State:
    if rows:
        return "converted" if all(row.slot.tensor for row in rows) else "left out"
    owned = any(True for _ in node.layer.arrays(node.inputs, plan.dialect))
    return "not in the file" if owned else "without weights"


def _layer_dict(layer: LayerView) -> dict[str, Any]:
    return {
        "index": layer.node.index,
        "type": layer.node.layer.type,
        "line": layer.line,
        "sources": list(layer.node.sources),
        "output": str(layer.node.output),
        "module": layer.module or None,
        "state": layer.state,
        "arrays": [_row_dict(row) for row in layer.rows],
        "parity": layer.parity
        and {
            "max_abs": _finite(layer.parity.max_abs),
            "relative": _finite(layer.parity.relative),
        },
    }


def _row_dict(row: ArrayView) -> dict[str, Any]:
    slot = row.slot
    return {
        "kind": slot.kind,
        "tensor": slot.tensor or None,
        "shape": list(slot.shape),
        "first_byte": slot.offset,
        "last_byte": slot.end - 1,
        "transposed": slot.transposed,
        "rule": str(slot.rule) if slot.rule else None,
        "statistics": row.statistics and row.statistics.as_dict(),
    }


def _finite(value: float) -> float | None:
    """JSON has no NaN and no infinity."""
    return value if isfinite(value) else None
