"""darknet's .data file: lines ``key = value``."""

from __future__ import annotations

import os
from dataclasses import replace

from converter.darknet.data_file import DataFile
from converter.darknet.names import read_names
from converter.errors import DatasetError
from yolov3.detection.datasets.base import Labelled, Request
from yolov3.detection.datasets.lists import difficult_in_list, in_list


def read(request: Request) -> Labelled | None:
    """The pictures of ``valid``, and the class names of ``names``.

    Paths are darknet's: from the working directory; or else from the file's folder or the one above
    it. ``difficult`` is AlexeyAB's (detector.c:942): a list of as many lines, whose label files
    have the difficult objects.

    Raises:
        DatasetError: a list or picture is not there.
        CfgError: the names cannot be read.
    """
    path = request.path
    if path.suffix.lower() != ".data" or os.path.isdir(path):
        return None
    data = DataFile.read(path, DatasetError)
    valid = data.file("valid")
    if valid is None:
        raise DatasetError(
            "names no pictures",
            path=path,
            remedy="it needs a line valid = LIST, or give the list of pictures itself",
        )
    names_file, difficult = data.file("names"), data.file("difficult")
    names = read_names(names_file, None) if names_file else None
    classes = len(names) if names is not None else request.classes
    samples = in_list(valid, classes)
    if difficult:
        more = difficult_in_list(difficult, len(samples), classes)
        both = zip(samples, more, strict=True)
        samples = [replace(sample, truths=sample.truths + extra) for sample, extra in both]
    return Labelled(
        samples=samples,
        categories=dict(enumerate(names)) if names is not None else None,
        numbered=True,
    )
