"""What a notebook shows of a record: a small table."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any


def table(rows: Iterable[Sequence[object]], head: Sequence[str] = ()) -> str:
    """HTML, for ``_repr_html_``; what is in it is shown as text, whatever it is."""
    from html import escape  # late: for those who are in a notebook

    lines = [
        "".join(f"<{cell}>{escape(str(value))}</{cell}>" for value in values)
        for cell, values in (("th", head), *(("td", row) for row in rows))
        if values
    ]
    return "<table>" + "".join(f"<tr>{line}</tr>" for line in lines) + "</table>"


class Record:
    """A result that is a line as text and a table in a notebook, of what is simple in it."""

    def as_dict(self) -> dict[str, Any]:
        """All that is in it, in types that JSON has."""
        raise NotImplementedError

    def __repr__(self) -> str:
        facts = ", ".join(f"{name}={value!r}" for name, value in self._facts())
        return f"{type(self).__name__}({facts})"

    def _repr_html_(self) -> str:
        return table(self._facts())

    def _facts(self) -> list[tuple[str, str | int | float]]:
        return [
            (name, value)
            for name, value in self.as_dict().items()
            if name != "schema" and isinstance(value, str | int | float)
        ]
