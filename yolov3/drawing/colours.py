"""A colour for each class, the same on every picture."""

from __future__ import annotations

import colorsys
import math

Colour = tuple[int, int, int]

# M. Okabe, K. Ito: Color Universal Design (https://jfly.uni-koeln.de/color/), figure 16: what
# people with any colour vision tell apart. Black, the first there, is the last here, since
# most photographs have dark places.
SAFE: tuple[Colour, ...] = (
    (230, 159, 0),  # orange
    (86, 180, 233),  # sky blue
    (0, 158, 115),  # bluish green
    (240, 228, 66),  # yellow
    (0, 114, 178),  # blue
    (213, 94, 0),  # vermilion
    (204, 121, 167),  # reddish purple
    (0, 0, 0),  # black
)

# Steps of the golden ratio around the colour circle: neighbouring classes look unlike each other.
GOLDEN = (math.sqrt(5) - 1) / 2


def colour(label: int) -> Colour:
    """The colour of a class: RGB in 0..255."""
    if label < len(SAFE):
        return SAFE[label]
    red, green, blue = colorsys.hsv_to_rgb(label * GOLDEN % 1, 0.85, 0.95)
    return round(255 * red), round(255 * green), round(255 * blue)


def contrast(ground: Colour) -> Colour:
    """Black or white, whichever is read better on ``ground``: above 4.5 on all, as WCAG asks."""
    # Relative luminance, WCAG 2.2; black and white are as good where it is sqrt(1.05 * 0.05) - 0.05
    parts = (value / 255 for value in ground)
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    luminance = 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
    return (0, 0, 0) if luminance > 0.179 else (255, 255, 255)
