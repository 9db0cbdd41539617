"""What a reader is asked and answers, before categories are the network's classes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

from yolov3.detection.dataset import Sample

LARGEST = 1e6  # of a box's values: pictures of more pixels a side are not read


class Request(NamedTuple):
    """What to read, and what for.

    Attributes:
        path: the folder or file.
        classes: of the network: labels that are numbers are below it.
        names: its class names; None, or their numbers, if it has none.
        images: the folder of the pictures, if the caller names one.
        by_order: take the categories for the classes in the order of their ids.
    """

    path: Path
    classes: int
    names: Sequence[str] | None
    images: Path | None
    by_order: bool


class Labelled(NamedTuple):
    """Pictures with the categories of their format.

    Attributes:
        samples: the pictures; a label is a category's id.
        categories: the name of each id; None if ids are the network's classes.
        numbered: whether ids are numbers from 0, which are the classes of a network without names.
    """

    samples: Sequence[Sample]
    categories: Mapping[Any, str] | None = None
    numbered: bool = False


# None is the answer to what is not of the reader's format.
Reader: TypeAlias = Callable[[Request], Labelled | None]


def require_box(x: float, y: float, width: float, height: float) -> None:
    """Refuse what is no box.

    Raises:
        ValueError: a value is not finite or larger than any picture, or a side negative.
    """
    if not all(abs(v) <= LARGEST for v in (x, y, width, height)) or width < 0 or height < 0:
        raise ValueError(f"{x}, {y}, {width}, {height} is no box")
