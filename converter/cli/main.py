"""Where every call begins.

It imports next to nothing, so that Ctrl-C is answered in one line even while a command is imported.
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


def _called_by() -> str:
    return os.path.basename(sys.argv[0])


def _run(command: str | None, program: str, argv: Sequence[str]) -> int:
    try:
        from converter.cli.runner import run  # late: this, too, may be interrupted

        return run(command, program, argv)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
