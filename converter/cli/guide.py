"""What a call that names no command gets: the list of commands, the version, or a suggestion."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from converter.cli import COMMANDS
from converter.errors import UsageError, did_you_mean
from converter.version import TOOL

_GUIDE = """\
usage: {program} [-h] [--version] COMMAND ...

Convert Darknet .weights to safetensors, check every float, run it in PyTorch.

to begin with:
  {program} download yolov3-tiny
  {program} convert yolov3-tiny.weights
  {program} detect yolov3-tiny.safetensors dog.jpg

commands:
{commands}

See {program} COMMAND --help for the options of a command.
"""


def answer(program: str, argv: Sequence[str]) -> int:
    """Print the guide, or the version; the exit code.

    A call without arguments has asked for nothing and done nothing. It is most often a mistake (an
    empty variable in a script), so it is refused as wrong usage is, on standard error.

    Raises:
        UsageError: the first argument is no command and no option.
    """
    if not argv:
        print(_guide(program), end="", file=sys.stderr)
        return 2
    first = argv[0]
    if first in ("-h", "--help"):
        print(_guide(program), end="")
    elif first == "--version":
        print(TOOL)
    elif first.startswith("-"):
        raise UsageError(
            f"unknown option {first!r} before a command", remedy=f"see {program} --help"
        )
    else:
        remedy = did_you_mean(first, COMMANDS, f"commands: {', '.join(COMMANDS)}")
        raise UsageError(f"unknown command {first!r}", remedy=remedy)
    return 0


def _guide(program: str) -> str:
    commands = "\n".join(f"  {name:10} {summary}" for name, summary in COMMANDS.items())
    return _GUIDE.format(program=program, commands=commands)
