"""Runs a command: streams, logging, exit codes.

Results go to standard output, messages to standard error. Exit codes: 0 done (and verified, unless
``--no-verify`` was given), 1 refused, 2 wrong usage; ``main`` adds 130, interrupted.
"""

from __future__ import annotations

import argparse
import atexit
import gc
import io
import logging
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from itertools import takewhile

from converter.cli.output import print_error, print_json
from converter.errors import DarknetError, ExtraError, OutputError, UsageError, missing, running
from converter.logs import ToStderr

# The commands whose modules import it before anything else.
_WITH_YOLOV3 = ("detect", "evaluate", "export", "parity")

# Python's memory goes with the process: looking through it once more took 12 ms after numpy.
atexit.register(gc.freeze)


def run(command: str | None, program: str, argv: Sequence[str]) -> int:
    """Run ``command`` (None: ``argv`` names none), called by the name ``program``.

    Returns:
        The exit code.
    """
    _open_streams()
    _set_up_interpreter()
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
        if command in _WITH_YOLOV3:
            require_own_yolov3()
        module = import_module(f"converter.cli.{command}")
        try:
            arguments = module.make_parser(program).parse_args(argv)
        except SystemExit:
            return 0  # --help or --version: argparse has printed it; errors are no SystemExit
        # ``convert`` takes many files, and what is proposed for one is not for all of them.
        call = () if command == "convert" else (command, *argv)
        with _log_to_stderr(arguments), running(*call):
            code: int = module.run(arguments)
            return code
    except DarknetError as error:
        return _refuse(error, as_json=as_json)
    except ModuleNotFoundError as error:
        # All that the command needs: after PyTorch it would ask for the next.
        extra = command if command in ("detect", "evaluate") else "torch"
        return _refuse(missing(error, extra), as_json=as_json)
    except OSError as error:
        if error.filename is None:
            raise
        unusable = DarknetError(f"cannot be used: {error.strerror}", path=error.filename)
        return _refuse(unusable, as_json=as_json)


def require_own_yolov3() -> None:
    """Refuse to import another package or file called ``yolov3`` that Python would find first.

    Raises:
        ExtraError: naming it.
    """
    from importlib.machinery import PathFinder
    from pathlib import Path

    spec = PathFinder.find_spec("yolov3")  # nothing of it is executed
    if spec is None:  # found in another way, or not there
        return
    found = spec.origin or next(iter(spec.submodule_search_locations or ()), "")
    own = Path(__file__).parents[2] / "yolov3"
    if not os.path.realpath(found).startswith(os.path.realpath(own) + os.sep):
        raise ExtraError(
            "is in the way of this program's own package yolov3",
            path=found,
            remedy="rename it, or start from another folder",
        )
    import yolov3

    if "DarknetModel" not in getattr(yolov3, "__all__", ()):
        raise ExtraError(
            "is of another package called yolov3, which was installed over this one",
            path=found,
            remedy="install this one again, in an environment of its own",
        )


def _refuse(error: DarknetError, *, as_json: bool) -> int:
    """Print ``error``; the exit code of it."""
    if as_json:
        print_json({"schema": 1, "error": error.as_dict()})
    print_error(error)
    return 2 if isinstance(error, UsageError) else 1


def _open_streams() -> None:
    """Closed streams (``>&-``) swallow all; characters that a locale lacks are escaped."""
    # Open for as long as the process lives.
    sys.stdout = sys.stdout or open(os.devnull, "w")  # noqa: SIM115
    sys.stderr = sys.stderr or open(os.devnull, "w")  # noqa: SIM115
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")


def _set_up_interpreter() -> None:
    """Python's defaults are for programs that run for longer than a blink, in one thread."""
    # Imports make tens of thousands of objects that stay. Looking for cycles among them after every
    # 700 took 10 ms of a conversion's 480.
    gc.set_threshold(50_000)
    # A thread that hashes or copies needs the interpreter for a moment between two pieces. Others
    # give it away only so often: with 5 ms, conversions took 25 ms longer.
    sys.setswitchinterval(1e-4)


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
