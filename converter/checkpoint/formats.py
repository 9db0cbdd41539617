"""A checkpoint in either of its formats: safetensors, or what torch.save writes."""

from __future__ import annotations

from pathlib import Path

from converter.checkpoint.header import Contents, read_contents
from converter.checkpoint.reader import Tensors
from converter.files import sniff
from converter.files.opening import read_start
from converter.files.source import TORCH_SUFFIXES
from converter.options import Dtype, PathLike


def is_torch(path: PathLike) -> bool:
    """Whether a file begins as those of PyTorch do."""
    return sniff.not_torch(read_start(path, sniff.HEAD)) is None


def read(path: PathLike) -> Contents:
    """What is in a checkpoint.

    Raises:
        CheckpointError: it is none, or cannot be read.
    """
    if is_torch(path) or Path(path).suffix in TORCH_SUFFIXES:
        from converter.checkpoint.torch_tensors import read_torch  # late: seldom needed

        return read_torch(path)
    return read_contents(path)


def open_tensors(path: Path, dtype: Dtype, contents: Contents | None = None) -> Tensors:
    """The tensors of a checkpoint, which should be of type ``dtype``.

    Raises:
        CheckpointError: it is none, or cannot be read.
    """
    if is_torch(path):
        from converter.checkpoint.torch_tensors import TorchTensors  # late: seldom needed

        return TorchTensors(path, dtype)
    return Tensors(path, dtype, contents)
