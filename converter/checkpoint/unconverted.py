"""A .weights file as the checkpoint that it would become, with nothing written."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Self

from converter.checkpoint.checkpoint import Checkpoint
from converter.checkpoint.dtypes import CODES
from converter.checkpoint.header import Contents, Entry
from converter.checkpoint.metadata import Metadata
from converter.checkpoint.payload import tensor_of
from converter.checkpoint.reader import Tensors, WholeTensors
from converter.files.source import Source, opened
from converter.plan import Plan, Slot
from converter.records import dataclass

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True, kw_only=True)
class Unconverted(Checkpoint):
    """A .weights file, whose tensors are made when they are asked for.

    Attributes:
        read_from: that file and those that say what it is.
        changed_at: when it was last changed, in nanoseconds: whoever reads its values wants those
            that were examined.
    """

    read_from: tuple[Path, ...]
    changed_at: int

    @classmethod
    def of_source(
        cls, source: Source, plan: Plan, claims: Metadata, read_from: tuple[Path, ...]
    ) -> Self:
        """The checkpoint that an open file becomes by ``plan``, and that says ``claims``."""
        start = plan.header.size
        entries = {
            slot.tensor: Entry(
                dtype=CODES[claims.dtype],
                shape=slot.shape,
                offsets=(slot.offset - start, slot.end - start),
            )
            for slot in plan.tensors
        }
        return cls(
            contents=Contents(
                path=source.path, start=start, entries=entries, metadata=claims.encode()
            ),
            plan=plan,
            dtype=claims.dtype,
            claims=claims,
            read_from=read_from,
            changed_at=source.changed_at,
        )

    @property
    def inputs(self) -> tuple[Path, ...]:
        """The files that it was read from."""
        return self.read_from

    @property
    def is_mappable(self) -> bool:
        """False: rules and other orders change its values."""
        return False

    def tensors(self) -> Tensors:
        """Its values.

        Raises:
            WeightsError: the file is another one by now, or cannot be read.
        """
        return _WeightsTensors(self)


class _WeightsTensors(WholeTensors):
    """The tensors of a .weights file."""

    def __init__(self, stored: Unconverted) -> None:
        with ExitStack() as stack:  # closes the file if it is another one
            source = stack.enter_context(opened(stored.contents.path))
            if (source.size, source.changed_at) != (stored.plan.size, stored.changed_at):
                raise source.changed()
            self._stack = stack.pop_all()
        self._source = source
        self._slots = {slot.tensor: slot for slot in stored.plan.tensors}
        self.path, self.dtype, self.names = source.path, stored.dtype, set(self._slots)

    def array(self, name: str) -> NDArray[np.float32]:
        """A tensor's values, of its shape, writable."""
        return tensor_of(self._source, self._slots[name])

    def _facts(self, slot: Slot) -> tuple[str, tuple[int, ...]]:
        return CODES[self.dtype], self._slots[slot.tensor].shape
