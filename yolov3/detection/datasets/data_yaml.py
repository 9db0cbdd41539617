"""ultralytics' dataset files: YAML with ``path``, ``val`` and ``names``."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, NamedTuple

from converter.errors import DatasetError, ExtraError, first_line, install, shortened
from converter.files.opening import read_text
from yolov3.detection.dataset import Sample, pictures_in
from yolov3.detection.datasets.base import Labelled, Request
from yolov3.detection.datasets.labels import labelled
from yolov3.detection.datasets.lists import in_list

MAX_YAML_BYTES = 1 << 17  # LVIS' with its 1,203 names has 30 kB
DEEPEST = 16  # such files are three deep


class _Entry(NamedTuple):
    """The value of a key, and its line."""

    value: Any
    line: int


def read(request: Request) -> Labelled | None:
    """The pictures of ``val``: a folder, a list of pictures, or several of both.

    As ultralytics has it (ultralytics/ultralytics@00bfe34 ultralytics/data/utils.py,
    check_det_dataset), they are below ``path``, which is taken from the working directory, and is
    the file's folder if it is not given; a "../" in front that leads nowhere is left out. What is
    not there is looked for from the file's folder instead of ultralytics' folder of datasets.

    Raises:
        DatasetError: the file does not hold together, or what it names is not there.
        ExtraError: PyYAML is not installed.
    """
    path = request.path
    if path.suffix.lower() not in (".yaml", ".yml") or os.path.isdir(path):
        return None
    entries = _entries(path)
    names = _names(path, entries)
    classes = request.classes if names is None else len(names)
    val = entries.get("val") or entries.get("validation")
    if val is None or not val.value:
        raise DatasetError("names no pictures", path=path, remedy="it needs a line val: FOLDER")
    samples: list[Sample] = []
    for value in val.value if isinstance(val.value, list) else [val.value]:
        where = _found(path, entries, str(value))
        if where is None:
            raise _error(path, val, f"val: {shortened(str(value))} is not there")
        if os.path.isdir(where):
            inside = [where / name for name in pictures_in(where)]
            part = labelled(inside, classes)
            if part is None:
                raise _error(path, val, f"none of the {len(inside)} pictures in {where} has labels")
        else:
            part = in_list(where, classes)
        samples += part
    return Labelled(samples=samples, categories=names, numbered=True)


def _error(path: Path, entry: _Entry, message: str) -> DatasetError:
    return DatasetError(message, path=path, place=f"line {entry.line}")


def _entries(path: Path) -> dict[str, _Entry]:
    """The keys of the file, with their lines."""
    try:
        import yaml
    except ModuleNotFoundError:
        raise ExtraError("reading a .yaml file needs PyYAML", remedy=install("evaluate")) from None

    content = read_text(path, MAX_YAML_BYTES, DatasetError)
    try:
        # An alias makes a file of a few lines as large as one likes: no such file needs any.
        depth = 0
        for event in yaml.parse(content, yaml.BaseLoader):
            depth += isinstance(event, yaml.CollectionStartEvent)
            depth -= isinstance(event, yaml.CollectionEndEvent)
            if depth > DEEPEST:  # PyYAML's time grows with the square of it
                raise DatasetError(f"is nested deeper than {DEEPEST}", path=path)
            if isinstance(event, yaml.AliasEvent):
                raise DatasetError(
                    "has a YAML alias",
                    path=path,
                    place=f"line {event.start_mark.line + 1}",
                    remedy="write the value itself",
                )
        # The base loader makes texts of all: no numbers of any size, dates or objects.
        loader = yaml.BaseLoader(content)
        root = loader.get_single_node()
        if not isinstance(root, yaml.MappingNode):
            raise DatasetError("has no keys as path, val and names", path=path)
        return {
            str(key.value): _Entry(
                loader.construct_object(value, deep=True), key.start_mark.line + 1
            )
            for key, value in root.value
        }
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        place = f"line {mark.line + 1}" if mark else None
        raise DatasetError(f"is not YAML: {error.problem}", path=path, place=place) from error
    except (yaml.YAMLError, ValueError, TypeError, OverflowError, RecursionError) as error:
        raise DatasetError(f"is not YAML: {first_line(error)}", path=path) from error


def _names(path: Path, entries: dict[str, _Entry]) -> dict[int, str] | None:
    """``names``: a list, or a mapping of all numbers from 0; None if there are only numbers."""
    names = entries.get("names")
    if names is None:
        return None
    value = names.value
    if isinstance(value, list):
        value = dict(enumerate(value))
    if not isinstance(value, dict) or {*map(str, value)} != {*map(str, range(len(value)))}:
        raise _error(path, names, "names are neither a list nor numbered from 0")
    return {int(number): str(name) for number, name in value.items()}


def _found(path: Path, entries: dict[str, _Entry], value: str) -> Path | None:
    """What ``val`` names, in the dataset's folder."""
    root = entries.get("path")
    given = str(root.value) if root is not None and root.value else ""
    candidates = (
        base / given / each
        for base in ((Path(), path.parent) if given else (path.parent,))
        for each in (value, value.removeprefix("../"))
    )
    return next((candidate for candidate in candidates if os.path.exists(candidate)), None)
