"""A list of pictures, one path a line, as darknet's ``valid=`` names one."""

from __future__ import annotations

from pathlib import Path

from converter.darknet.data_file import lines_of, listed_files, places
from converter.errors import DarknetError, DatasetError
from yolov3.detection.dataset import Sample, Truth
from yolov3.detection.datasets.base import Labelled, Request
from yolov3.detection.datasets.labels import label_file, labelled, read_labels


def read(request: Request) -> Labelled | None:
    """The pictures of a .txt file.

    Raises:
        DatasetError: a picture is not there, none has labels, or they do not hold together.
    """
    if request.path.suffix.lower() != ".txt":
        return None
    return Labelled(samples=in_list(request.path, request.classes))


def in_list(path: Path, classes: int) -> list[Sample]:
    """The pictures that a list names, with the objects of their label files below ``classes``.

    Raises:
        DatasetError: as ``read``.
    """
    pictures = []
    for picture in listed_files(path, DatasetError):
        if isinstance(picture, DarknetError):
            raise picture
        pictures.append(picture)
    if not pictures:
        raise DatasetError("names no pictures", path=path)
    result = labelled(pictures, classes)
    if result is None:
        raise DatasetError(
            f"none of its {len(pictures)} pictures has labels, beside it or where darknet looks",
            path=path,
            remedy="put x.txt beside x.jpg, or into labels/ for a picture in images/",
        )
    return result


def difficult_in_list(path: Path, count: int, classes: int) -> list[tuple[Truth, ...]]:
    """What the list of ``difficult=`` says, one line for each of ``count`` pictures, in order.

    Only the label files of these lines are read (AB detector.c:1091); no picture need be there.

    Raises:
        DatasetError: it has another number of lines.
    """
    lines = [line for _, line in lines_of(path, DatasetError)]
    if len(lines) != count:
        raise DatasetError(
            f"has {len(lines)} lines, and the list of pictures {count}",
            path=path,
            remedy="it names one file for each picture, in the same order",
        )
    files = [next(filter(None, map(label_file, places(line, path))), None) for line in lines]
    return [read_labels(file, classes, difficult=True) if file else () for file in files]
