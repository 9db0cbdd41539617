"""How this project logs: one printable line a record, warnings marked."""

from __future__ import annotations

import logging
import sys

from converter.errors import printable


class OneLine(logging.Formatter):
    """A record as one printable line, warnings marked."""

    def format(self, record: logging.LogRecord) -> str:
        """The message, with control characters shown."""
        mark = f"{record.levelname.lower()}: " if record.levelno >= logging.WARNING else ""
        return printable(mark + record.getMessage())


class ToStderr(logging.Handler):
    """To whatever standard error is at that moment, a line a record."""

    def __init__(self) -> None:
        super().__init__()
        self.setFormatter(OneLine())

    def emit(self, record: logging.LogRecord) -> None:
        """Print ``record``."""
        print(self.format(record), file=sys.stderr)
