"""Class names: a text file beside the cfg, one name a line."""

from pathlib import Path

from converter.errors import CfgError
from converter.files import sniff
from converter.files.opening import read_small
from converter.files.source import COMPANION_BYTES


def read_names(path: Path, classes: int | None) -> list[str]:
    """The class names in a .names file, one a line.

    Raises:
        CfgError: it cannot be read, or has another number of names than ``classes``.
    """
    data = read_small(path, COMPANION_BYTES[".names"], CfgError)
    found = sniff.foreign(data[: sniff.HEAD])
    if found or b"\0" in data:
        raise CfgError(
            f"is {found.name if found else 'not text'}",
            path=path,
            remedy="give a text file with one class name a line",
        )
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = data.decode("latin-1")
    # Not splitlines(): a name may hold characters that it takes for line ends, Darknet does not.
    names = [line.strip() for line in text.rstrip().split("\n")] if text.strip() else []
    if classes is not None and len(names) != classes:
        raise CfgError(
            f"has {len(names)} names, the network has {classes} classes",
            path=path,
            remedy="give the right file with --names",
        )
    return names
