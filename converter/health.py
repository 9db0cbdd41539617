"""Values that no training gives: the sign of a file read with the wrong layout."""

from __future__ import annotations

from converter.plan import Plan, Slot
from converter.source import Source


def negative_variance(source: Source, plan: Plan) -> Slot | None:
    """The first ``rolling_variance`` with a negative or NaN value; a sound file has none."""
    import numpy as np

    for slot in plan.slots:
        if slot.kind == "rolling_variance":
            data = bytearray(4 * slot.floats)
            source.read_into(memoryview(data), slot.offset)
            if not (np.frombuffer(data, "<f4") >= 0).all():
                return slot
    return None
