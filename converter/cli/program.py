"""What all command lines share: options, output, exit codes.

Results go to stdout, talk to stderr. Exit codes: 0 done (and verified, unless told not to), 1
refused, 2 usage, 130 interrupted.
"""

from __future__ import annotations

import argparse
import io
import json
import logging
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NoReturn

from converter.errors import DarknetError, OutputError, UsageError, printable
from converter.logs import ToStderr
from converter.version import TOOL

Command = Callable[[argparse.Namespace], int]


def parser(name: str, description: str, examples: Sequence[str]) -> argparse.ArgumentParser:
    """A parser with the options that every command has."""
    made = _Parser(
        allow_abbrev=False,
        prog=name,
        description=description,
        epilog="examples:\n" + "\n".join(f"  {line}" for line in examples),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    made.add_argument("--json", action="store_true", help="print one JSON object, refusals too")
    made.add_argument("-q", "--quiet", action="store_true", help="no talk on stderr but errors")
    made.add_argument("-v", "--verbose", action="store_true", help="say more")
    made.add_argument("--version", action="version", version=TOOL)
    return made


def run(command: Command, made: argparse.ArgumentParser, argv: Sequence[str] | None) -> int:
    """Parse ``argv``, run ``command``, turn its outcome into an exit code."""
    _open_streams()
    as_json = "--json" in (sys.argv if argv is None else argv)
    try:
        arguments = made.parse_args(argv)
        as_json = arguments.json
        with _logging(arguments):
            code = command(arguments)
        sys.stdout.flush()
    except DarknetError as error:
        return refuse(error, as_json=as_json)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:
        # The reader of stdout has gone (| head): nothing left to say, nor at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except OSError as error:
        if error.filename is not None:
            return refuse(
                DarknetError(f"cannot be used: {error.strerror}", path=error.filename),
                as_json=as_json,
            )
        # Of standard output: other files are handled where they are opened.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        full = OutputError(f"standard output cannot be written: {error.strerror}")
        return refuse(full, as_json=False)
    return code


def _open_streams() -> None:
    """Closed streams (``>&-``) swallow all; characters that a locale lacks are escaped."""
    if sys.stdout is None:
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115 - for as long as the process lives
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w")  # noqa: SIM115
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")


def print_json(value: dict[str, Any]) -> None:
    """One JSON object on one line of stdout, in ASCII: a path may hold what no encoding can."""
    print(json.dumps(value))


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
        """Leave an empty line to whatever is said next."""
        self.show("")


class _Parser(argparse.ArgumentParser):
    """Its refusals are told as all others are."""

    def error(self, message: str) -> NoReturn:
        """Raise a ``UsageError``."""
        raise UsageError(message, remedy=f"see {self.prog} --help")


def refuse(error: DarknetError, *, as_json: bool) -> int:
    """Tell ``error``; the exit code of it."""
    if as_json:
        print_json({"schema": 1, "error": error.as_dict()})
    print(f"error: {error}", file=sys.stderr)
    return 2 if isinstance(error, UsageError) else 1


@contextmanager
def _logging(arguments: argparse.Namespace) -> Iterator[None]:
    """Show what is logged on standard error, a line each, while the block runs."""
    level = logging.ERROR if arguments.quiet else logging.INFO
    handler = ToStderr()
    loggers = [logging.getLogger(name) for name in ("converter", "yolov3")]
    before = [(logger.handlers, logger.level) for logger in loggers]
    try:
        for logger in loggers:
            logger.handlers = [handler]
            logger.setLevel(logging.DEBUG if arguments.verbose else level)
        yield
    finally:
        for logger, (handlers, old_level) in zip(loggers, before, strict=True):
            logger.handlers = handlers
            logger.setLevel(old_level)
