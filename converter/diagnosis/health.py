"""Values that no training gives: the sign of a damaged file, or of one read with the wrong layout.

A file of another order, or of another network of equal length, has the right size; its values
differ. Every value is looked at, in the pass that compares them anyway.
"""

from __future__ import annotations

import logging
import sys
from array import array
from collections.abc import Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from converter.darknet.layers.heads import AnchorHead
from converter.diagnosis.zeros import HOLE, Zeros
from converter.errors import WeightsError, argument, listed
from converter.files.source import Source
from converter.plan import Plan, Slot
from converter.records import dataclass

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

log = logging.getLogger("converter")

CHUNK = 256 << 10
MAX_SHOWN = 10  # warnings on a terminal

# Largest magnitudes that pass. COCO's yolov3-tiny has 18 and, in variances, 401; bytes that are no
# floats of a network give 1e30 within a few values.
LARGEST = 1e5
LARGEST_VARIANCE = 1e10

# A head's biases are logits: sigmoid(-50) is 0 in float32. Trained objectness is rare, so its bias
# is negative (-3 to -5 in COCO's yolov3-tiny); one near 0 is an untrained head.
LARGEST_HEAD_BIAS = 50.0
LARGEST_OBJECTNESS = 3.0

# Scales begin as 1, and few of them ever change their sign.
FEW_SCALES = 16


@dataclass(frozen=True, kw_only=True)
class Anomaly:
    """Something about one array that no training gives.

    Attributes:
        layer: the cfg layer.
        array: Darknet's name of the array.
        offset: its first byte in the .weights file.
        problem: in a word or two, for programs.
        text: the sentence.
    """

    layer: int
    array: str
    offset: int
    problem: str
    text: str

    def as_dict(self) -> dict[str, Any]:
        """One of the ``warnings`` of ``convert --json``."""
        return asdict(self)


