"""A .pt or .pth file: a plain state dict, as torch.save writes it."""

from __future__ import annotations

from typing import IO

from converter.checkpoint.payload import tensor_of
from converter.errors import ExtraError, install
from converter.files.source import Source
from converter.plan import Plan


def write_state_dict(source: Source, plan: Plan, target: IO[bytes]) -> None:
    """Write the tensors of ``plan`` by their names, float32, with nothing else.

    ``torch.load(..., weights_only=True)`` reads them. All are in memory at once.

    Raises:
        ExtraError: PyTorch is not installed.
    """
    try:
        import torch
    except ModuleNotFoundError:
        raise ExtraError("a PyTorch file needs PyTorch", remedy=install("torch")) from None

    tensors = {slot.tensor: torch.from_numpy(tensor_of(source, slot)) for slot in plan.tensors}
    torch.save(tensors, target)
