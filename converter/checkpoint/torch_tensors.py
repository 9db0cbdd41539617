"""A PyTorch file's tensors, read as those of a safetensors file are."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from converter.checkpoint.header import Contents, Entry
from converter.checkpoint.reader import WholeTensors
from converter.checkpoint.state_dict import StateDict, find_state_dict
from converter.files import torch_file
from converter.files.torch_objects import CODES
from converter.options import Dtype, PathLike
from converter.plan import Slot

if TYPE_CHECKING:
    from numpy.typing import NDArray


# What safetensors calls the types of PyTorch's files: as numpy does, but in capitals, and with the
# bits of a value for its bytes.
_CODES = {dtype: f"{code[0].upper()}{8 * int(code[1:])}" for dtype, code in CODES.items()}
_CODES |= {"bfloat16": "BF16", "bool": "BOOL"}


def read_torch(path: PathLike) -> Contents:
    """What is in a .pt or .pth file.

    Raises:
        CheckpointError: it is none, is damaged, or has no tensors by name.
    """
    with torch_file.opened(path) as file:
        state = find_state_dict(file)
    entries = {
        name: Entry(dtype=_CODES[tensor.dtype], shape=tensor.shape, offsets=(0, tensor.bytes))
        for name, tensor in state.tensors.items()
    }
    return Contents(
        path=Path(path),
        start=0,
        entries=entries,
        metadata={},
        where=_where(state),
        class_names=state.class_names,
    )


def _where(state: StateDict) -> str:
    """Where in a PyTorch file the tensors are; "" for a plain state dict."""
    parts = []
    if state.wrappers:
        average = " (moving averages of the weights)" if state.averaged else ""
        parts.append(f"those under {'.'.join(state.wrappers)}{average}")
    if state.module:
        parts.append(f"those of a pickled {state.module}")
    if state.passed:
        parts.append(f"not those under {' or '.join(state.passed)}")
    return ", ".join(parts)


class TorchTensors(WholeTensors):
    """The tensors of a .pt or .pth file.

    Args:
        path: the file.
        dtype: the type that its tensors should have.

    Raises:
        CheckpointError: it is none, is damaged, or has no tensors by name.
    """

    def __init__(self, path: Path, dtype: Dtype) -> None:
        with ExitStack() as stack:  # closes the file if it has none
            self._torch = stack.enter_context(torch_file.opened(path))
            self._tensors = find_state_dict(self._torch).tensors
            self._stack = stack.pop_all()
        self.path, self.dtype, self.names = path, dtype, set(self._tensors)

    def array(self, name: str) -> NDArray[Any]:
        """A tensor's values, of its shape, writable; of bfloat16 the bits."""
        import numpy as np

        return np.require(self._torch.values(self._tensors[name]), requirements="W")

    def _facts(self, slot: Slot) -> tuple[str, tuple[int, ...]]:
        tensor = self._tensors[slot.tensor]
        return _CODES[tensor.dtype], tensor.shape
