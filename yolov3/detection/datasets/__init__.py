"""Readers of labelled pictures, one for each format, in one registry.

A module may enter that reads a format; or what several of them share: finding a picture or its
labels, and taking a format's categories for the network's classes.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from converter.errors import DatasetError
from converter.files.opening import open_regular
from yolov3.detection.dataset import Dataset
from yolov3.detection.datasets import coco, darknet_data, data_yaml, folder, lists, voc
from yolov3.detection.datasets.base import Reader, Request
from yolov3.detection.datasets.categories import as_classes

# The first one whose format it is reads it.
READERS: dict[str, Reader] = {
    "YOLO's folder": folder.read,
    "VOC's list": voc.read_list,
    "VOC's folder": voc.read_folder,
    "COCO's JSON file": coco.read_file,
    "COCO's folder": coco.read_folder,
    "darknet's .data file": darknet_data.read,
    "ultralytics' .yaml file": data_yaml.read,
    "list of pictures (.txt)": lists.read,
}


def read_dataset(
    path: Path,
    classes: int,
    names: Sequence[str] | None,
    images: Path | None = None,
    *,
    by_order: bool = False,
) -> Dataset:
    """The labelled pictures of a folder or file in one of the formats of ``READERS``.

    Args:
        path: the folder or file.
        classes: of the network.
        names: its class names, which find the categories of a format that has names.
        images: folder of the pictures that a COCO file or VOC's XML files name; default: where
            the format has them.
        by_order: take categories for the classes in the order of their ids, whatever their names
            are.

    Raises:
        DatasetError: it does not hold together, or a category is no class of the network.
        CfgError: a .names file cannot be read.
        ExtraError: a .yaml file, and PyYAML is not installed.
    """
    request = Request(path=path, classes=classes, names=names, images=images, by_order=by_order)
    for reader in READERS.values():
        labelled = reader(request)
        if labelled is not None:
            return as_classes(labelled, request)
    if os.path.isdir(path):
        coco.require_no_annotations(path)
        raise DatasetError(
            f"has no labels beside its pictures, and {len(coco.files_in(path))} JSON files",
            path=path,
            remedy="give a folder in YOLO's or VOC's format, or a file: COCO's JSON, .data, .yaml,"
            " or a list of pictures (.txt)",
        )
    open_regular(path, DatasetError).close()  # what cannot be read is refused with the reason why
    raise DatasetError(
        "is in no known format of labelled pictures",
        path=path,
        remedy="give a folder, COCO's .json, a .data, a .yaml, or a list of pictures (.txt)",
    )