class Survey:
    """What is noticed while the values of a file go by."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self._ranges: dict[int, tuple[float, float]] = {}  # offset of the slot -> least, largest
        self._zeros: dict[int, Zeros] = {}  # the same
        self._heads = {
            node.sources[0]: node.layer
            for node in plan.network.nodes
            if isinstance(node.layer, AnchorHead)
        }
        self._closer: dict[int, list[Anomaly]] = {}  # offset of the slot -> what _look_closer found

    def observe(self, slot: Slot, values: NDArray[np.float32]) -> None:
        """Look at some or all values of ``slot``: float32, of any shape."""
        import numpy as np

        low, high = self._ranges.get(slot.offset, (np.inf, -np.inf))
        with np.errstate(invalid="ignore"):  # some NaN are signalling
            # min() and max() of Python lose NaN, depending on its place.
            low = float(np.minimum(low, values.min()))
            high = float(np.maximum(high, values.max()))
        self._ranges[slot.offset] = low, high
        if not slot.transposed:  # whose values may come in any order
            self._look_for_zeros(slot, values)
        if values.size == slot.floats:
            self._closer[slot.offset] = list(self._look_closer(slot, values))

    def complete(self, source: Source) -> tuple[Anomaly, ...]:
        """Read what was not observed; everything that was noticed, in file order."""
        import numpy as np

        buffer = memoryview(bytearray(CHUNK))
        for slot in self.plan.slots:
            looks = [self.observe] if slot.offset not in self._ranges else []
            looks += [self._look_for_zeros] if slot.transposed else []
            for view, _ in source.pieces(buffer, slot.offset, slot.end) if looks else ():
                for look in looks:
                    look(slot, np.frombuffer(view, "<f4"))
        return self.findings()

    def findings(self) -> tuple[Anomaly, ...]:
        """Everything that was noticed about what was observed, in file order."""
        found = [anomaly for noticed in self._closer.values() for anomaly in noticed]
        for slot in self.plan.slots:
            if slot.offset in self._ranges:
                found += self._judge(slot, *self._ranges[slot.offset])
            if slot.offset in self._zeros:
                found += self._judge_zeros(slot, self._zeros[slot.offset])
        return tuple(sorted(found, key=lambda anomaly: anomaly.layer))

    def _judge(self, slot: Slot, low: float, high: float) -> Iterator[Anomaly]:
        variance = slot.kind.endswith("rolling_variance")
        largest = max(-low, high)
        if low != low or high != high:
            yield _anomaly(slot, "nan", "holds NaN")
        elif largest == float("inf"):
            yield _anomaly(slot, "infinite", "holds infinite values")
        elif variance and low < 0:
            yield _anomaly(slot, "negative", f"holds negative values, down to {low:.3g}")
        elif largest > (LARGEST_VARIANCE if variance else LARGEST):
            yield _anomaly(slot, "huge", f"holds values up to {largest:.3g}")
        elif low == high == 0 and not slot.kind.endswith(("biases", "rolling_mean")):
            yield _anomaly(slot, "zero", "is zero throughout")

    def _look_closer(self, slot: Slot, values: NDArray[np.float32]) -> Iterator[Anomaly]:
        """What takes more than the least and the largest value."""
        negative = int((values < 0).sum()) if slot.kind.endswith("scales") else 0
        if slot.floats >= FEW_SCALES and 2 * negative > slot.floats:
            yield _anomaly(slot, "negative", f"holds {negative} negative values of {slot.floats}")
        head = self._heads.get(slot.node.index)
        if head is None or slot.kind != "biases":
            return
        if abs(values).max() > LARGEST_HEAD_BIAS:
            yield _anomaly(slot, "head", f"holds logits up to {abs(values).max():.3g}")
            return
        box = head.objectness
        objectness = values.reshape(-1, box + 1 + head.classes)[:, box]
        if objectness.min() > LARGEST_OBJECTNESS:
            yield _anomaly(slot, "head", "would see an object in every cell")

    def _look_for_zeros(self, slot: Slot, values: NDArray[np.float32]) -> None:
        """Look at some or all values of ``slot``, in file order."""
        if slot.offset not in self._zeros:
            size = slot.shape[0] if slot.transposed else slot.floats // slot.shape[0]
            self._zeros[slot.offset] = Zeros(size)
        self._zeros[slot.offset].observe(values)

    def _judge_zeros(self, slot: Slot, zeros: Zeros) -> Iterator[Anomaly]:
        last = zeros.finish()
        if slot is self.plan.slots[-1] and HOLE <= last < slot.floats:
            yield _anomaly(slot, "zero", "ends in zeros, as an interrupted download does")
        elif zeros.found:
            first, end = zeros.found
            yield _anomaly(
                slot,
                "hole",
                f"holds {end - first:,} zeros in a row, from its value {first:,} on, as a broken"
                " transfer leaves",
            )


def _anomaly(slot: Slot, problem: str, what: str) -> Anomaly:
    return Anomaly(
        layer=slot.node.index,
        array=slot.kind,
        offset=slot.offset,
        problem=problem,
        text=f"{slot.kind} of {slot.node.place} {what}",
    )


def negative_variance(source: Source, plan: Plan) -> Slot | None:
    """The first ``rolling_variance`` with a negative or NaN value; an intact file has none.

    Without numpy, whose import would take longer than this.
    """
    for slot in plan.slots:
        if slot.kind == "rolling_variance":
            values = array("f", bytes(4 * slot.floats))
            source.read_into(memoryview(values).cast("B"), slot.offset)
            if sys.byteorder == "big":
                values.byteswap()
            if not all(value >= 0 for value in values):
                return slot
    return None


def report(anomalies: tuple[Anomaly, ...], *, strict: bool) -> None:
    """Log what was noticed, or refuse it.

    Raises:
        WeightsError: something was noticed, and ``strict``.
    """
    if anomalies and strict:
        more = f", and {len(anomalies) - 1} more such arrays" if len(anomalies) > 1 else ""
        raise WeightsError(
            f"{anomalies[0].text}{more}: damaged, or read with the wrong cfg",
            remedy=f"without {argument('--strict')} it is converted all the same",
        )
    for anomaly in anomalies[:MAX_SHOWN]:
        log.warning("%s: no training gives that", anomaly.text)
    if len(anomalies) > MAX_SHOWN:
        left = len(anomalies) - MAX_SHOWN
        log.warning("and %d more such arrays%s", left, listed())
