"""The pixels of a picture: an array, or what Pillow holds."""

from __future__ import annotations

import typing
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from converter.errors import ImageError

if typing.TYPE_CHECKING:
    from PIL import Image

Array: TypeAlias = npt.NDArray[np.uint8]
Floats: TypeAlias = npt.NDArray[np.float32]
Indices: TypeAlias = npt.NDArray[np.intp]
Pixels: TypeAlias = "Array | Raster"

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
    upper: Array = (np.asarray(image) >> 8).astype(np.uint8)
    return upper


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
