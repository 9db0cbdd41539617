"""Labels in YOLO's format: a text file for each picture."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from converter.errors import DatasetError
from converter.files.opening import read_text
from yolov3.detection.dataset import Sample, Truth, labels_of
from yolov3.detection.datasets.base import require_box

log = logging.getLogger("yolov3")

MAX_LABEL_BYTES = 1 << 20  # of one picture: more than 20,000 objects
_LABEL = re.compile(r"[+-]?\d{1,9}", re.ASCII).fullmatch
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII).fullmatch
# A folder of pictures, and in its place the labels': pj data.c:450, AB utils.c:277-288
_FOLDERS = ("images", "JPEGImages")


def label_file(picture: Path) -> Path | None:
    """The file with the labels of a picture; None if there is none.

    It lies beside the picture, or in a folder ``labels`` where its path has ``images`` or
    ``JPEGImages``, the last one if several fit. The first is AlexeyAB's rule for all but COCO's and
    VOC's own folders (utils.c:275), the second pjreddie's (data.c:447), which also replaces these
    words and "raw" within a folder's name.
    """
    return next(filter(os.path.exists, _label_files(picture)), None)


def _label_files(picture: Path) -> Iterator[Path]:
    if not picture.name:  # a list may say "/"
        return
    beside = labels_of(picture)
    yield beside
    parts = beside.parts
    for i in reversed(range(len(parts))):
        if parts[i] in _FOLDERS:
            yield Path(*parts[:i], "labels", *parts[i + 1 :])
    name = os.fspath(beside)
    for word in (*_FOLDERS, "raw"):
        name = name.replace(word, "labels", 1)
    yield Path(name)


def labelled(pictures: Iterable[Path], classes: int) -> list[Sample] | None:
    """Each picture with its objects; one without a file has none. None without any file."""
    files = [(picture, label_file(picture)) for picture in pictures]
    if not any(file for _, file in files):
        return None
    found = [
        Sample(path=picture, truths=read_labels(file, classes) if file else (), relative=True)
        for picture, file in files
    ]
    without = [picture for picture, file in files if not file]
    if without:
        log.info(
            "%d of %d pictures have no file of labels, as %s: they count as pictures of nothing",
            len(without), len(files), without[0],
        )  # fmt: skip
    outside = [sample.path for sample in found if any(map(_is_outside, sample.truths))]
    if outside:
        log.warning(
            "labels of %d of %d pictures have a centre outside the picture, as those of %s:"
            " they are in parts of it, not in pixels", len(outside), len(files), outside[0],
        )  # fmt: skip
    return found


def _is_outside(truth: Truth) -> bool:
    left, top, width, height = truth.box
    return not (0 <= left + width / 2 <= 1 and 0 <= top + height / 2 <= 1)


def read_labels(path: Path, classes: int, *, difficult: bool = False) -> tuple[Truth, ...]:
    """Lines "class x y width height": the centre, in parts of the picture.

    Raises:
        DatasetError: a line is none, or its class not below ``classes``.
    """
    truths = []
    content = read_text(path, MAX_LABEL_BYTES, DatasetError)
    for number, line in enumerate(content.splitlines(), start=1):
        words = line.split()
        if not words:
            continue
        try:
            if not (_LABEL(words[0]) and all(map(_NUMBER, words[1:]))):
                raise ValueError("these are no numbers")
            label = int(words[0])
            x, y, w, h = map(float, words[1:])
            require_box(x, y, w, h)
        except ValueError:
            raise DatasetError(
                "is not 'class x y width height'", path=path, place=f"line {number}"
            ) from None
        if not 0 <= label < classes:
            raise DatasetError(
                f"class {label} is outside the network's {classes}",
                path=path,
                place=f"line {number}",
            )
        box = (x - w / 2, y - h / 2, w, h)
        truths.append(Truth(label=label, box=box, difficult=difficult))
    return tuple(truths)
