"""What commands print: JSON, errors, a plan as a table, a status line."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, Self

from converter.errors import DarknetError, printable

if TYPE_CHECKING:
    from converter.plan import Slot


def print_json(value: dict[str, Any]) -> None:
    """One JSON object on one line of stdout, in ASCII: a path may hold what no encoding can."""
    print(json.dumps(value))


def print_error(error: DarknetError) -> None:
    """One line on stderr."""
    print(f"error: {error}", file=sys.stderr)


def print_table(lines: Iterable[str]) -> None:
    """Lines of a table: cut to the width of a terminal, which would wrap them; whole elsewhere."""
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
    for line in lines:
        shown = printable(line.rstrip())
        print(shown if width is None or len(shown) <= width else f"{shown[: width - 3]}...")


def print_plan(slots: Sequence[Slot], **columns: Sequence[str]) -> None:
    """A heading, and a line for each slot; ``columns`` come first, under their own names."""
    rows = [(*columns, "layer", "bytes", "tensor", "shape")]
    rows += [(*more, *_cells(slot)) for slot, *more in zip(slots, *columns.values(), strict=True)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    numbers = rows[0].index("bytes")
    print_table(
        "  ".join(
            cell.rjust(width) if i == numbers else cell.ljust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in rows
    )


def _cells(slot: Slot) -> tuple[str, str, str, str]:
    return (
        f"{slot.node.index} {slot.node.layer.type} {slot.kind}",
        f"{slot.offset:,}-{slot.end - 1:,}",
        slot.tensor or "(left out)",
        " x ".join(map(str, slot.shape)),
    )


class StatusLine:
    """One line on a terminal, drawn over itself while a block runs; nothing elsewhere."""

    def __init__(self, *, quiet: bool) -> None:
        self.shown = sys.stderr.isatty() and not quiet

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.clear()

    def show(self, text: str) -> None:
        """Draw ``text``; a message that is printed next overwrites it."""
        if self.shown:
            # ESC [ K erases the rest of the line; the cursor waits where a message would begin.
            print(f"{printable(text)}\x1b[K\r", end="", file=sys.stderr, flush=True)

    def clear(self) -> None:
        """Leave an empty line to the next message."""
        self.show("")
