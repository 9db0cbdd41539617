"""The values themselves: copied between .weights and safetensors, and compared.

At most one buffer of them is in memory, whatever the file's size.
"""

from __future__ import annotations

import hashlib
import mmap
import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import repeat
from typing import IO, TYPE_CHECKING

from converter.checkpoint.dtypes import narrow, widen
from converter.checkpoint.reader import CHUNK, Tensors
from converter.errors import OutputError
from converter.files.portable import POSITION, write_at
from converter.files.source import Source
from converter.options import Dtype
from converter.plan import Plan, Slot
from converter.records import dataclass

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

PIECE = 2 << 20  # what is copied at once; 256 KiB took a quarter longer, 4 MiB up to three times


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """A checkpoint against the file it should hold.

    Attributes:
        rows: every slot that has a tensor, with whether all its values are bit-equal.
        missing: tensors that the plan has and the checkpoint lacks.
        unexpected: tensors that only the checkpoint has.
    """

    rows: tuple[tuple[Slot, bool], ...]
    missing: tuple[str, ...]
    unexpected: tuple[str, ...]

    def __repr__(self) -> str:
        equal = sum(equal for _, equal in self.rows)
        others = f"{len(self.missing)} missing, {len(self.unexpected)} unexpected"
        return f"Comparison({equal} of {len(self.rows)} tensors equal, {others})"

    @property
    def mismatched(self) -> tuple[str, ...]:
        """Tensors with another shape, type or value."""
        gone = set(self.missing)
        return tuple(s.tensor for s, equal in self.rows if not equal and s.tensor not in gone)

    @property
    def ok(self) -> bool:
        """Whether all is equal, and nothing is missing or surplus."""
        return not (self.mismatched or self.missing or self.unexpected)


def write(
    source: Source,
    plan: Plan,
    target: IO[bytes],
    start: int,
    written: Callable[[int], None] | None = None,
) -> None:
    """Write all tensors from byte ``start`` of ``target`` on.

    ``written`` is called with the end of each piece of values that are copied as they are.
    """
    descriptor = target.fileno()
    verbatim, changed = _targets(plan, start)
    _reserve(descriptor, start + sum(slot.end - slot.offset for slot in plan.tensors))
    # On a page boundary: elsewhere the kernel's copies took twice as long.
    buffer = memoryview(mmap.mmap(-1, PIECE))
    for view, offset in source.pieces(buffer, 0, source.size):
        for begin, end, shift in verbatim:
            low, high = max(begin, offset), min(end, offset + len(view))
            if low < high:
                _write_at(descriptor, view[low - offset : high - offset], low + shift)
                if written:
                    written(high + shift)
    for slot, position in changed:
        for _, rows in rows_of(source, slot):
            position += _write_at(descriptor, rows.data.cast("B"), position)


def write_rounded(source: Source, plan: Plan, target: IO[bytes], start: int, dtype: Dtype) -> float:
    """The same in a smaller type; return the largest absolute error of a finite value.

    Raises:
        OutputError: a value would overflow, naming its tensor.
    """
    import numpy as np

    position, error = start, 0.0
    for slot in plan.tensors:
        for _, rows in rows_of(source, slot):
            try:
                bits = narrow(rows, dtype)
            except OutputError as overflow:
                overflow.place = slot.tensor
                raise
            position += _write_at(target.fileno(), bits.data.cast("B"), position)
            finite = np.isfinite(rows)
            differences = np.abs(widen(bits, dtype)[finite] - rows[finite])
            error = max(error, float(differences.max(initial=0)))
    return error


def require_all(tensors: Tensors, plan: Plan) -> None:
    """Refuse a checkpoint that ``restore`` could not restore from.

    Raises:
        CheckpointError: a tensor is missing, or of another shape or type.
    """
    for slot in plan.slots:
        tensors.require(slot)


def restore(tensors: Tensors, plan: Plan, target: IO[bytes]) -> str:
    """Write the .weights file that ``plan`` describes; return its SHA-256.

    Raises:
        CheckpointError: a tensor is missing, or of another shape or type.
    """
    header = plan.header.encode()
    digest = hashlib.sha256(header)
    target.write(header)
    for slot in plan.slots:
        tensors.require(slot)
        for values in tensors.in_file_order(slot):
            data = values.data.cast("B")
            digest.update(data)
            target.write(data)
    return digest.hexdigest()


Observer = Callable[[Slot, "NDArray[np.float32]"], None]


