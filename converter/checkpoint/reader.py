"""A checkpoint's values, as bits, opened by the safetensors library."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from converter.checkpoint.dtypes import CODES, WIDTHS, widen
from converter.checkpoint.header import Contents, is_counter, read_contents, unreadable
from converter.errors import CheckpointError
from converter.options import Dtype
from converter.plan import Slot

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Bits = NDArray[np.unsignedinteger[Any]]

# One buffer, reused. Fresh buffers made a streaming compare 2.5 times slower; one of half or twice
# the size, a tenth.
CHUNK = 512 << 10


def _keep_freed_blocks() -> None:
    """Have glibc reuse blocks of ``CHUNK`` bytes, of which safetensors returns a new one each time.

    It gives memory back to the kernel above twice the size of the largest block that was freed
    so far (mallopt(3), M_TRIM_THRESHOLD); fresh pages were a sixth of the time of a comparison.
    """
    block = bytearray(8 * CHUNK)
    del block


class Tensors:
    """The tensors of a safetensors file, which should all be of one type.

    Those that only count are passed over.

    Args:
        path: the file.
        dtype: the type that its tensors should have.
        contents: its header, if that was read already.

    Raises:
        CheckpointError: it is not a valid safetensors file.
    """

    def __init__(self, path: Path, dtype: Dtype, contents: Contents | None = None) -> None:
        from safetensors import SafetensorError, safe_open

        try:
            file: Any = safe_open(path, framework="numpy")
        except SafetensorError as error:
            raise unreadable(path, error) from error
        except OSError as error:
            raise CheckpointError("cannot be read", path=path) from error
        _keep_freed_blocks()
        self._stack = ExitStack()
        self._file, self.path = self._stack.enter_context(file), path
        self.dtype: Dtype = dtype
        names: list[str] = self._file.offset_keys()
        self.names = {name for name in names if not is_counter(name)}
        self._known_contents = contents

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self._stack.close()
        self.__dict__.pop("_values", None)  # a file that is mapped cannot be replaced on Windows

    def fits(self, slot: Slot) -> bool:
        """Whether the tensor has the slot's shape and the file's type."""
        return self._facts(slot) == (CODES[self.dtype], slot.shape)

    def require(self, slot: Slot) -> None:
        """Refuse a tensor that is missing or does not fit.

        Raises:
            CheckpointError: naming it.
        """
        if slot.tensor not in self.names:
            raise CheckpointError("is missing", path=self.path, place=slot.tensor)
        if not self.fits(slot):
            code, shape = self._facts(slot)
            raise CheckpointError(
                f"is {code} {shape}, not {CODES[self.dtype]} {slot.shape}",
                path=self.path,
                place=slot.tensor,
            )

    def rows(self, slot: Slot) -> Callable[[int, int], Bits]:
        """A function of (first, count) that gives those rows, (count, values a row)."""
        stored, width = self._stored(slot), slot.floats // slot.shape[0]
        return lambda first, count: self._bits(stored[first : first + count].reshape(-1, width))

    def array(self, name: str) -> NDArray[Any]:
        """A tensor's values, of its shape, if its type is one that numpy has."""
        values: NDArray[Any] = self._file.get_tensor(name)
        return values

    def in_file_order(self, slot: Slot) -> Iterator[NDArray[np.float32]]:
        """The values that the .weights file has, in its order, in blocks of rows."""
        import numpy as np

        rows, count, width = self.rows, slot.shape[0], slot.floats // slot.shape[0]
        if slot.transposed:  # a row of the file is a column of the tensor
            rows, count, width = self._columns, width, count
        block, step = rows(slot), max(1, CHUNK // (4 * width))
        for first in range(0, count, step):
            bits = np.ascontiguousarray(block(first, min(step, count - first)))
            values = widen(bits, self.dtype)
            yield slot.rule.back(values) if slot.rule else values

    def _columns(self, slot: Slot) -> Callable[[int, int], Bits]:
        """As ``rows``, of the transpose: a connected matrix need not fit into memory."""
        matrix = len(slot.shape) == 2
        stored = self._stored(slot) if matrix else self.rows(slot)(0, slot.shape[0])
        return lambda first, count: self._bits(stored[:, first : first + count]).T

    def _bits(self, values: Any) -> Bits:
        bits: Bits = values.view(f"<u{WIDTHS[self.dtype]}")
        return bits

    def _stored(self, slot: Slot) -> Any:
        """The tensor, of which parts are read as they are asked for."""
        if self.dtype != "bfloat16":
            return self._file.get_slice(slot.tensor)
        # NumPy has no such type, so the library cannot return it: read where it says they are.
        start, end = self._contents.entries[slot.tensor].offsets
        return self._values[start:end].view("<u2").reshape(slot.shape)

    @cached_property
    def _contents(self) -> Contents:
        return self._known_contents or read_contents(self.path)

    @cached_property
    def _values(self) -> NDArray[np.uint8]:
        import numpy as np

        return np.memmap(self.path, np.uint8, "r", offset=self._contents.start)

    def _facts(self, slot: Slot) -> tuple[str, tuple[int, ...]]:
        tensor = self._file.get_slice(slot.tensor)
        return tensor.get_dtype(), tuple(tensor.get_shape())


class WholeTensors(Tensors):
    """Tensors of which each is read as a whole; ``array`` says how."""

    def array(self, name: str) -> NDArray[Any]:
        """A tensor's values, of its shape, writable; of bfloat16 the bits."""
        raise NotImplementedError

    def _stored(self, slot: Slot) -> Any:
        return self.array(slot.tensor)
