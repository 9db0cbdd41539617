"""From a picture to a network's input, as Darknet does it: pixels, resizing, letterbox."""

from __future__ import annotations

import io
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import TYPE_CHECKING, TypeAlias, cast

import numpy as np
import numpy.typing as npt

from converter.errors import ExtraError, ImageError, UsageError, install
from converter.files.opening import open_regular

if TYPE_CHECKING:
    from PIL import Image

Array: TypeAlias = npt.NDArray[np.uint8]
Floats: TypeAlias = npt.NDArray[np.float32]
Indices: TypeAlias = npt.NDArray[np.intp]
Pixels: TypeAlias = "Array | Raster"
# Of arrays only those of uint8 can be used; OpenCV's stubs do not say that its pictures are.
Picture: TypeAlias = "str | os.PathLike[str] | Image.Image | npt.NDArray[np.generic]"

# Of files that Pillow does not know, these are taken for videos.
VIDEOS = (".avi", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".webm", ".wmv")

_SIXTEEN_BIT = ("I;16", "I;16L", "I;16B", "I;16N")
_BLOCK = 1024  # rows and columns of a picture that become an array at once


class Raster:
    """A picture that Pillow holds; parts of it become arrays when they are needed.

    Pillow takes 4 bytes for a pixel in colour; an array of the whole picture would be 3 more.

    Attributes:
        shape: (rows, columns, channels), as of the array that it stands for.
    """

    def __init__(self, image: Image.Image, channels: int) -> None:
        """Decode ``image``, which is kept, not copied.

        Raises:
            ImageError: it has no pixels, or others than of 8 or 16 bits.
        """
        image.load()
        if image.mode in ("I", "F"):
            raise ImageError(
                f"has pixels of another kind than 8 or 16 bits (Pillow's mode {image.mode})",
                remedy="convert it to 8 bits",
            )
        if not all(image.size):
            raise ImageError("has no pixels")
        self._image, self._mode = image, "RGB" if channels == 3 else "L"
        self.shape = (image.height, image.width, channels)
        self[:1, :1]  # what Pillow cannot convert is refused here, not later

    def __getitem__(self, at: tuple[slice, slice]) -> Array:
        """The pixels (rows, columns, channels) of two slices without step."""
        (top, bottom, _), (left, right, _) = (
            part.indices(size) for part, size in zip(at, self.shape[:2], strict=True)
        )
        block = self._image.crop((left, top, right, bottom))
        block.info.clear()  # Pillow warns where it drops transparency
        if block.mode in _SIXTEEN_BIT:
            return np.repeat(_upper_bytes(block)[:, :, None], self.shape[2], 2)
        pixels = np.asarray(block if block.mode == self._mode else block.convert(self._mode))
        return pixels.reshape(bottom - top, right - left, self.shape[2])

    def in_colour(self) -> Image.Image:
        """What the network sees, in Pillow's mode RGB: the image itself if it is in that."""
        from PIL import Image

        image = self._image
        if image.mode in _SIXTEEN_BIT:
            image = Image.fromarray(_upper_bytes(image))
        for mode in (self._mode, "RGB"):
            image.info.clear()  # Pillow would save it: a colour profile, transparency, a comment
            image = image if image.mode == mode else image.convert(mode)
        return image


def _upper_bytes(image: Image.Image) -> Array:
    return (np.asarray(image) >> 8).astype(np.uint8)


def read(picture: Picture, channels: int = 3, *, bgr: bool = False) -> Pixels:
    """The pixels of a picture, RGB or grey.

    A file is turned as its EXIF orientation says, which is how every viewer shows it and how a
    darknet built with OpenCV reads it; one built without ignores the tag. Alpha is dropped, of
    16-bit values the upper byte is used, of an animation the first frame, all as both do.

    Args:
        picture: a file, a PIL image, or an array (H, W, 3) or (H, W) of uint8, RGB or grey.
        channels: 3 or 1.
        bgr: whether an array is BGR, as OpenCV's are. Other pictures say themselves what they are.

    Returns:
        (H, W, channels), RGB: the array itself, or a view of it; of others a ``Raster``.

    Raises:
        ImageError: the file is missing, broken, too large, or of a kind without 8 or 16 bits.
        UsageError: the array is none of those above, or a network has other channels.
    """
    if channels not in (1, 3):
        raise UsageError(f"the network takes {channels} channels, and pictures have 3 or 1")
    if isinstance(picture, np.ndarray):
        pixels = _array(picture, channels)
        return pixels[:, :, ::-1] if bgr else pixels
    if isinstance(picture, str | os.PathLike):
        return _file(picture, channels)
    if not (hasattr(picture, "convert") and hasattr(picture, "mode")):
        raise UsageError(f"a {type(picture).__name__} is no path, PIL image or NumPy array")
    require_pillow()
    with image_errors(None):
        return Raster(picture, channels)


def require_pillow() -> None:
    """Check that Pillow is there.

    Raises:
        ExtraError: it is not.
    """
    if find_spec("PIL") is None:
        raise ExtraError(
            "reading and writing pictures needs Pillow",
            remedy=install("detect"),
        )


