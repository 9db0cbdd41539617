"""Darknet .weights and .cfg files, mapped onto PyTorch and written as safetensors, provably.

>>> from converter import convert
>>> convert("yolov3.weights").verified  # doctest: +SKIP
True

The rooms, from the top down; an import goes only down:

- ``cli``: the commands, their arguments, output and exit codes.
- ``operations``: what users do with files: convert, revert, verify, info, download.
- ``report``: the page that shows which bytes became which tensors.
- ``identify``: what a file is, with whatever lies beside it.
- ``diagnosis``: what else a file may be, and which values no training gives.
- ``checkpoint``: our safetensors files: header, metadata, types, values.
- ``plan``: the table of all tensors and their bytes, complete before one is written.
- ``families``: naming schemes: which network gets which tensor names.
- ``darknet``: the formats: cfg, section types (``layers``), network, header, ``dialects``.
- ``files``: bytes in and out: opening, hashing, replacing whole files, URLs.
- ``published``, ``logs``: the registry of public files; one-line log messages.
- ``official``, ``class_names``: the engines' cfgs in numbers; the classes of known data sets.
- ``errors``, ``version``, ``options``, ``notebook``: the tree of errors; the version; what a caller
  may choose; a record as a notebook shows it.

Importing this package imports none of them but ``errors``; the first use of a name below does.
PyTorch is imported nowhere but inside methods of ``layers``.
"""

from __future__ import annotations

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
    from converter.operations.batch import convert_many
    from converter.operations.conversion import Conversion
    from converter.operations.convert import convert
    from converter.operations.download import download
    from converter.operations.info import Info
    from converter.operations.info import describe as info
    from converter.operations.rename import rename
    from converter.operations.revert import Reversion, revert
    from converter.operations.verify import Verification, verify

# Imported when they are asked for: whoever needs one part should not wait for the others.
_LATE = {
    "Conversion": "operations.conversion",
    "Info": "operations.info",
    "Reversion": "operations.revert",
    "Verification": "operations.verify",
    "convert": "operations.convert",
    "convert_many": "operations.batch",
    "download": "operations.download",
    "info": "operations.info:describe",
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
    "Info",
    "NetworkError",
    "OutputError",
    "Reversion",
    "UsageError",
    "Verification",
    "WeightsError",
    "convert",
    "convert_many",
    "download",
    "info",
    "rename",
    "revert",
    "verify",
]


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from converter.version import VERSION

        return VERSION
    if name not in _LATE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    module, _, attribute = _LATE[name].partition(":")
    return getattr(import_module(f"{__name__}.{module}"), attribute or name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__, "__version__"})
