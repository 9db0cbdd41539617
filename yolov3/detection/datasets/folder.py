"""A folder of pictures in YOLO's format: with label files beside them, or in ``labels``."""

from __future__ import annotations

import os

from yolov3.detection.dataset import pictures_in
from yolov3.detection.datasets.base import Labelled, Request
from yolov3.detection.datasets.labels import labelled


def read(request: Request) -> Labelled | None:
    """The pictures in the folder itself; or in ``images`` or ``images/val``, if it has ``images``.

    Raises:
        DatasetError: a label file does not hold together.
    """
    path = request.path
    inside = [path]
    if os.path.isdir(path / "images"):
        inside = [path / "images", path / "images" / "val"]
    for folder in filter(os.path.isdir, inside):
        samples = labelled([folder / name for name in pictures_in(folder)], request.classes)
        if samples is not None:
            return Labelled(samples=samples)
    return None