def resize(
    pixels: Pixels,
    height: int,
    width: int,
    rows: Indices | None = None,
    columns: Indices | None = None,
) -> Floats:
    """Darknet's bilinear resizing, bit for bit: pj image.c:1199, AB image.c:1399.

    First along the rows, then along the columns, so that corners fall on corners. What rounding
    does to the last row is kept, too: if its position comes out a little above the last row of the
    picture, it gets only its small share of the row above that, and is nearly black.

    Args:
        pixels: (H, W, channels).
        height: rows of the result.
        width: columns of the result.
        rows: those of the result that are wanted, 0..height - 1; default: all.
        columns: likewise.

    Returns:
        (rows, columns, channels) of those wanted, values 0..1.
    """
    rows = np.arange(height) if rows is None else rows
    columns = np.arange(width) if columns is None else columns
    channels = pixels.shape[2]
    upper, share_y = _positions(pixels.shape[0], height, rows)
    left, share_x = _positions(pixels.shape[1], width, columns)
    lower = np.minimum(upper + 1, pixels.shape[0] - 1)
    share_below = np.where(rows == height - 1, np.float32(0), share_y)
    last = columns == width - 1
    left[last], share_x[last] = pixels.shape[1] - 1, 0
    right = np.minimum(left + 1, pixels.shape[1] - 1)

    # Only rows that are used; values of a pixel side by side, so that the inner loop is long.
    used, place = np.unique(np.concatenate([upper, lower]), return_inverse=True)
    share = np.repeat(share_x, channels)
    first, second = pick(pixels, used, left, right).reshape(2, len(used), -1)
    part = _unit(first) * (1 - share)
    part += _unit(second) * share

    resized: Floats = part[place[: len(rows)]] * (1 - share_y)[:, None]
    resized += part[place[len(rows) :]] * share_below[:, None]
    return resized.reshape(len(rows), len(columns), channels)


def _positions(size: int, wanted: int, at: Indices) -> tuple[Indices, Floats]:
    """Of ``wanted`` places the last of ``size`` before those ``at``, and the distance from that."""
    # wanted == 1 is a division by zero in C
    scale = np.float32(size - 1) / np.float32(max(wanted - 1, 1))
    place = at.astype(np.float32) * scale
    # From 2^24 on, the float nearest to size - 1 may be above it.
    whole = np.minimum(place.astype(np.intp), size - 1)
    return whole, place - whole.astype(np.float32)


def pick(pixels: Pixels, rows: Indices, *columns: Indices) -> Array:
    """The pixels (len(columns), rows, columns, channels), block by block; all indices ascend."""
    channels = pixels.shape[2]
    picked = np.empty((len(columns), len(rows), len(columns[0]), channels), np.uint8)
    for top in np.unique(rows // _BLOCK) * _BLOCK:
        y = slice(*np.searchsorted(rows, (top, top + _BLOCK)))
        for left in np.unique(np.concatenate(columns) // _BLOCK) * _BLOCK:
            block = pixels[top : top + _BLOCK, left : left + _BLOCK][rows[y] - top]
            flat = block.reshape(len(block), -1)
            for values, wanted in zip(picked, columns, strict=True):
                x = slice(*np.searchsorted(wanted, (left, left + _BLOCK)))
                index = (wanted[x, None] - left) * channels + np.arange(channels)
                values[y, x] = flat.take(index, 1)
    return picked


def _unit(values: Array) -> Floats:
    """0..255 -> 0..1. The C divides as double and rounds: for these 256 values the same."""
    return values.astype(np.float32) / np.float32(255)


def _array(picture: npt.NDArray[np.generic], channels: int) -> Array:
    if picture.dtype != np.uint8 or not picture.size:
        raise UsageError(
            f"an array of {picture.dtype}, shape {picture.shape}, is no picture",
            remedy="give uint8 values (H, W, 3) in RGB order, or (H, W)",
        )
    pixels = cast("Array", picture)
    if pixels.ndim == 2:
        return np.repeat(pixels[:, :, None], channels, 2)
    if pixels.ndim == 3 and pixels.shape[2] == channels:
        return pixels
    raise UsageError(
        f"an array of shape {pixels.shape} is no picture of {channels} channels",
        remedy=f"give uint8 values (H, W, {channels}) or (H, W)",
    )


def _file(path: str | os.PathLike[str], channels: int) -> Raster:
    require_pillow()
    from PIL import Image, ImageOps

    with (
        image_errors(path),
        open_regular(path, ImageError, "give a picture") as file,
        Image.open(io.BufferedReader(cast("io.FileIO", file))) as image,
    ):
        ImageOps.exif_transpose(image, in_place=True)
        return Raster(image, channels)


@contextmanager
def image_errors(path: str | os.PathLike[str] | None) -> Iterator[None]:
    """Turn what a damaged picture raises, each format its own kinds, into one line.

    Pillow's warnings are about what it could read all the same, and large pictures: none is shown.

    Raises:
        ImageError: the block raised anything; ``path`` is the picture's, None if it has none.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except ImageError as error:
        error.path = None if path is None else os.fspath(path)
        raise
    except Exception as error:  # OSError, SyntaxError, ValueError, struct.error, ...
        what, remedy = _problem(error, path)
        raise ImageError(what, path=path, remedy=remedy) from error


def _problem(error: Exception, path: str | os.PathLike[str] | None) -> tuple[str, str | None]:
    """What an error of Pillow's says of a picture, and what to do."""
    from PIL import Image, UnidentifiedImageError

    if isinstance(error, Image.DecompressionBombError):
        what = "has too many pixels: it may be a decompression bomb"
        return what, "make it smaller, or read it yourself and pass the array"
    if isinstance(error, UnidentifiedImageError):
        if path is not None and os.fspath(path).lower().endswith(VIDEOS):
            return "is a video", "read its frames with cv2.VideoCapture, as the README shows"
        return "is no picture of a known format", "convert it to PNG or JPEG"
    reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
    if isinstance(error, FileNotFoundError):
        return f"cannot be read: {reason}", "check the path"
    return f"cannot be read: {reason}", None if path is None else "it is damaged: copy it again"
