"""OpenCV's bilinear resizing, against OpenCV."""

import cv2
import numpy as np
import pytest
from PIL import Image

from tests.conftest import DATA
from yolov3.detection.linear import resize_as_opencv


def require_same(pixels: np.ndarray, height: int, width: int) -> None:
    """Bit for bit: whole numbers from OpenCV, times the float nearest 1/255."""
    expected = cv2.resize(pixels, (width, height), interpolation=cv2.INTER_LINEAR)
    expected = expected.reshape(height, width, -1)
    found = resize_as_opencv(pixels, height, width)
    assert found.dtype == np.float32
    # HK darknet_image.cpp:816: convertTo(CV_32F, 1 / 255)
    np.testing.assert_array_equal(found, expected.astype(np.float32) * np.float32(1 / 255))


def noise(height: int, width: int, channels: int = 3, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.integers(0, 256, (height, width, channels), dtype=np.uint8)


@pytest.mark.parametrize("seed", range(40))
def test_any_size_to_any_size(seed):
    height, width, rows, columns = np.random.default_rng(seed).integers(1, 70, 4)
    require_same(noise(height, width, seed=seed), int(rows), int(columns))


@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize(
    ("size", "wanted"),
    [
        ((40, 60), (20, 30)),  # exactly half: the mean of four, resize.cpp:3977
        ((2, 2), (1, 1)),
        ((40, 60), (20, 31)),  # half in one direction alone
        ((41, 60), (20, 30)),
        ((60, 60), (20, 30)),  # a third in one direction, half in the other
        ((40, 90), (20, 30)),
        ((20, 30), (40, 60)),
        ((40, 60), (10, 15)),
        ((40, 60), (40, 60)),
        ((1, 1), (5, 7)),
        ((1, 9), (8, 4)),
        ((9, 1), (4, 8)),
        ((9, 9), (1, 1)),
        ((33, 17), (416, 416)),
        ((300, 200), (3, 2)),
    ],
)
def test_special_sizes(size, wanted, channels):
    require_same(noise(*size, channels), *wanted)


@pytest.mark.parametrize("value", [0, 1, 127, 254, 255])
def test_a_plain_picture_stays_plain(value):
    pixels = np.full((13, 29, 3), value, np.uint8)
    require_same(pixels, 32, 64)
    assert (resize_as_opencv(pixels, 32, 64) == np.float32(value) * np.float32(1 / 255)).all()


@pytest.mark.parametrize("name", ["0003", "0032"])
@pytest.mark.parametrize("wanted", [(416, 416), (96, 96), (320, 512), (191, 193)])
def test_pictures(name, wanted):
    picture = Image.open(DATA / "shapes" / "images" / f"{name}.png").convert("RGB")
    require_same(np.asarray(picture), *wanted)
