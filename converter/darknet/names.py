"""Class names: a text file beside the cfg, one name a line."""

from pathlib import Path

from converter.errors import CfgError, UsageError
from converter.files import sniff
from converter.files.opening import read_small
from converter.files.source import COMPANION_BYTES


def read_names(path: Path, classes: int | None, encoding: str | None = None) -> list[str]:
    """The class names in a .names file, one a line.

    Args:
        path: the file.
        classes: how many there should be; None for any number.
        encoding: its encoding, by Python's name ("cp949", "gbk"); default: UTF-8.

    Raises:
        CfgError: it cannot be read, or has another number of names than ``classes``.
        UsageError: there is no such encoding.
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
        text = data.decode(encoding or "utf-8-sig")
    except LookupError:
        raise UsageError(
            f"{encoding!r} is no encoding", remedy="use a name that Python knows, as cp949 or gbk"
        ) from None
    except UnicodeDecodeError as error:
        raise CfgError(
            f"is not {encoding or 'UTF-8'} text",
            path=path,
            place=f"byte {error.start}",
            remedy="name its encoding with --names-encoding, or save it as UTF-8",
        ) from error
    # Not splitlines(): a name may hold characters that it takes for line ends, Darknet does not.
    names = [line.strip() for line in text.rstrip().split("\n")] if text.strip() else []
    if classes is not None and len(names) != classes:
        raise CfgError(
            f"has {len(names)} names, the network has {classes} classes",
            path=path,
            remedy="give the right file with --names",
        )
    return names
