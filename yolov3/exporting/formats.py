"""Which format an exported file has: what its name ends in."""

from __future__ import annotations

from pathlib import Path

from converter.errors import UsageError
from converter.files.source import TORCH_SUFFIXES
from converter.options import EXPORT_SUFFIXES, ExportFormat


def format_of(output: Path, wanted: ExportFormat | None) -> ExportFormat:
    """The format that ``output`` ends in.

    Raises:
        UsageError: it ends in none, or in another than is ``wanted``; or there is no such format.
    """
    if wanted is not None and wanted not in EXPORT_SUFFIXES:
        raise UsageError(
            f"format={wanted!r} is unknown", remedy=f"use one of {list(EXPORT_SUFFIXES)}"
        )
    formats = {suffix: name for name, suffix in EXPORT_SUFFIXES.items()}
    named = formats.get(output.suffix)
    if output.suffix in TORCH_SUFFIXES and wanted == "torchscript":
        named = wanted  # as PyTorch's own documentation calls such files
    if named is None:
        raise UsageError(
            "is no format of an export", path=output, remedy=f"end it with {', '.join(formats)}"
        )
    if wanted not in (None, named):
        raise UsageError(
            f"is {named}'s ending, not that of {wanted}",
            path=output,
            remedy=f"end it with {EXPORT_SUFFIXES[wanted]}",
        )
    return named
