"""OpenCV's bilinear resizing of 8-bit pictures, bit for bit: cv::resize with INTER_LINEAR.

opencv/opencv@4.6.0 modules/imgproc/src/resize.cpp: positions as floats, shares of 11 bits, and sums
of integers. It is how the engine that is built on OpenCV makes its input.
"""

import numpy as np
import numpy.typing as npt

from yolov3.detection.image import Floats, Indices, Pixels, pick

_BITS = np.float32(2048)  # INTER_RESIZE_COEF_SCALE, :311


def resize_as_opencv(pixels: Pixels, height: int, width: int) -> Floats:
    """A picture in another size, as OpenCV resizes it.

    Exactly half as large is another function there, the mean of four pixels (:3977), which this
    gives, too: shares of one half, without rounding before the end.

    Args:
        pixels: (H, W, channels).
        height: rows of the result.
        width: columns of the result.

    Returns:
        (height, width, channels), values 0..1.
    """
    rows, columns = pixels.shape[:2]
    left, right, share_left, share_right = _neighbours(columns, width)
    # A column before the first or after the last is that one alone; rows keep their shares (:1590).
    alone = left == right
    share_left[alone], share_right[alone] = 2048, 0
    above, below, share_above, share_below = _neighbours(rows, height)
    used, place = np.unique(np.concatenate([above, below]), return_inverse=True)
    first, second = pick(pixels, used, left, right).astype(np.int32)
    part = (first * share_left[:, None] + second * share_right[:, None]) >> 4
    upper, lower = part[place[:height]], part[place[height:]]
    sums = (share_above[:, None, None] * upper >> 16) + (share_below[:, None, None] * lower >> 16)
    # 0..255 -> 0..1 by a float factor, as cv::Mat::convertTo does: HK darknet_image.cpp:816
    unit: Floats = ((sums + 2) >> 2).astype(np.float32) * np.float32(1 / 255)
    return unit


def _neighbours(
    size: int, wanted: int
) -> tuple[Indices, Indices, npt.NDArray[np.int32], npt.NDArray[np.int32]]:
    """For each place of the result the two before and after it, and their shares of 2048."""
    at = ((np.arange(wanted) + 0.5) * (size / wanted) - 0.5).astype(np.float32)
    before = np.floor(at).astype(np.intp)
    share = at - before.astype(np.float32)
    shares = [np.rint(part * _BITS).astype(np.int32) for part in (np.float32(1) - share, share)]
    return before.clip(0, size - 1), (before + 1).clip(0, size - 1), shares[0], shares[1]
