"""darknet's .data file: lines ``key = value``."""

from __future__ import annotations

import os
from pathlib import Path

from converter.darknet.data_file import data_options
from converter.darknet.names import read_names
from converter.errors import DatasetError, shortened
from yolov3.detection.dataset import find
from yolov3.detection.datasets.base import Labelled, Request, text
from yolov3.detection.datasets.lists import difficult_in_list, in_list

MAX_DATA_BYTES = 1 << 16  # a handful of lines


def read(request: Request) -> Labelled | None:
    """The pictures of ``valid``, and the class names of ``names``.

    Paths are darknet's: from the working directory; or else from the file's folder or the one above
    it. ``difficult`` is AlexeyAB's (detector.c:942): a list of as many lines, whose label files
    have the difficult objects.

    Raises:
        DatasetError: a line is none, or a list or picture is not there.
        CfgError: the names cannot be read.
    """
    path = request.path
    if path.suffix.lower() != ".data" or os.path.isdir(path):
        return None
    options = _options(path)
    if "valid" not in options:
        raise DatasetError(
            "names no pictures",
            path=path,
            remedy="it needs a line valid = LIST, or give the list of pictures itself",
        )
    names = read_names(_file(path, options, "names"), None) if "names" in options else None
    classes = len(names) if names is not None else request.classes
    pictures = in_list(_file(path, options, "valid"), classes)
    if "difficult" in options:
        more = difficult_in_list(_file(path, options, "difficult"), len(pictures), classes)
        for (_, marks), extra in zip(pictures, more, strict=True):
            marks += extra
    return Labelled(
        pictures=pictures,
        relative=True,
        categories=dict(enumerate(names)) if names is not None else None,
        numbered=True,
    )


def _options(path: Path) -> dict[str, tuple[int, str]]:
    """Line and value of each key."""
    options: dict[str, tuple[int, str]] = {}
    for number, key, value in data_options(text(path, MAX_DATA_BYTES)):
        if not value:
            raise DatasetError("is not 'key = value'", path=path, place=f"line {number}")
        options.setdefault(key, (number, value))
    return options


def _file(path: Path, options: dict[str, tuple[int, str]], key: str) -> Path:
    number, value = options[key]
    found = find(value, path)
    if found is None:
        raise DatasetError(
            f"{key} = {shortened(value)} is not there",
            path=path,
            place=f"line {number}",
            remedy="paths are taken from the working directory, or from the file's folder",
        )
    return found
