"""Labelled pictures: folders in YOLO's format, and COCO's JSON."""

from __future__ import annotations

import json
import logging
import os
import re
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from converter.errors import DatasetError
from converter.files.opening import read_small

# Of what a folder holds, these are taken for pictures.
SUFFIXES = (".bmp", ".gif", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp")

MAX_LABEL_BYTES = 1 << 20  # of one picture: more than 20,000 objects
MAX_COCO_BYTES = 1 << 29  # instances_train2017.json has 470 MB
LARGEST = 1e6  # of a box's values: pictures of more pixels a side are not read
_LABEL = re.compile(r"[+-]?\d{1,9}", re.ASCII).fullmatch
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII).fullmatch

# Darknet calls four of COCO's categories as Pascal VOC does (pj data/coco.names:4, 5, 58, 63), and
# makes one word of two: "pottedplant", "diningtable".
SYNONYMS = {"aeroplane": "airplane", "motorbike": "motorcycle", "sofa": "couch", "tvmonitor": "tv"}
MOST_LISTED = 5  # of categories that are no class

log = logging.getLogger("yolov3")


@dataclass(frozen=True, kw_only=True)
class Truth:
    """One labelled object.

    Attributes:
        label: its class, counted from 0.
        box: left, top, width, height.
        crowd: whether it stands for many (COCO's iscrowd).
        difficult: whether Darknet's rule leaves it out; COCO's knows no such objects.
    """

    label: int
    box: tuple[float, float, float, float]
    crowd: bool = False
    difficult: bool = False


@dataclass(frozen=True, kw_only=True)
class Sample:
    """A picture and what is on it.

    Attributes:
        path: the picture.
        truths: the objects.
        relative: whether their boxes are in parts of the picture, not in pixels.
    """

    path: Path
    truths: tuple[Truth, ...]
    relative: bool


@dataclass(frozen=True, kw_only=True)
class Categories:
    """How the categories of a COCO file were taken for the classes of the network.

    Attributes:
        labels: the class, counted from 0, of a category's id.
        renamed: of a category's name, the class that is called by another word for the same.
        by_order: whether their order was taken, and no names.
    """

    labels: Mapping[Any, int]
    renamed: Mapping[str, str]
    by_order: bool

    def as_dict(self) -> dict[str, Any]:
        """As part of what ``evaluate --json`` prints."""
        return {"renamed": dict(self.renamed), "by_order": self.by_order}


@dataclass(frozen=True, kw_only=True)
class Dataset:
    """Labelled pictures.

    Attributes:
        samples: the pictures.
        categories: of a COCO file; None in YOLO's format, where labels are the classes themselves.
    """

    samples: tuple[Sample, ...]
    categories: Categories | None = None


def pictures_in(folder: str | os.PathLike[str]) -> list[str]:
    """The names of the pictures in a folder, sorted, by their suffixes.

    Raises:
        DatasetError: it cannot be read.
    """
    try:
        names = os.listdir(folder)
    except OSError as error:
        raise DatasetError(
            f"cannot be read: {error.strerror}", path=folder, remedy="check its permissions"
        ) from error
    return sorted(
        name
        for name in names
        if name.lower().endswith(SUFFIXES) and not os.path.isdir(os.path.join(folder, name))
    )


def labels_of(picture: Path) -> Path:
    """The file with the labels beside a picture."""
    return picture.with_suffix(".txt")


def read_dataset(
    path: Path,
    classes: int,
    names: Sequence[str] | None,
    images: Path | None = None,
    *,
    by_order: bool = False,
) -> Dataset:
    """The labelled pictures of a folder, or of a COCO annotation file.

    In YOLO's format a picture ``x.png`` has its labels in ``x.txt`` beside it, or in a folder
    ``labels`` where the picture's path has ``images`` (pj data.c:450), the last one if several fit;
    a picture without that file has no objects. A folder without any, but with a JSON file, is one
    of COCO's.

    Args:
        path: the folder or file.
        classes: of the network.
        names: its class names, which find COCO's categories.
        images: folder of the pictures that a COCO file names; default: that file's own, or
            ``images`` in it.
        by_order: take COCO's categories for the classes in the order of their ids, whatever their
            names are.

    Raises:
        DatasetError: it does not hold together, or a category is no class of the network.
    """
    if not os.path.isdir(path):
        return _coco(path, classes, names, images, by_order)
    inside = path / "images" if os.path.isdir(path / "images") else path
    pictures = [inside / name for name in pictures_in(inside)]
    labels = [_label_file(picture) for picture in pictures]
    if any(labels):
        samples = [
            Sample(path=picture, truths=_read_labels(file, classes) if file else (), relative=True)
            for picture, file in zip(pictures, labels, strict=True)
        ]
        return Dataset(samples=tuple(samples))
    found = sorted(path.glob("*.json"))
    if len(found) != 1:
        raise DatasetError(
            f"has no labels beside its pictures, and {len(found)} JSON files",
            path=path,
            remedy="give a folder in YOLO's format, or COCO's JSON file",
        )
    return _coco(found[0], classes, names, images, by_order)


def _label_file(picture: Path) -> Path | None:
    beside = labels_of(picture)
    parts = beside.parts
    elsewhere = [
        Path(*parts[:i], "labels", *parts[i + 1 :])
        for i in reversed(range(len(parts)))
        if parts[i] == "images"
    ]
    return next((file for file in (beside, *elsewhere) if os.path.isfile(file)), None)


