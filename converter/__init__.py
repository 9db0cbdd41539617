"""Darknet .weights and .cfg files, mapped onto PyTorch and written as safetensors, provably.

>>> from converter import convert
>>> convert("yolov3.weights").verified  # doctest: +SKIP
True
"""

from typing import TYPE_CHECKING, Any

from converter.errors import (
    CfgError,
    CheckpointError,
    DarknetError,
    DownloadError,
    ExtraError,
    FamilyError,
    NetworkError,
    OutputError,
    UsageError,
    WeightsError,
)

if TYPE_CHECKING:
    from converter.operations.conversion import Conversion
    from converter.operations.convert import convert
    from converter.operations.rename import rename
    from converter.operations.revert import Reversion, revert
    from converter.operations.verify import Verification, verify

# Imported when they are asked for: whoever needs one part should not wait for the others.
_LATE = {
    "Conversion": "operations.conversion",
    "Reversion": "operations.revert",
    "Verification": "operations.verify",
    "convert": "operations.convert",
    "rename": "operations.rename",
    "revert": "operations.revert",
    "verify": "operations.verify",
}

__all__ = [
    "CfgError",
    "CheckpointError",
    "Conversion",
    "DarknetError",
    "DownloadError",
    "ExtraError",
    "FamilyError",
    "NetworkError",
    "OutputError",
    "Reversion",
    "UsageError",
    "Verification",
    "WeightsError",
    "convert",
    "rename",
    "revert",
    "verify",
]


def __getattr__(name: str) -> Any:
    if name not in _LATE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_LATE[name]}"), name)
