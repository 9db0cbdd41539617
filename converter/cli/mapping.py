"""The mapping as a table of text: cfg layer, bytes, tensor, shape."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from converter.plan import Slot


def mapping_lines(slots: Sequence[Slot], **columns: Sequence[str]) -> Iterator[str]:
    """The heading, and a line for each slot; ``columns`` come after it under their own names."""
    rows = [("layer", "bytes", "tensor", "shape", *columns)]
    rows += [(*_cells(slot), *more) for slot, *more in zip(slots, *columns.values(), strict=True)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=True)]
        cells[1] = row[1].rjust(widths[1])
        yield "  ".join(cells).rstrip()


def _cells(slot: Slot) -> tuple[str, str, str, str]:
    return (
        f"{slot.node.index} {slot.node.layer.type} {slot.kind}",
        f"{slot.offset:,}-{slot.end - 1:,}",
        slot.tensor or "(left out)",
        " x ".join(map(str, slot.shape)),
    )
