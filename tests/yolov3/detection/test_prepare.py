"""A picture as the input of a network: letterboxed, stretched or cropped."""

import numpy as np
import pytest

from converter.errors import ImageError
from yolov3.detection.image import resize
from yolov3.detection.linear import resize_as_opencv
from yolov3.detection.prepare import inner_size, prepare


def noise(height, width, channels=3, seed=0):
    shape = (height, width, channels)
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def test_letterbox():
    # 4 x 2 pixels in 8 x 8: doubled, with two grey rows above and below
    boxed = prepare(np.full((2, 4, 3), 255, np.uint8), 8, 8, "letterbox")
    assert boxed.shape == (8, 8, 3)
    assert boxed.dtype == np.float32
    assert (boxed[2:6] == 1).all()
    assert (boxed[[0, 1, 6, 7]] == 0.5).all()


def test_letterbox_beside():
    boxed = prepare(np.full((4, 2, 1), 0, np.uint8), 8, 12, "letterbox")
    assert (boxed[:, 4:8] == 0).all()
    assert (boxed[:, :4] == 0.5).all()
    assert (boxed[:, 8:] == 0.5).all()


@pytest.mark.parametrize(
    ("shape", "inner"),
    [
        ((576, 768), (312, 416)),  # dog.jpg: 576 * 416 / 768
        ((448, 352), (416, 326)),  # 352 * 416 / 448 = 326.9, cut off
        ((1, 1), (416, 416)),
    ],
)
def test_inner_size(shape, inner):
    assert inner_size(shape, 416, 416) == inner


def test_too_narrow_for_a_letterbox():
    with pytest.raises(ImageError, match="too narrow: nothing of its 1000 x 1 pixels"):
        inner_size((1, 1000), 416, 416)


def test_stretch_keeps_no_shape():
    pixels = noise(3, 9)
    made = prepare(pixels, 5, 4, "stretch")
    assert made.shape == (5, 4, 3)
    # Corners fall on corners, but for float32's rounding.
    corners = np.float32(pixels[::2, ::8]) / np.float32(255)
    np.testing.assert_allclose(made[::4, ::3], corners, rtol=1e-6)


def test_as_opencv_stretches():
    pixels = noise(3, 9)
    made = prepare(pixels, 5, 4, "opencv")
    np.testing.assert_array_equal(made, resize_as_opencv(pixels, 5, 4))
    assert not np.array_equal(made, prepare(pixels, 5, 4, "stretch"))


def test_crop_keeps_the_middle():
    # 2 x 6 pixels: rows become 4, columns 12, of which 4 stay, from (12 - 4) / 2 on
    pixels = noise(2, 6)
    np.testing.assert_array_equal(prepare(pixels, 4, 4, "crop"), resize(pixels, 4, 12)[:, 4:8])


def test_crop_beyond_the_border_repeats_it():
    # columns become 4, rows too, of which 6 are wanted: one more above and below
    pixels = noise(2, 2)
    whole = resize(pixels, 4, 4)
    cropped = prepare(pixels, 6, 4, "crop")
    np.testing.assert_array_equal(cropped, whole[[0, 0, 1, 2, 3, 3]])
