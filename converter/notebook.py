"""What a notebook shows of a record: a small table."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape


def table(rows: Iterable[Sequence[object]], head: Sequence[str] = ()) -> str:
    """HTML, for ``_repr_html_``; what is in it is shown as text, whatever it is."""
    lines = [
        "".join(f"<{cell}>{escape(str(value))}</{cell}>" for value in values)
        for cell, values in (("th", head), *(("td", row) for row in rows))
        if values
    ]
    return "<table>" + "".join(f"<tr>{line}</tr>" for line in lines) + "</table>"
