"""Class names: a text file beside the cfg, one name a line, or a list that everybody knows."""

import os
from pathlib import Path

from converter.class_names import CLASS_NAMES
from converter.darknet.data_file import DataFile
from converter.errors import CfgError, UsageError, argument
from converter.files import sniff
from converter.files.opening import decode, read_small
from converter.files.source import COMPANION_BYTES
from converter.options import PathLike


def is_built_in(choice: PathLike) -> bool:
    """Whether ``choice`` is the name of a list in ``class_names``, and of no file."""
    return os.fspath(choice) in CLASS_NAMES and not os.path.lexists(choice)


def suggest_names(path: Path, classes: int | None) -> str | None:
    """What is to be said of the class names that the file at ``path`` may have and does not say.

    None if nothing is there: no .names file beside it, or in the ``data/`` beside ``backup/`` that
    Darknet's users have, and no known list has as many as ``classes``.
    """
    if not classes:
        return None
    for name in ("", "data", "../data"):
        folder = Path(os.path.normpath(path.parent / name))
        for near in sorted(folder.glob("*.names")):
            if _has_as_many(near, classes):
                given = argument("--names", str(near))
                return f"if they are those in {near.name}, give {given}"
    known = next((name for name, names in CLASS_NAMES.items() if len(names) == classes), None)
    if known is None:
        return None
    return f"if its {classes} classes are those of {known}, give {argument('--names', known)}"


def _has_as_many(path: Path, classes: int) -> bool:
    try:
        return len(read_names(path, classes)) == classes
    except CfgError:
        return False


def read_names(path: Path, classes: int | None, encoding: str | None = None) -> list[str]:
    """The class names in a .names file, one a line, or of a built-in list.

    Args:
        path: the file, or a .data file that names it; ``coco``, ``openimages`` or ``voc`` if there
            is none of that name.
        classes: how many there should be; None for any number.
        encoding: its encoding, by Python's name ("cp949", "gbk"); default: UTF-8.

    Raises:
        CfgError: it cannot be read, or has another number of names than ``classes``.
        UsageError: there is no such encoding.
    """
    if is_built_in(path):
        names = list(CLASS_NAMES[str(path)])
    else:
        path = _named_in(path) if path.suffix.lower() == ".data" else path
        names = _in_file(path, encoding)
    if classes is not None and len(names) != classes:
        raise CfgError(
            f"has {len(names)} names, the network has {classes} classes",
            path=path,
            remedy=f"give the right file with {argument('--names')}",
        )
    return names


def _named_in(data_file: Path) -> Path:
    """The .names file of a .data file.

    Raises:
        CfgError: it names none that is there.
    """
    options = DataFile.read(data_file, CfgError)
    found = options.file("names") or options.file("labels")
    if found is None:
        raise CfgError("has no names=", path=data_file, remedy="give the .names file itself")
    return found


def _in_file(path: Path, encoding: str | None) -> list[str]:
    data = read_small(path, COMPANION_BYTES[".names"], CfgError)
    found = sniff.foreign(data[: sniff.HEAD])
    if found or b"\0" in data:
        raise CfgError(
            f"is {found.name if found else 'not text'}",
            path=path,
            remedy="give a text file with one class name a line",
        )
    remedy = f"name its encoding with {argument('--names-encoding')}, or save it as UTF-8"
    try:
        text = decode(data, path, CfgError, encoding, remedy)
    except LookupError:
        raise UsageError(
            f"{encoding!r} is no encoding", remedy="use a name that Python knows, as cp949 or gbk"
        ) from None
    # Not splitlines(): a name may hold characters that it takes for line ends, Darknet does not.
    return [line.strip() for line in text.rstrip().split("\n")] if text.strip() else []
