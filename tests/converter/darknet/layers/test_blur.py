"""The blur of AlexeyAB's antialiasing: its kernels, its border and what is left of a map."""

import pytest
import torch

from converter.darknet.layers.base import Shape
from converter.darknet.layers.blur import blur, blurred


def map_of(value, row, column):
    """Two channels of 5 x 5 zeros, of which the second has one value."""
    x = torch.zeros(1, 2, 5, 5)
    x[0, 1, row, column] = value
    return x


# AB convolutional_layer.c:803-834: a convolution of each channel, 3x3 with padding 1 and weights
# of 1 2 1 times 1 2 1 over 16, or 2x2 without padding and weights of 1/4.
def test_a_pixel_is_spread_over_its_neighbours():
    found = blur(map_of(16, 2, 1), (1, 1), 1)
    assert found[0, 1].tolist() == [
        [0, 0, 0, 0, 0],
        [1, 2, 1, 0, 0],
        [2, 4, 2, 0, 0],
        [1, 2, 1, 0, 0],
        [0, 0, 0, 0, 0],
    ]
    assert not found[0, 0].any()


def test_the_border_is_zeros():
    found = blur(map_of(16, 0, 0), (1, 1), 1)
    assert found[0, 1, :2, :2].tolist() == [[4, 2], [2, 1]]


def test_a_mean_of_four_pixels():
    found = blur(map_of(4, 0, 1), (1, 1), 2)
    assert found[0, 1].tolist() == [[1, 1, 0, 0], [0, 0, 0, 0], [0, 0, 0, 0], [0, 0, 0, 0]]


def test_every_nth_pixel_of_the_blurred_map_is_left():
    # Rows 0, 2, 4 and columns 0, 3 of the map above.
    assert blur(map_of(16, 2, 1), (2, 3), 1)[0, 1].tolist() == [[0, 0], [2, 0], [0, 0]]


@pytest.mark.parametrize(
    ("antialiasing", "strides", "sides"),
    [
        (1, (1, 1), (5, 7)),  # 5 + 2 - 3 + 1, 7 + 2 - 3 + 1
        (1, (2, 2), (3, 4)),  # (5 + 2 - 3) / 2 + 1, (7 + 2 - 3) / 2 + 1
        (1, (2, 3), (3, 3)),
        (2, (1, 1), (4, 6)),  # 5 - 2 + 1, 7 - 2 + 1
        (2, (2, 2), (2, 3)),  # 3 / 2 + 1, 5 / 2 + 1
    ],
)
def test_the_size_that_is_left(antialiasing, strides, sides):
    assert blurred(Shape.image(2, 5, 7), strides, antialiasing) == Shape.image(2, *sides)
    assert blur(torch.zeros(1, 2, 5, 7), strides, antialiasing).shape == (1, 2, *sides)