def compare(
    source: Source,
    plan: Plan,
    tensors: Tensors,
    observe: Observer | None = None,
    *,
    restored: bool = False,
) -> Comparison:
    """Compare ``tensors``, bit by bit, with ``source``.

    Args:
        source: the .weights file.
        plan: what is where in it.
        tensors: the checkpoint's.
        observe: is shown the values of ``source`` as they go by.
        restored: whether the file was made from the checkpoint. Where a rule changes values, its
            way back is then what must give the other's bits.
    """
    present = tensors.names
    rows = tuple(
        (slot, slot.tensor in present and _equal(source, slot, tensors, observe, restored))
        for slot in plan.tensors
    )
    names = [slot.tensor for slot, _ in rows]
    missing = tuple(name for name in names if name not in present)
    surplus = sorted(n for n in present.difference(names) if not plan.naming.is_extra(n))
    return Comparison(rows=rows, missing=missing, unexpected=tuple(surplus))


def _equal(
    source: Source, slot: Slot, tensors: Tensors, observe: Observer | None, restored: bool
) -> bool:
    import numpy as np

    if not tensors.fits(slot):
        return False
    rows, row = tensors.rows(slot), 0
    for array, values in rows_of(source, slot):
        if observe:
            observe(slot, array)
        bits, wanted = rows(row, len(values)), narrow(values, tensors.dtype)
        if restored and slot.rule:
            bits = slot.rule.back(widen(bits, tensors.dtype)).view("<u4")
            wanted = array.view("<u4")
        # As integers: NaN equals NaN, and 0 does not equal -0.
        if not np.array_equal(bits, wanted):
            return False
        row += len(values)
    return row == slot.shape[0]


def _targets(plan: Plan, start: int) -> tuple[list[tuple[int, int, int]], list[tuple[Slot, int]]]:
    """Where tensors go: runs (first byte, end, shift) to copy as they are; slots to change."""
    runs: list[tuple[int, int, int]] = []
    changed = []
    position = start
    for slot in plan.tensors:
        shift = position - slot.offset
        if slot.transposed or slot.rule:
            changed.append((slot, position))
        elif runs and runs[-1][1:] == (slot.offset, shift):
            runs[-1] = (runs[-1][0], slot.end, shift)
        else:
            runs.append((slot.offset, slot.end, shift))
        position += slot.end - slot.offset
    return runs, changed


def _reserve(descriptor: int, size: int) -> None:
    """Lay the disk's blocks out in one go, if the system can: writing is a third faster."""
    if hasattr(os, "posix_fallocate"):
        with suppress(OSError):  # whatever it is, writing will meet it, and is better understood
            os.posix_fallocate(descriptor, 0, size)


def _write_at(descriptor: int, data: memoryview, position: int) -> int:
    done = 0
    while done < len(data):
        done += write_at(descriptor, data[done:], position + done)
    return done


def tensor_of(source: Source, slot: Slot) -> NDArray[np.float32]:
    """A slot's tensor, in memory."""
    import numpy as np

    values, row = np.empty((slot.shape[0], slot.floats // slot.shape[0]), "<f4"), 0
    for _, rows in rows_of(source, slot):
        values[row : row + len(rows)] = rows
        row += len(rows)
    return values.reshape(slot.shape)


def rows_of(
    source: Source, slot: Slot
) -> Iterator[tuple[NDArray[np.float32], NDArray[np.float32]]]:
    """A slot's values in the tensor's order, as blocks of (rows, values a row).

    Each as the .weights file has it, and as the tensor does.
    """
    blocks = _transposed_rows(source, slot) if slot.transposed else _rows(source, slot)
    others = _rows(source, slot.read) if slot.read else repeat(None)
    for values, other in zip(blocks, others, strict=False):
        yield values, slot.rule.into(values, other) if slot.rule else values


def _rows(source: Source, slot: Slot) -> Iterator[NDArray[np.float32]]:
    import numpy as np

    row = 4 * (slot.floats // slot.shape[0])
    step = max(1, CHUNK // row)
    buffer = memoryview(bytearray(min(step, slot.shape[0]) * row))
    for view, _ in source.pieces(buffer, slot.offset, slot.end):
        yield np.frombuffer(view, "<f4").reshape(-1, row // 4)


def _transposed_rows(source: Source, slot: Slot) -> Iterator[NDArray[np.float32]]:
    """The file side is (values a row, rows)."""
    import numpy as np

    rows = slot.shape[0]
    shape = (slot.floats // rows, rows)
    with POSITION:  # numpy moves it
        stored = np.memmap(source.file, "<f4", "r", offset=slot.offset, shape=shape)
    step = max(1, CHUNK // (4 * stored.shape[0]))
    for first in range(0, rows, step):
        yield np.ascontiguousarray(stored[:, first : first + step].T)
