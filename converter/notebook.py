"""What a notebook shows: a record as a small table, and how far a long wait is."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, ClassVar


def table(rows: Iterable[Sequence[object]], head: Sequence[str] = ()) -> str:
    """HTML, for ``_repr_html_``; what is in it is shown as text, whatever it is."""
    from html import escape  # late: for those who are in a notebook

    lines = [
        "".join(f"<{cell}>{escape(str(value))}</{cell}>" for value in values)
        for cell, values in (("th", head), *(("td", row) for row in rows))
        if values
    ]
    return "<table>" + "".join(f"<tr>{line}</tr>" for line in lines) + "</table>"


@contextmanager
def progress_bar(name: str) -> Iterator[Callable[[int, int], None] | None]:
    """A function of (bytes that are done, bytes of all) that draws them as tqdm's bar.

    None where nobody runs a notebook, or tqdm is not installed.
    """
    if "ipykernel" not in sys.modules:  # it is what runs a notebook's cells
        yield None
        return
    try:
        from tqdm.auto import tqdm
    except ImportError:
        yield None
        return
    with tqdm(desc=name, unit="B", unit_scale=True) as bar:

        def show(done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n)

        yield show


class Record:
    """A result that is a line as text and a table in a notebook.

    Attributes:
        shown: what is in them, by the names that it can be asked for by ("metadata.family").
    """

    shown: ClassVar[tuple[str, ...]]

    def as_dict(self) -> dict[str, Any]:
        """All that is in it, in types that JSON has."""
        raise NotImplementedError

    def __repr__(self) -> str:
        facts = ", ".join(f"{name}={value!r}" for name, value in self._facts())
        return f"{type(self).__name__}({facts})"

    def _repr_html_(self) -> str:
        return table(self._facts())

    def _facts(self) -> Iterator[tuple[str, Any]]:
        """Name and value of what is known of ``shown``."""
        for name in self.shown:
            value: Any = self
            for part in name.split("."):
                value = None if value is None else getattr(value, part)
            if value is not None:
                yield name, value
