"""Runs a command: streams, logging, exit codes.

Results go to standard output, messages to standard error. Exit codes: 0 done (and verified, unless
``--no-verify`` was given), 1 refused, 2 wrong usage; ``main`` adds 130, interrupted.
"""

from __future__ import annotations

import argparse
import io
import logging
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from itertools import takewhile

from converter.cli.output import print_error, print_json
from converter.errors import DarknetError, ExtraError, OutputError, UsageError, install
from converter.logs import ToStderr


def run(command: str | None, program: str, argv: Sequence[str]) -> int:
    """Run ``command`` (None: ``argv`` names none), called by the name ``program``.

    Returns:
        The exit code.
    """
    _open_streams()
    try:
        code = _run(command, program, argv)
        sys.stdout.flush()
    except BrokenPipeError:
        # The reader of stdout has gone (| head): nothing left to say.
        _discard_stdout()
        return 1
    except OSError as error:
        # Of standard output: other files are handled where they are opened.
        _discard_stdout()
        full = OutputError(f"standard output cannot be written: {error.strerror}")
        return _refuse(full, as_json=False)
    return code


def _run(command: str | None, program: str, argv: Sequence[str]) -> int:
    as_json = "--json" in takewhile(lambda argument: argument != "--", argv)
    try:
        if command is None:
            from converter.cli.guide import answer

            return answer(program, argv)
        module = import_module(f"converter.cli.{command}")
        try:
            arguments = module.make_parser(program).parse_args(argv)
        except SystemExit:
            return 0  # --help or --version: argparse has printed it; errors are no SystemExit
        with _log_to_stderr(arguments):
            code: int = module.run(arguments)
            return code
    except DarknetError as error:
        return _refuse(error, as_json=as_json)
    except ModuleNotFoundError as error:
        text = f"yolov3 needs PyTorch: {install('torch')}" if error.name == "torch" else str(error)
        return _refuse(ExtraError(text), as_json=as_json)
    except OSError as error:
        if error.filename is None:
            raise
        unusable = DarknetError(f"cannot be used: {error.strerror}", path=error.filename)
        return _refuse(unusable, as_json=as_json)


def _refuse(error: DarknetError, *, as_json: bool) -> int:
    """Print ``error``; the exit code of it."""
    if as_json:
        print_json({"schema": 1, "error": error.as_dict()})
    print_error(error)
    return 2 if isinstance(error, UsageError) else 1


def _open_streams() -> None:
    """Closed streams (``>&-``) swallow all; characters that a locale lacks are escaped."""
    if sys.stdout is None:
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115 - for as long as the process lives
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w")  # noqa: SIM115
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")


def _discard_stdout() -> None:
    """Let Python's own flush at exit succeed: what is left to write goes nowhere."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


@contextmanager
def _log_to_stderr(arguments: argparse.Namespace) -> Iterator[None]:
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
