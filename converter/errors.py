"""What can go wrong, as one tree.

DarknetError
├── UsageError        the request itself makes no sense (exit code 2)
├── CfgError          a .cfg file: place is its line
├── NetworkError      layers that do not fit together: place is the layer and its cfg line
├── WeightsError      a .weights file: place is a byte offset or a layer
├── FamilyError       a network that does not have the shape that was asked for
├── CheckpointError   a checkpoint or exported file: place is a tensor, entry or byte offset
├── ImageError        a picture that cannot be used
├── DatasetError      labelled pictures that cannot be made sense of
├── DownloadError     published weights that no server delivers
├── OutputError       a target that cannot be written
└── ExtraError        a package that is not installed
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any


class DarknetError(Exception):
    """A refusal in one line: what is wrong, where, and what to do about it.

    Attributes:
        message: what is wrong.
        path: the file it was found in, if there is one.
        place: where in that file ("line 12", "layer 81 [convolutional], line 600", "byte 20").
        remedy: one sentence on what to do.
    """

    def __init__(
        self,
        message: str,
        *,
        path: str | os.PathLike[str] | None = None,
        place: str | None = None,
        remedy: str | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.path = None if path is None else os.fspath(path)
        self.place = place
        self.remedy = remedy

    def __str__(self) -> str:
        where = [part for part in (self.path, self.place) if part]
        text = ": ".join([*where, self.message])
        return printable(f"{text} ({self.remedy})" if self.remedy else text)

    def as_dict(self) -> dict[str, Any]:
        """The ``error`` object of the ``--json`` output."""
        return {
            "type": type(self).__name__,
            "message": self.message,
            "path": self.path,
            "place": self.place,
            "remedy": self.remedy,
        }


class UsageError(DarknetError):
    """The request makes no sense, whatever the files hold."""


class CfgError(DarknetError):
    """A .cfg file that Darknet could not read, or would read differently than it looks."""


class NetworkError(DarknetError):
    """Layers that do not fit together."""


class WeightsError(DarknetError):
    """A .weights file that does not hold what the network needs."""


class FamilyError(DarknetError):
    """A network that is not of the family that was asked for."""


class CheckpointError(DarknetError):
    """A .safetensors, .pt, .pth or .onnx file that cannot be used as asked."""


class ImageError(DarknetError):
    """A picture that cannot be read, or used as asked."""


class DatasetError(DarknetError):
    """Labelled pictures that cannot be made sense of."""


class DownloadError(DarknetError):
    """Published weights that no server delivers as they were published."""


class OutputError(DarknetError):
    """A target that cannot be written."""


class ExtraError(DarknetError):
    """A package that is not installed, and that only some uses need."""


@contextmanager
def errors_name(path: str | os.PathLike[str], *kinds: type[DarknetError]) -> Iterator[None]:
    """Have errors of these ``kinds`` in the block name ``path``, if they name no file."""
    try:
        yield
    except kinds as error:
        error.path = error.path or os.fspath(path)
        raise


# What each extra of pyproject.toml brings. Remedies name the packages themselves: that works for
# everybody, while an extra's name says nothing to a pip that does not find this project.
_PACKAGES = {
    "torch": "torch",
    "detect": "torch pillow",
    "runtime": "onnxruntime pillow",
    "evaluate": "torch pillow pycocotools pyyaml",
    "plots": "matplotlib",
    "onnx": "onnx onnxruntime onnxscript",
    "hub": "torch huggingface_hub",
    "report": "jinja2",
    "remote": "fsspec aiohttp",
    "opencv": "'opencv-python-headless<5'",
}


def install(extra: str) -> str:
    """The remedy for a package that one of our extras installs."""
    return f"pip install {_PACKAGES[extra]}"


# What every installation brings, and a checkout does not.
_NEEDED = ("numpy", "safetensors", "requests")


def missing(error: ModuleNotFoundError, extra: str = "torch") -> ExtraError:
    """The refusal for a package that was imported and is not there.

    If it is PyTorch, ``extra`` is what brings it, with all else that is needed then.
    """
    if error.name == "torch":
        return ExtraError("yolov3 needs PyTorch", remedy=install(extra))
    if error.name in _NEEDED:
        line = f"{sys.executable} -m pip install {' '.join(_NEEDED)}"
        return ExtraError(f"the package {error.name} is not installed", remedy=line)
    return ExtraError(str(error))


def command(*arguments: str) -> str:
    """A command of ours with its ``arguments``, as one types it where this process was called.

    Code that imports the package was called by a name of its own: there it is ``python -m``.
    """
    import shlex  # late: few calls are refused

    folder, called = os.path.split(sys.argv[0] if sys.argv else "")
    line = shlex.join(arguments)
    if called.removesuffix(".exe") == "darknet-safetensors":
        return f"darknet-safetensors {line}"
    scripts = os.path.join(os.path.dirname(__file__), os.pardir, "scripts")
    if called.endswith(".py") and os.path.realpath(folder) == os.path.realpath(scripts):
        script = shlex.quote(os.path.join(folder, f"{arguments[0]}.py"))
        return f"python {script} {shlex.join(arguments[1:])}"
    return f"python -m converter {line}"


# The command that is running, and its arguments if that call can be repeated; None in Python.
RUNNING: ContextVar[tuple[str, ...] | None] = ContextVar("RUNNING", default=None)
# Whether ``rename`` reads, which has a family for what it reads, and one for what it writes.
RENAMING: ContextVar[bool] = ContextVar("RENAMING", default=False)
# What Python's functions call the options that are not called alike.
_ARGUMENTS = {
    "-o": "output=",
    "--by-order": "by_order=True",
    "--dynamic": "dynamic=True",
    "--family-table": "family=",
    "--for": "engine=",
    "--force": "force=True",
    "--half": "half=True",
    "--help": "help(revert)",
    "--no-verify": "verify=False",
    "--partial": "partial=True",
    "--strict": "strict=True",
}
_LONGEST = 300  # characters of a line to paste: a pattern may have become a thousand pictures


@contextmanager
def running(*call: str) -> Iterator[None]:
    """Have remedies speak of a command in the block.

    ``again`` repeats ``call``, a command of ours with its arguments, if it is given.
    """
    token = RUNNING.set(call)
    try:
        yield
    finally:
        RUNNING.reset(token)


def argument(option: str, value: str | int | None = None) -> str:
    """How the caller gives ``option``: ``--cfg x.cfg`` to a command, ``cfg='x.cfg'`` in Python."""
    if RUNNING.get() is not None:
        if value is None:
            return option
        import shlex  # late: few calls are refused

        return f"{option} {shlex.quote(str(value))}"
    name = _ARGUMENTS.get(option) or option.removeprefix("--").replace("-", "_") + "="
    return name if value is None else f"{name}{value!r}"


def require_text(needed: Mapping[str, object], **optional: object) -> None:
    """Refuse arguments of Python's callers that are neither strings nor paths.

    Args:
        needed: by their names.
        **optional: likewise, of which each may be None.

    Raises:
        UsageError: naming the first that is neither.
    """
    given = {name: value for name, value in optional.items() if value is not None}
    for name, value in {**needed, **given}.items():
        if not isinstance(value, str | os.PathLike):
            raise UsageError(f"{name}={value!r} must be a string or a path")


def source_family(option: str = "--family", value: str | None = None) -> str:
    """As ``argument``, of the family of a checkpoint that is read.

    While ``rename`` reads it, a command has only a table for it: ``--family`` is of the output.
    """
    if RENAMING.get():
        option = "--source-family" if RUNNING.get() is None else "--family-table"
    return argument(option, value)


def listed() -> str:
    """Which command lists all that any of them logs only in part; nothing of it in Python."""
    return "" if RUNNING.get() is None else ", which info --json lists"


def again(option: str, value: str) -> str | None:
    """The command that is running, with ``value`` for ``option``; of a long one the option alone.

    In Python the argument alone. None where a command is running that takes many files, of which
    that is about one.
    """
    import shlex  # late: few calls are refused

    running_call = RUNNING.get()
    if running_call is None:
        return argument(option, value)
    if not running_call:
        return None
    line = command(*_with(running_call, option, value))
    return line if len(line) <= _LONGEST else f"add {shlex.join((option, value))}"


def _with(call: Sequence[str], option: str, value: str) -> list[str]:
    """``call`` with ``value`` for ``option``; what follows ``--`` are files."""
    end = call.index("--") if "--" in call else len(call)
    words, files = list(call[:end]), call[end:]
    while option in words:
        at = words.index(option)
        del words[at : at + 2]
    words = [word for word in words if not word.startswith(f"{option}=")]
    return [*words, option, value, *files]


def shortened(text: str) -> str:
    """``text``, or its first 100 characters: a file may hold names and claims of any length."""
    return text if len(text) <= 100 else text[:100] + "..."


def first_line(error: Exception) -> str:
    """What an error of another library says, without what follows; its type if it says nothing."""
    lines = str(error).strip().splitlines()
    return lines[0].rstrip() if lines else type(error).__name__


def did_you_mean(word: str, known: Iterable[str], otherwise: str) -> str:
    """The remedy for ``word``, which is none of ``known``: the nearest one, or ``otherwise``."""
    import difflib  # late: few calls are refused

    near = difflib.get_close_matches(word, known, n=1)
    return f"did you mean {near[0]}?" if near else otherwise


def some(names: Sequence[str]) -> str:
    """The first five of ``names``, and how many there are besides."""
    shown = ", ".join(map(shortened, names[:5]))
    return shown if len(names) <= 5 else f"{shown} and {len(names) - 5} more"


def printable(text: str) -> str:
    """``text`` on one line, with control characters shown as escapes.

    File contents reach error messages; a terminal must never obey them.
    """
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
