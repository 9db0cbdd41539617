"""What commands print: JSON, errors, a plan as a table, a status line."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from converter.errors import DarknetError, printable

if TYPE_CHECKING:
    from converter.plan import Slot


def print_json(value: dict[str, Any]) -> None:
    """One JSON object on one line of stdout, in ASCII: a path may hold what no encoding can."""
    print(json.dumps(value))


def print_error(error: DarknetError) -> None:
    """One line on stderr."""
    print(f"error: {error}", file=sys.stderr)


def print_plan(slots: Sequence[Slot], **columns: Sequence[str]) -> None:
    """A heading, and a line for each slot; ``columns`` come last, under their own names."""
    rows = [("layer", "bytes", "tensor", "shape", *columns)]
    rows += [(*_cells(slot), *more) for slot, *more in zip(slots, *columns.values(), strict=True)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=True)]
        cells[1] = row[1].rjust(widths[1])
        print(printable("  ".join(cells).rstrip()))


def _cells(slot: Slot) -> tuple[str, str, str, str]:
    return (
        f"{slot.node.index} {slot.node.layer.type} {slot.kind}",
        f"{slot.offset:,}-{slot.end - 1:,}",
        slot.tensor or "(left out)",
        " x ".join(map(str, slot.shape)),
    )


class StatusLine:
    """One line on a terminal, drawn over itself; nothing where there is no terminal."""

    def __init__(self, *, quiet: bool) -> None:
        self.shown = sys.stderr.isatty() and not quiet

    def show(self, text: str) -> None:
        """Draw ``text``; a message that is printed next overwrites it."""
        if self.shown:
            # ESC [ K erases the rest of the line; the cursor waits where a message would begin.
            print(f"{printable(text)}\x1b[K\r", end="", file=sys.stderr, flush=True)

    def clear(self) -> None:
        """Leave an empty line to the next message."""
        self.show("")
