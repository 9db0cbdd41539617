"""Pictures of circles, squares and triangles like those of ``data/shapes``, drawn from a seed."""

import colorsys
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

SIDE = 192  # pixels
# Radii in parts of the side, and hues in degrees: orange to pink, green, cyan to blue.
RADII = ((0.15, 0.27), (0.074, 0.13), (0.044, 0.066))
HUES = (0, 120, 215)
SHARPER = 3  # drawn so many times larger


def draw(folder: Path, count: int, seed: int) -> None:
    """``count`` pictures NNNN.png of 192 x 192 pixels, with their boxes in YOLO's format beside."""
    folder.mkdir()
    for number in range(count):
        picture, boxes = _scene(np.random.default_rng([seed, number]))
        picture.save(folder / f"{number:04}.png")
        lines = [
            f"{label} {(x0 + x1) / 2:.6f} {(y0 + y1) / 2:.6f} {x1 - x0:.6f} {y1 - y0:.6f}\n"
            for label, (x0, y0, x1, y1) in boxes
        ]
        (folder / f"{number:04}.txt").write_text("".join(lines))


def _scene(rng):
    """A picture, and (class, box) of what is on it; boxes are edges in parts of the side."""
    canvas = Image.fromarray(_background(rng)).resize((SIDE * SHARPER, SIDE * SHARPER))
    pen = ImageDraw.Draw(canvas)
    boxes = []
    sizes = sorted(rng.choice(3, rng.integers(1, 7), p=[0.28, 0.36, 0.36]))
    for size in sizes:  # the large ones first, where there is still room
        for _ in range(50):
            label = int(rng.integers(3))
            points = _outline(rng, label, rng.uniform(*RADII[size]))
            low, high = points.min(0), points.max(0)
            points += rng.uniform(0.015 - low, 0.985 - high)
            box = (*points.min(0), *points.max(0))
            if all(_apart(box, other) for _, other in boxes):
                corners = [tuple(point) for point in points * SIDE * SHARPER]
                pen.polygon(corners, fill=_colour(rng, label))
                boxes.append((label, box))
                break
    noise = rng.normal(0, rng.uniform(1, 3.5), (SIDE, SIDE, 1))
    pixels = np.asarray(canvas.resize((SIDE, SIDE), Image.Resampling.BOX)) + noise
    return Image.fromarray(pixels.clip(0, 255).astype(np.uint8)), boxes


def _background(rng):
    """Dim and nearly grey, with a gradient."""
    one, other = (rng.uniform(15, 110) + rng.uniform(-15, 15, 3) for _ in range(2))
    angle = rng.uniform(0, 2 * np.pi)
    y, x = np.mgrid[:SIDE, :SIDE] / SIDE
    slope = x * np.cos(angle) + y * np.sin(angle)
    slope = ((slope - slope.min()) / np.ptp(slope))[..., None]
    return (one * (1 - slope) + other * slope).clip(0, 255).astype(np.uint8)


def _outline(rng, label, radius):
    """Points around (0, 0): many for a circle, 4 for a square, 3 for a pointed or flat triangle."""
    if label == 2:
        pointed = rng.uniform(0.75, 1.35) ** 0.5
        half = 0.87 / pointed
        points = np.array([(-half, pointed / 2), (half, pointed / 2), (0, -pointed)])
        angle = rng.uniform(0, 2 * np.pi)
        turn = [[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]]
        return radius * points @ turn
    corners, size = (90, 0.85) if label == 0 else (4, 1)
    angles = rng.uniform(0, 2 * np.pi) + 2 * np.pi * np.arange(corners) / corners
    return radius * size * np.stack([np.cos(angles), np.sin(angles)], 1)


def _colour(rng, label):
    hue = (HUES[label] + rng.uniform(-35, 35)) % 360 / 360
    colour = colorsys.hsv_to_rgb(hue, rng.uniform(0.55, 1), rng.uniform(0.75, 1))
    return tuple(int(255 * part) for part in colour)


def _apart(box, other):
    """By 3 pixels, at one side."""
    gap = 3 / SIDE
    return any(box[i] > other[i + 2] + gap or other[i] > box[i + 2] + gap for i in (0, 1))
