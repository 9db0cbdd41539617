"""COCO's annotation files."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from converter.errors import DatasetError, argument, shortened
from converter.files.opening import read_start, read_text
from yolov3.detection.dataset import Sample, Truth
from yolov3.detection.datasets.base import LARGEST, Labelled, Request, require_box

MAX_COCO_BYTES = 1 << 29  # instances_train2017.json has 470 MB


def files_in(folder: Path) -> list[Path]:
    """The JSON files in a folder, sorted."""
    return sorted(folder.glob("*.json"))


def require_no_annotations(folder: Path) -> None:
    """Refuse a folder as COCO's archives unpack to, which does not say which pictures are meant.

    Raises:
        DatasetError: it has JSON files in ``annotations``.
    """
    found = files_in(folder / "annotations")
    if found:
        raise DatasetError(
            "has COCO's files in annotations",
            path=folder,
            remedy=f"give one of them, such as {found[0]}, and its pictures' folder with"
            f" {argument('--images')}",
        )


def read_folder(request: Request) -> Labelled | None:
    """A folder with one JSON file.

    Raises:
        DatasetError: as ``read_file``.
    """
    found = files_in(request.path) if os.path.isdir(request.path) else []
    return _read(found[0], request.images) if len(found) == 1 else None


def read_file(request: Request) -> Labelled | None:
    """A JSON file of any name, whose pictures are in its own folder, or in ``images`` in it.

    Raises:
        DatasetError: it does not hold together, or a picture is not there.
    """
    path = request.path
    if os.path.isdir(path):
        return None
    # What is no file is refused with the reason why.
    is_json = path.suffix.lower() == ".json" or read_start(path, 99).lstrip().startswith(b"{")
    return _read(path, request.images) if is_json or not os.path.isfile(path) else None


def _read(path: Path, images: Path | None) -> Labelled:
    try:
        content = json.loads(read_text(path, MAX_COCO_BYTES, DatasetError))
        entries = {entry["id"]: _name(entry) for entry in content["categories"]}
        truths: dict[Any, list[Truth]] = {entry["id"]: [] for entry in content["images"]}
        if not truths or len(truths) != len(content["images"]):
            raise ValueError("no images, or two with the same id")
        for entry in content["annotations"]:
            if entry["category_id"] not in entries:
                raise ValueError(f"there is no category {entry['category_id']}")
            truths[entry["image_id"]].append(_truth(entry))
        samples = []
        for entry in content["images"]:
            picture = _picture(path, entry["file_name"], images)
            samples.append(Sample(path=picture, truths=tuple(truths[entry["id"]]), relative=False))
        return Labelled(samples=samples, categories=entries)
    except (
        ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError
    ) as error:  # fmt: skip
        raise DatasetError(
            f"is not COCO's annotation format ({type(error).__name__}: {error})", path=path
        ) from error


def _name(entry: dict[str, Any]) -> str:
    if not isinstance(entry["name"], str):
        raise TypeError(f"the name of category {entry['id']} is no text")
    return entry["name"]


def _truth(entry: dict[str, Any]) -> Truth:
    left, top, width, height = map(float, entry["bbox"])
    require_box(left, top, width, height)
    area = entry.get("area")
    if area is not None and not 0 <= float(area) <= LARGEST**2:
        raise ValueError(f"{area} is no area")
    return Truth(
        label=entry["category_id"],
        box=(left, top, width, height),
        crowd=bool(entry.get("iscrowd", 0)),
        area=None if area is None else float(area),
    )


def _picture(path: Path, name: str, images: Path | None) -> Path:
    if Path(name).is_absolute() or ".." in Path(name).parts or "\0" in name:
        raise DatasetError(
            f"the picture {shortened(name)!r} is outside the pictures' folder",
            path=path,
            remedy=f"give the pictures' folder with {argument('--images')}, and names in it in the"
            " file",
        )
    folders = [images] if images else [path.parent, path.parent / "images"]
    found = next((f / name for f in folders if os.path.isfile(f / name)), None)
    if found is None:
        raise DatasetError(
            f"the picture {shortened(name)} is not there",
            path=path,
            remedy=f"give the pictures' folder with {argument('--images')}",
        )
    return found
