"""Where every call begins.

It imports next to nothing, so that Ctrl-C is answered in one line even while a command is imported.
So is a Python that is too old for the rest; this file and what it imports are for 3.7 and later.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from converter.cli import COMMANDS


def main(argv: Sequence[str] | None = None, *, program: str | None = None) -> int:
    """``darknet-safetensors COMMAND ...``.

    Args:
        argv: the command and its arguments; default: the process's.
        program: the name that usage and examples show; default: what the process was called by.

    Returns:
        The exit code: 0 done, 1 refused, 2 wrong usage, 130 interrupted.
    """
    argv = sys.argv[1:] if argv is None else argv
    program = _called_by() if program is None else program
    if argv and argv[0] in COMMANDS:
        return _run(argv[0], f"{program} {argv[0]}", argv[1:])
    return _run(None, program, argv)


def run_script(command: str) -> int:
    """``scripts/COMMAND.py ...``; the exit code."""
    return _run(command, _called_by(), sys.argv[1:])


def _wrong_machine() -> str | None:
    """Why nothing else can be imported here, in one line, as far as that can be said beforehand."""
    if sys.version_info < (3, 11):  # noqa: UP036 - of a checkout nobody has asked pip
        version = ".".join(map(str, sys.version_info[:3]))
        return f"Python 3.11 or newer is needed, and {sys.executable} is {version}"
    package = sys.modules["converter"]
    if not hasattr(package, "DarknetError"):
        return (
            f"{package.__file__}: is of another package called converter, which was installed over"
            " this one (install this one again, in an environment of its own)"
        )
    return None


def _called_by() -> str:
    """The name of the installed command; a script was called by a path that Python must run."""
    called = sys.argv[0]
    return f"python {called}" if called.endswith(".py") else os.path.basename(called)


def _run(command: str | None, program: str, argv: Sequence[str]) -> int:
    wrong = _wrong_machine()
    if wrong:
        print(f"error: {wrong}", file=sys.stderr)
        return 1
    try:
        from converter.cli.runner import run  # late: this, too, may be interrupted

        return run(command, program, argv)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
