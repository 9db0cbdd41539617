"""Where the values of a Plan's arrays are read from: the .weights file, or the checkpoint."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from converter.checkpoint import formats, payload
from converter.checkpoint.checkpoint import Checkpoint
from converter.checkpoint.reader import CHUNK, Tensors
from converter.diagnosis.health import Anomaly, Survey
from converter.files.source import Source, is_weights, opened
from converter.options import Dtype
from converter.plan import Plan, Slot
from converter.report.statistics import Statistics, measure

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def survey(
    path: Path, plan: Plan, dtype: Dtype
) -> tuple[dict[Slot, Statistics], tuple[Anomaly, ...]]:
    """Every array of ``plan`` that the .weights file or checkpoint holds.

    Args:
        path: the file.
        plan: what is where in it.
        dtype: of the checkpoint's tensors.

    Returns:
        The statistics of each, and what in them no training gives.

    Raises:
        WeightsError, CheckpointError: it cannot be read, or is not what ``plan`` is about.
    """
    if is_weights(path):
        with opened(path) as source:
            return _look(plan, plan.slots, partial(_from_weights, source))
    with formats.open_tensors(path, dtype) as tensors:
        for slot in plan.tensors:
            tensors.require(slot)
        return _look(plan, plan.tensors, partial(_from_tensor, tensors))


def restores(stored: Checkpoint) -> bool | None:
    """Whether a checkpoint goes back to the .weights file that it says it was made from.

    Its SHA-256 decides. None if values of that file are not in it, or a rule may have lost some.

    Raises:
        CheckpointError: a tensor is missing, or of another shape or type.
    """
    if stored.dtype != "float32" or stored.plan.left_out:
        return None
    with open(os.devnull, "wb") as nothing, stored.tensors() as tensors:
        same = payload.restore(tensors, stored.plan, nothing) == stored.metadata.source_sha256
    return same if same or stored.plan.exact else None


def _look(
    plan: Plan,
    slots: Sequence[Slot],
    pieces: Callable[[Slot], Iterator[NDArray[np.float32]]],
) -> tuple[dict[Slot, Statistics], tuple[Anomaly, ...]]:
    found: dict[Slot, Statistics] = {}
    health = Survey(plan)
    for slot in slots:
        for values in pieces(slot):
            health.observe(slot, values)
        found[slot] = measure(partial(pieces, slot))
    return found, health.findings()


def _from_weights(source: Source, slot: Slot) -> Iterator[NDArray[np.float32]]:
    """The values of ``slot`` in pieces; one is valid until the next."""
    import numpy as np

    buffer = memoryview(bytearray(CHUNK))
    for piece, _ in source.pieces(buffer, slot.offset, slot.end):
        yield np.frombuffer(piece, "<f4")


def _from_tensor(tensors: Tensors, slot: Slot) -> Iterator[NDArray[np.float32]]:
    """The same of a checkpoint's tensor."""
    for values in tensors.in_file_order(slot):
        yield values.ravel()
