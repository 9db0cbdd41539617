"""A picture as the input of a network: in its size, values 0..1."""

from collections.abc import Sequence

import numpy as np

from converter.darknet.dialects import DIALECTS, DialectName
from converter.darknet.layers.heads import Head
from converter.darknet.network import Network
from converter.errors import ImageError, UsageError
from converter.options import Resize
from yolov3.detection.image import Floats, Pixels, resize
from yolov3.detection.linear import resize_as_opencv

GREY = 0.5  # around a letterboxed picture: pj image.c:825


def usual_resize(network: Network, dialect: DialectName) -> Resize:
    """How ``dialect``'s engine makes a detector's input of a picture."""
    last = network.outputs[-1].layer
    if isinstance(last, Head) and last.stretches:
        return "stretch"
    record = DIALECTS[dialect]
    return "letterbox" if record.letter_box and network.net.letter_box else record.resize


def choose(choice: Resize | None, usual: Resize, possible: tuple[Resize, ...]) -> Resize:
    """``choice``, or the usual way.

    Raises:
        UsageError: it is not among the ``possible``.
    """
    if choice is not None and choice not in possible:
        raise UsageError(f"resize={choice!r} cannot be used here", remedy=f"use one of {possible}")
    return choice or usual


def prepare_all(pictures: Sequence[Pixels], height: int, width: int, how: Resize) -> Floats:
    """Each as ``prepare`` has it: (N, height, width, channels)."""
    return np.stack([prepare(picture, height, width, how) for picture in pictures])


def prepare(pixels: Pixels, height: int, width: int, how: Resize) -> Floats:
    """A picture in the size of a network's input, values 0..1.

    ``letterbox`` keeps its shape and fills up with grey (pj image.c:812, AB image.c:1006),
    ``stretch`` does not, ``crop`` keeps it and cuts off what is too much (AB classifier.c:872).
    ``opencv`` stretches as OpenCV does (HK darknet.cpp:1373).

    Args:
        pixels: (H, W, channels).
        height: rows of the input.
        width: columns of the input.
        how: one of the four.

    Returns:
        (height, width, channels).

    Raises:
        ImageError: the picture is too narrow for its letterbox.
    """
    if how == "stretch":
        return resize(pixels, height, width)
    if how == "crop":
        return _crop(pixels, height, width)
    if how == "opencv":
        return resize_as_opencv(pixels, height, width)
    inner_height, inner_width = inner_size(pixels.shape[:2], height, width)
    boxed = np.full((height, width, pixels.shape[2]), GREY, np.float32)
    top, left = (height - inner_height) // 2, (width - inner_width) // 2
    boxed[top : top + inner_height, left : left + inner_width] = resize(
        pixels, inner_height, inner_width
    )
    return boxed


def inner_size(shape: tuple[int, ...], height: int, width: int) -> tuple[int, int]:
    """Rows and columns that a picture of ``shape`` (rows, columns) takes in its letterbox.

    pj image.c:814-822. The comparison is between floats there: it decides ties.

    Raises:
        ImageError: the picture is so narrow that it would have none.
    """
    rows, columns = shape
    inner = height, columns * height // rows
    if np.float32(width) / np.float32(columns) < np.float32(height) / np.float32(rows):
        inner = rows * width // columns, width
    if not all(inner):
        raise ImageError(
            f"is too narrow: nothing of its {columns} x {rows} pixels would be left in a letterbox"
            f" of {width} x {height}",
            remedy='choose "stretch" to resize it',
        )
    return inner


def _crop(pixels: Pixels, height: int, width: int) -> Floats:
    """The shorter side becomes ``width``, the middle is kept: AB image.c:1044, classifier.c:871."""
    rows, columns = pixels.shape[:2]
    shorter = min(rows, columns)
    inner_height, inner_width = rows * width // shorter, columns * width // shorter
    # Beyond the border its pixels are repeated: AB image.c:894.
    y = np.arange(height) + int((inner_height - height) / 2)
    x = np.arange(width) + int((inner_width - width) / 2)
    return resize(
        pixels, inner_height, inner_width, y.clip(0, inner_height - 1), x.clip(0, inner_width - 1)
    )
