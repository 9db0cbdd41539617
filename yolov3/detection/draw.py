"""Detections drawn on their picture."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, TypeAlias

from yolov3.detection.image import Pixels, Raster, require_pillow
from yolov3.drawing.colours import Colour, colour, contrast
from yolov3.drawing.fonts import font_for
from yolov3.drawing.places import Box, Places

if TYPE_CHECKING:
    from PIL import Image, ImageDraw

# A ``Detection``: name, score, box and class.
Found: TypeAlias = tuple[str, float, Box, int]

# A class with a name that begins so is neither drawn nor printed, and measured all the same:
# AlexeyAB/darknet@59596d7 src/image.c:306, src/network.c:1032.
HIDDEN = "dont_show"


def draw(pixels: Pixels, detections: Iterable[Found]) -> Image.Image:
    """The picture with its boxes and their labels, one colour a class.

    Boxes are clipped to the picture here, and here only. Lines and letters grow with the picture.
    A box that has several labels is drawn once, with all of them, in the colour of the likeliest.
    Labels lie on the picture and not over one another, the likeliest next to their boxes; where so
    many boxes are that there is no room left, the least likely have none.

    Args:
        pixels: (H, W, 3) or (H, W, 1). A ``Raster`` in colour is itself drawn on, not copied.
        detections: what was found on it, the likeliest first.
    """
    require_pillow()
    from PIL import Image, ImageDraw

    if isinstance(pixels, Raster):
        picture = pixels.in_colour()
    else:
        grey = pixels.shape[2] == 1
        picture = Image.fromarray(pixels[:, :, 0] if grey else pixels).convert("RGB")
    side = math.sqrt(picture.width * picture.height)
    canvas = ImageDraw.Draw(picture)
    line = max(1, round(side / 250))
    by_box: dict[Box, list[Found]] = {}
    for found in detections:
        name, _, box, _ = found
        if not name.startswith(HIDDEN):
            by_box.setdefault(box, []).append(found)
    clipped = [
        (where, labels, colour(labels[0][-1]))
        for box, labels in by_box.items()
        if (where := _clip(box, picture.width, picture.height))
    ]
    for box, _, fill in reversed(clipped):  # the likeliest last, on top of the others
        _outline(canvas, box, fill, line)
    places = Places(picture.width, picture.height)
    for box, labels, fill in clipped:
        _write(canvas, places, box, labels, fill, size=max(10, side / 40), margin=line)
    return picture


def _clip(box: Box, width: int, height: int) -> Box | None:
    """The part of ``box`` that is on the picture; None if there is none."""
    left, top = max(box[0], 0), max(box[1], 0)
    right, bottom = min(box[2], width - 1), min(box[3], height - 1)
    # Not the other way round: nothing is drawn of a box that is no number, either.
    return (left, top, right, bottom) if left <= right and top <= bottom else None


def _outline(canvas: ImageDraw.ImageDraw, box: Box, fill: Colour, line: int) -> None:
    """A box, between two thin lines that show it on ground of its own colour."""
    left, top, right, bottom = box
    around = (left - 1, top - 1, right + 1, bottom + 1)
    canvas.rectangle(around, outline=contrast(fill), width=line + 2)
    canvas.rectangle(box, outline=fill, width=line)


def _write(
    canvas: ImageDraw.ImageDraw,
    places: Places,
    box: Box,
    labels: Sequence[Found],
    fill: Colour,
    *,
    size: float,
    margin: int,
) -> None:
    """The labels of a box, on ground of its colour ``fill``, if there is room for them."""
    font = font_for("".join(name for name, *_ in labels), size)
    longest = max(len(name) for name, *_ in labels)
    # Each letter is a pixel wide at least. Names are cut, not their scores, until it fits.
    for length in range(min(longest, canvas.im.size[0]), 0, -1):
        text = ", ".join(f"{_line(name, length)} {score:.0%}" for name, score, *_ in labels)
        left, _, right, bottom = font.getbbox(text)
        wide = math.ceil(right - left) + 2 * margin
        if wide <= canvas.im.size[0]:
            break
    else:
        return
    # As high for all texts of a font: neighbours stand on one line.
    high = max(sum(font.getmetrics()), math.ceil(bottom)) + 2 * margin
    place = places.take(box, wide, high)
    if place is None:
        return
    x, y = place
    canvas.rectangle((x, y, x + wide - 1, y + high - 1), fill=fill)
    canvas.text((x + margin - left, y + margin), text, font=font, fill=contrast(fill))


def _line(name: str, length: int) -> str:
    """A name on one line, cut to so many letters."""
    name = re.sub(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]", " ", name)
    return name if len(name) <= length else name[:length] + "..."
