"""Darknet .weights and .cfg files, mapped onto PyTorch and written as safetensors, provably.

>>> from converter import convert
>>> convert("yolov3.weights").verified  # doctest: +SKIP
True
"""

from converter.errors import (
    CfgError,
    CheckpointError,
    DarknetError,
    DownloadError,
    FamilyError,
    NetworkError,
    OutputError,
    UsageError,
    WeightsError,
)
from converter.pipeline import Conversion, Verification, convert, verify
from converter.reversion import Reversion, revert

__all__ = [
    "CfgError",
    "CheckpointError",
    "Conversion",
    "DarknetError",
    "DownloadError",
    "FamilyError",
    "NetworkError",
    "OutputError",
    "Reversion",
    "UsageError",
    "Verification",
    "WeightsError",
    "convert",
    "revert",
    "verify",
]
