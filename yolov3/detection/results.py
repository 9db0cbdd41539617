"""What detection leaves on disk, and prints for machines."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np

from converter.errors import ImageError, OutputError, UsageError
from converter.files.opening import open_regular
from converter.files.target import identities, make_folder, write_whole
from converter.options import PathLike
from converter.version import TOOL
from yolov3.detection.dataset import labels_of
from yolov3.detection.detections import Detections
from yolov3.detection.draw import HIDDEN, draw
from yolov3.detection.image import Pixels, image_errors

_EXIF_SOFTWARE = 0x0131  # Exif 2.32 table 4
MARK = "Software"  # the field of a drawn copy that distinguishes it from other pictures


def targets(paths: Mapping[str, str], folder: Path, *inputs: PathLike | None) -> dict[str, Path]:
    """Where to draw what is on each of ``paths``, each under a name of its own.

    Args:
        paths: the pictures, each with the subfolder for its copy, "" for none.
        folder: for all copies.
        inputs: other files that were given.

    Raises:
        UsageError: a picture, the labels beside it, or one of ``inputs`` would be overwritten; or a
            picture has no name.
        OutputError: ``folder`` is none.
    """
    if any(not path or "\0" in path for path in paths):
        raise UsageError("an empty name, or one with a zero byte, is no picture")
    if os.path.lexists(folder) and not os.path.isdir(folder):
        raise OutputError("is no folder", path=folder, remedy="choose another with -o")
    precious = identities(*(p for path in paths for p in (path, labels_of(Path(path)))), *inputs)
    found: dict[str, Path] = {}
    taken: set[Path] = set()
    for path, subfolder in paths.items():
        name, suffix = Path(path).stem, Path(path).suffix
        numbered = (folder / subfolder / (f"{name}-{i}" if i > 1 else name) for i in count(1))
        stem = next(stem for stem in numbered if stem not in taken)
        taken.add(stem)
        suffix = suffix if suffix.lower() in (".jpg", ".jpeg") else ".png"
        target = stem.parent / (stem.name + suffix)
        if not precious.isdisjoint(identities(target, labels_of(target))):
            raise UsageError(
                f"{target} would replace what was given", remedy="choose another folder with -o"
            )
        found[path] = target
    return found


def write(
    target: Path, pixels: Pixels, detections: Detections, *, labels: bool, force: bool
) -> None:
    """Draw what was found on a copy of the picture; with ``labels`` also write it as text.

    Raises:
        OutputError: without ``force``, a picture is there that no earlier detection drew, or other
            labels than these; or writing failed.
    """
    if os.path.lexists(target) and not (force or _is_ours(target)):
        raise OutputError(
            "exists already, and was not drawn by this program",
            path=target,
            remedy="replace it with --force, or choose another folder with -o",
        )
    make_folder(target.parent, parents=True)
    if labels:
        lines = "".join(f"{line}\n" for line in _label_lines(pixels, detections))
        write_whole(labels_of(target), lines.encode(), force=force)
    write_whole(target, _encoded(target, pixels, detections), force=True)


def _encoded(target: Path, pixels: Pixels, detections: Detections) -> bytes:
    from PIL import Image
    from PIL.PngImagePlugin import PngInfo

    drawn, content = draw(pixels, detections), io.BytesIO()
    if target.suffix == ".png":
        info = PngInfo()
        info.add_text(MARK, TOOL)
        drawn.save(content, "PNG", pnginfo=info)
    else:
        exif = Image.Exif()
        exif[_EXIF_SOFTWARE] = TOOL
        drawn.save(content, "JPEG", quality=95, exif=exif)
    return content.getvalue()


def _is_ours(target: Path) -> bool:
    """Whether an earlier detection drew this picture."""
    from PIL import Image

    try:
        with (
            image_errors(target),
            open_regular(target, ImageError) as file,
            Image.open(file) as image,
        ):
            software = image.info.get(MARK) or image.getexif().get(_EXIF_SOFTWARE)
    except ImageError:
        return False
    return isinstance(software, str) and software.split()[:1] == TOOL.split()[:1]


def _label_lines(pixels: Pixels, detections: Detections) -> Iterator[str]:
    """Lines "class x y width height" of the part of each box that is on the picture."""
    height, width = pixels.shape[:2]
    unit = np.array([width, height] * 2, np.float32)
    for label, box in zip(detections.labels.tolist(), detections.boxes / unit, strict=True):
        left, top, right, bottom = box.clip(0, 1).tolist()
        x, y, w, h = (left + right) / 2, (top + bottom) / 2, right - left, bottom - top
        if w > 0 and h > 0:
            yield f"{label} {x:.6f} {y:.6f} {w:.6f} {h:.6f}"


def row(path: str, pixels: Pixels, detections: Detections) -> dict[str, Any]:
    """The entry of a picture in what ``--json`` prints."""
    height, width = pixels.shape[:2]
    shown = detections[[not name.startswith(HIDDEN) for name in detections.names]]
    return {"path": path, **replace(shown, size=(width, height)).to_dict()}