def _read_labels(path: Path, classes: int) -> tuple[Truth, ...]:
    """Lines "class x y width height": the centre, in parts of the picture."""
    truths = []
    for number, line in enumerate(_text(path, MAX_LABEL_BYTES).splitlines(), start=1):
        words = line.split()
        if not words:
            continue
        try:
            if not (_LABEL(words[0]) and all(map(_NUMBER, words[1:]))):
                raise ValueError("these are no numbers")
            label = int(words[0])
            x, y, w, h = map(float, words[1:])
            _require_box(x, y, w, h)
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
        truths.append(Truth(label=label, box=(x - w / 2, y - h / 2, w, h)))
    return tuple(truths)


def _coco(
    path: Path, classes: int, names: Sequence[str] | None, images: Path | None, by_order: bool
) -> Dataset:
    try:
        content = json.loads(_text(path, MAX_COCO_BYTES))
        used = {entry["category_id"] for entry in content["annotations"]}
        entries = content["categories"]
        strange = used.difference(entry["id"] for entry in entries)
        if strange:
            raise ValueError(f"there is no category {strange.pop()}")
        categories = (
            _by_order(entries, classes) if by_order else _by_name(entries, used, names or ())
        )
        truths: dict[int, list[Truth]] = {entry["id"]: [] for entry in content["images"]}
        if not truths or len(truths) != len(content["images"]):
            raise ValueError("no images, or two with the same id")
        for entry in content["annotations"]:
            left, top, width, height = map(float, entry["bbox"])
            _require_box(left, top, width, height)
            truths[entry["image_id"]].append(
                Truth(
                    label=categories.labels[entry["category_id"]],
                    box=(left, top, width, height),
                    crowd=bool(entry.get("iscrowd", 0)),
                )
            )
        samples = [
            Sample(
                path=_picture(path.parent, entry["file_name"], images),
                truths=tuple(truths[entry["id"]]),
                relative=False,
            )
            for entry in content["images"]
        ]
        return Dataset(samples=tuple(samples), categories=categories)
    except DatasetError as error:
        error.path = error.path or os.fspath(path)
        raise
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise DatasetError(
            f"is not COCO's annotation format ({type(error).__name__}: {error})", path=path
        ) from error


def _require_box(x: float, y: float, width: float, height: float) -> None:
    """Refuse what is no box.

    Raises:
        ValueError: a value is not finite or larger than any picture, or a side negative.
    """
    if not all(abs(v) <= LARGEST for v in (x, y, width, height)) or width < 0 or height < 0:
        raise ValueError(f"{x}, {y}, {width}, {height} is no box")


def _by_name(entries: Sequence[Any], used: Collection[Any], names: Sequence[str]) -> Categories:
    """Which class each category is: of the same name but for case and spaces, or a synonym.

    A category that no object has (the "super" ones of some tools) need be none.
    """
    categories = {entry["id"]: entry["name"] for entry in entries if entry["id"] in used}
    labels: dict[Any, int] = {}
    renamed: dict[str, str] = {}
    # A closer name goes first, so that a network may tell "tv" from "TV", or "sofa" from "couch".
    for key in (str, _folded, _common):
        taken = set(labels.values())
        free = [(key(name), label) for label, name in enumerate(names) if label not in taken]
        times = Counter(name for name, _ in free)
        by_key = {name: label for name, label in free if times[name] == 1}
        for identity, name in categories.items():
            if identity not in labels and key(name) in by_key:
                labels[identity] = by_key[key(name)]
                if key is _common:
                    renamed[name] = names[labels[identity]]
    left = [name for identity, name in categories.items() if identity not in labels]
    if left:
        more = f" and {len(left) - MOST_LISTED} more" if len(left) > MOST_LISTED else ""
        raise DatasetError(
            "has categories that are no class of the network:"
            f" {', '.join(f'{name[:60]!r}' for name in left[:MOST_LISTED])}{more}",
            remedy="give the class names with --names, or take the categories in the order of"
            " their ids with --by-order",
        )
    if renamed:
        pairs = ", ".join(f"{category!r} is {name!r}" for category, name in renamed.items())
        log.info("categories by another word for the same: %s", pairs)
    return Categories(labels=labels, renamed=renamed, by_order=False)


def _by_order(entries: Sequence[Any], classes: int) -> Categories:
    ids = sorted(entry["id"] for entry in entries)
    if len(ids) != classes:
        raise DatasetError(
            f"has {len(ids)} categories, the network has {classes} classes",
            remedy="leave out --by-order, and give the class names with --names",
        )
    log.info("categories: taken in the order of their ids")
    labels = {identity: label for label, identity in enumerate(ids)}
    return Categories(labels=labels, renamed={}, by_order=True)


def _folded(name: str) -> str:
    return "".join(name.casefold().split())


def _common(name: str) -> str:
    return SYNONYMS.get(_folded(name), _folded(name))


def _picture(folder: Path, name: str, images: Path | None) -> Path:
    if Path(name).is_absolute() or ".." in Path(name).parts or "\0" in name:
        raise DatasetError(
            f"the picture {name[:100]!r} is outside the pictures' folder",
            remedy="give the pictures' folder with --images, and names in it in the file",
        )
    folders = [images] if images else [folder, folder / "images"]
    found = next((f / name for f in folders if os.path.isfile(f / name)), None)
    if found is None:
        raise DatasetError(
            f"the picture {name} is not there", remedy="give the pictures' folder with --images"
        )
    return found


def _text(path: Path, limit: int) -> str:
    try:
        return read_small(path, limit, DatasetError).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DatasetError("is not text", path=path) from error
