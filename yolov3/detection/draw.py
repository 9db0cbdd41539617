"""Detections drawn on their picture."""

from __future__ import annotations

import colorsys
import math
import typing

from yolov3.detection.detections import HIDDEN, Detections
from yolov3.detection.image import Pixels, Raster, require_pillow

if typing.TYPE_CHECKING:
    from PIL import Image, ImageDraw, ImageFont

Box = tuple[float, float, float, float]
Colour = tuple[int, int, int]

# Steps of the golden ratio around the colour circle: neighbouring classes look unlike each other.
GOLDEN = (math.sqrt(5) - 1) / 2


def draw(pixels: Pixels, detections: Detections) -> Image.Image:
    """The picture with its boxes and their labels, one colour a class.

    Boxes are clipped to the picture here, and here only. Lines and letters grow with the picture.
    A box that has several labels is drawn once, with all of them, in the colour of the likeliest.

    Args:
        pixels: (H, W, 3) or (H, W, 1). A ``Raster`` in colour is itself drawn on, not copied.
        detections: what was found on it.
    """
    require_pillow()
    from PIL import Image, ImageDraw, ImageFont

    if isinstance(pixels, Raster):
        picture = pixels.in_colour()
    else:
        grey = pixels.shape[2] == 1
        picture = Image.fromarray(pixels[:, :, 0] if grey else pixels).convert("RGB")
    side = math.sqrt(picture.width * picture.height)
    canvas = ImageDraw.Draw(picture)
    font = ImageFont.load_default(max(10, side / 40))
    line = max(1, round(side / 250))
    # The likeliest last, on top of the others.
    for box, labels in reversed(_labelled(detections).items()):
        clipped = _clip(box, picture.width, picture.height)
        if clipped:
            text = ", ".join(f"{name} {score:.0%}" for _, name, score in labels)
            _draw(canvas, clipped, text, colour(labels[0][0]), font, line)
    return picture


def colour(label: int) -> Colour:
    """The colour of a class: RGB in 0..255."""
    red, green, blue = colorsys.hsv_to_rgb(label * GOLDEN % 1, 0.85, 0.95)
    return round(255 * red), round(255 * green), round(255 * blue)


def _labelled(detections: Detections) -> dict[Box, list[tuple[int, str, float]]]:
    """Each box with its labels, the likeliest first."""
    found: dict[Box, list[tuple[int, str, float]]] = {}
    for box, label, name, score in zip(
        detections.boxes.tolist(),
        detections.labels.tolist(),
        detections.names,
        detections.scores.tolist(),
        strict=True,
    ):
        if not name.startswith(HIDDEN):
            found.setdefault(tuple(box), []).append((label, name, score))
    return found


def _clip(box: Box, width: int, height: int) -> Box | None:
    """The part of ``box`` that is on the picture; None if there is none."""
    left, top = max(box[0], 0), max(box[1], 0)
    right, bottom = min(box[2], width - 1), min(box[3], height - 1)
    # Not the other way round: nothing is drawn of a box that is no number, either.
    return (left, top, right, bottom) if left <= right and top <= bottom else None


def _draw(
    canvas: ImageDraw.ImageDraw,
    box: Box,
    text: str,
    fill: Colour,
    font: ImageFont.FreeTypeFont | ImageFont.ImageFont,
    line: int,
) -> None:
    canvas.rectangle(box, outline=fill, width=line)
    width, height = canvas.im.size
    _, _, wide, high = canvas.textbbox((0, 0), text, font=font)
    wide, high = wide + 2 * line, high + 2 * line
    # Above the box if there is room, else inside; but always on the picture.
    x = max(0, min(box[0], width - wide))
    y = box[1] - high if box[1] >= high else min(box[1], max(0, height - high))
    canvas.rectangle((x, y, x + wide, y + high), fill=fill)
    # Rec. 601 luma: dark letters on light colours
    dark = 0.299 * fill[0] + 0.587 * fill[1] + 0.114 * fill[2] > 140
    canvas.text((x + line, y + line), text, font=font, fill=(0, 0, 0) if dark else (255, 255, 255))
