"""Labelled pictures, whatever format they came from; which files of a folder are pictures."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from converter.errors import DatasetError
from converter.records import dataclass

# Of what a folder holds, these are taken for pictures.
SUFFIXES = (".bmp", ".gif", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp")


@dataclass(frozen=True, kw_only=True)
class Truth:
    """One labelled object.

    Attributes:
        label: its class, counted from 0; in what a reader answers, its category's id.
        box: left, top, width, height.
        crowd: whether it stands for many (COCO's iscrowd).
        difficult: whether Darknet's rule leaves it out; COCO's knows no such objects.
        area: in square pixels, by which COCO calls it small or large; None for the box's.
    """

    label: Any
    box: tuple[float, float, float, float]
    crowd: bool = False
    difficult: bool = False
    area: float | None = None


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
    """How the categories of a format were taken for the classes of the network.

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
        categories: of a format that has names; None where labels are the classes themselves.
        names: of the classes, where the network has none and the dataset has.
    """

    samples: tuple[Sample, ...]
    categories: Categories | None = None
    names: tuple[str, ...] | None = None


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
