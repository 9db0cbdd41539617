"""The pictures that a user names: files, lists of them, folders, patterns."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from converter.darknet.data_file import listed_files
from converter.errors import DarknetError, ImageError
from yolov3.detection.dataset import pictures_in

LIST = ".txt"


def expand(
    arguments: Sequence[str], output: str, *, recursive: bool
) -> tuple[dict[str, str], list[DarknetError]]:
    """The pictures that ``arguments`` stand for, each once and in their order.

    Args:
        arguments: a picture, a list, a folder or a pattern each.
        output: the folder for copies. What is there is not searched with the folders around it.
        recursive: whether a folder's subfolders are searched, too.

    Returns:
        Each picture with the subfolder it was found in, "" for none; and what cannot be used.
    """
    pictures: dict[str, str] = {}
    errors: list[DarknetError] = []
    for argument in arguments:
        found = False
        try:
            for each in _named_by(argument, output, recursive=recursive):
                found = True
                if isinstance(each, DarknetError):
                    errors.append(each)
                else:
                    pictures.setdefault(*each)
            if not found:
                raise ImageError("has no pictures in it", path=argument, remedy="check the path")
        except DarknetError as error:
            errors.append(error)
    return pictures, errors


def _named_by(
    argument: str, output: str, *, recursive: bool
) -> Iterator[tuple[str, str] | DarknetError]:
    if os.path.isdir(argument):
        yield from _in_folder(argument, output, recursive=recursive)
    elif glob.has_magic(argument) and not os.path.exists(argument):
        for path in sorted(glob.glob(argument, recursive=True)):
            if os.path.isfile(path) and not ("**" in argument and _is_below(output, path)):
                yield path, ""
    elif argument.lower().endswith(LIST):
        # Darknet opens them as they are written, from the working directory: pj
        # examples/detector.c:582, pj src/data.c:12. Others are looked for around the list.
        for found in listed_files(Path(argument), ImageError):
            yield found if isinstance(found, DarknetError) else (str(found), "")
    else:
        yield argument, ""


def _in_folder(
    folder: str, output: str, *, recursive: bool
) -> Iterator[tuple[str, str] | DarknetError]:
    """A folder's own pictures, then those of its subfolders; symlinks to folders are left out."""
    for name in pictures_in(folder):
        yield os.path.join(folder, name), ""
    if not recursive:
        return
    unread: list[OSError] = []
    for parent, below, _ in os.walk(folder, onerror=unread.append):
        below[:] = sorted(
            name for name in below if not _is_below(output, os.path.join(parent, name))
        )
        if parent != folder:
            for name in pictures_in(parent):
                yield os.path.join(parent, name), os.path.relpath(parent, folder)
    for error in unread:
        yield ImageError(
            f"cannot be read: {error.strerror}",
            path=error.filename,
            remedy="check its permissions",
        )


def _is_below(folder: str, path: str) -> bool:
    """Whether ``path`` is ``folder``, or in it."""
    folder, path = (os.path.normcase(os.path.abspath(each)) for each in (folder, path))
    return f"{path}{os.sep}".startswith(f"{folder}{os.sep}")
