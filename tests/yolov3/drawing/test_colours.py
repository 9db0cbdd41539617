"""Colours of classes."""

import numpy as np

from yolov3.drawing.colours import colour, contrast


def test_the_first_eight_are_okabes_and_itos():
    """Figure 16 of https://jfly.uni-koeln.de/color/, in its own order."""
    figure = [
        (0, 0, 0), (230, 159, 0), (86, 180, 233), (0, 158, 115),
        (240, 228, 66), (0, 114, 178), (213, 94, 0), (204, 121, 167),
    ]  # fmt: skip
    assert {colour(label) for label in range(8)} == set(figure)


def test_classes_have_colours_of_their_own():
    colours = {colour(label) for label in range(80)}
    assert len(colours) == 80
    for a, b in zip(range(79), range(1, 80), strict=True):
        # neighbours differ by far more than a hue or two
        assert np.abs(np.subtract(colour(a), colour(b))).max() > 100


def test_letters_can_be_read_on_every_colour():
    """WCAG 2.2, 1.4.3: a contrast of 4.5 for text."""

    def luminance(rgb):
        parts = np.array(rgb) / 255
        linear = np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)
        return linear @ (0.2126, 0.7152, 0.0722)

    for label in range(80):
        dark, light = sorted(map(luminance, (colour(label), contrast(colour(label)))))
        assert (light + 0.05) / (dark + 0.05) > 4.5
