"""Pictures, read and resized as darknet does."""

import io
import os
import resource
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import darknet_detector
import numpy as np
import pytest
from PIL import Image

from converter.errors import ExtraError, ImageError, UsageError
from yolov3.detection import image as image_module
from yolov3.detection.image import read, resize
from yolov3.detection.prepare import inner_size, prepare

ROOT = Path(__file__).parents[3]


def noise(height, width, channels=3, seed=0):
    shape = (height, width, channels)
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


# Resizing


def test_corners_fall_on_corners():
    # (in - 1) / (out - 1) = 1/2 a step: 0, 127.5, 255
    row = np.array([[[0], [255]]], np.uint8)
    np.testing.assert_array_equal(resize(row, 1, 3).ravel(), np.float32([0, 0.5, 1]))


def test_rows_and_columns():
    corners = np.array([[[0], [51]], [[102], [255]]], np.uint8)  # 0, 0.2, 0.4, 1
    halves = resize(corners, 3, 3)[:, :, 0]
    expected = [[0, 0.1, 0.2], [0.2, 0.4, 0.6], [0.4, 0.7, 1]]
    np.testing.assert_allclose(halves, expected, atol=1e-7)


def test_the_same_size_changes_nothing():
    pixels = noise(5, 7)
    np.testing.assert_array_equal(resize(pixels, 5, 7), (pixels / 255).astype(np.float32))


def test_the_last_row_where_rounding_puts_it_between_two():
    """4 / 41 as a float, times 41, is a little below 4: row 3 with next to nothing of weight."""
    position = np.float32(41) * (np.float32(4) / np.float32(41))
    assert 3.999999 < position < 4
    last = resize(np.full((5, 4, 1), 255, np.uint8), 42, 4)[-1]
    np.testing.assert_array_equal(last, 4 - position)


# Sizes up and down, odd and even, narrow; 5 -> 42 rows is the one with the dark last row.
SIZES = [((40, 61), (32, 32)), ((30, 20), (64, 96)), ((5, 7), (42, 13)), ((99, 100), (100, 99))]


@pytest.mark.engine
@pytest.mark.parametrize("how", ["letterbox", "stretch"])
@pytest.mark.parametrize(("size", "wanted"), SIZES)
def test_darknet_resizes_so(tmp_path, size, wanted, how):
    pixels = noise(*size)
    Image.fromarray(pixels).save(tmp_path / "picture.png")
    (expected,) = darknet_detector.pictures(how, [tmp_path / "picture.png"], *wanted)
    np.testing.assert_array_equal(prepare(pixels, *wanted, how).transpose(2, 0, 1), expected)


# Against the C, written out


def plain_resize(pixels, h, w):
    """AB image.c:1399, in single precision, the whole picture at each step."""
    im = (pixels / 255.0).astype(np.float32)
    rows, columns, _ = im.shape
    part = np.empty((rows, w, im.shape[2]), np.float32)
    w_scale = np.float32(columns - 1) / np.float32(max(w - 1, 1))
    h_scale = np.float32(rows - 1) / np.float32(max(h - 1, 1))
    one = np.float32(1)
    for c in range(w):
        if c == w - 1 or columns == 1:
            part[:, c] = im[:, columns - 1]
        else:
            sx = np.float32(c) * w_scale
            dx = sx - np.float32(int(sx))
            part[:, c] = (one - dx) * im[:, int(sx)] + dx * im[:, int(sx) + 1]
    resized = np.empty((h, w, im.shape[2]), np.float32)
    for r in range(h):
        sy = np.float32(r) * h_scale
        dy = sy - np.float32(int(sy))
        resized[r] = (one - dy) * part[int(sy)]
        if r != h - 1 and rows != 1:
            resized[r] += dy * part[int(sy) + 1]
    return resized


def plain_letterbox(pixels, h, w):
    """AB image.c:1006: grey, and the resized picture in the middle."""
    inner = inner_size(pixels.shape[:2], h, w)
    boxed = np.full((h, w, pixels.shape[2]), 0.5, np.float32)
    top, left = (h - inner[0]) // 2, (w - inner[1]) // 2
    boxed[top : top + inner[0], left : left + inner[1]] = plain_resize(pixels, *inner)
    return boxed


def plain_crop(pixels, h, w):
    """AB classifier.c:871, image.c:1044 and 894: C divides towards zero."""
    rows, columns = pixels.shape[:2]
    inner = (rows * w // columns, w) if columns < rows else (w, columns * w // rows)
    resized = plain_resize(pixels, *inner)
    y = np.clip(np.arange(h) + int((inner[0] - h) / 2), 0, inner[0] - 1)
    x = np.clip(np.arange(w) + int((inner[1] - w) / 2), 0, inner[1] - 1)
    return resized[y][:, x]


PLAIN = {"letterbox": plain_letterbox, "stretch": plain_resize, "crop": plain_crop}


@pytest.mark.parametrize("how", PLAIN)
@pytest.mark.parametrize("block", [1, 7, 1024])
def test_blocks_of_a_picture_change_nothing(monkeypatch, how, block):
    monkeypatch.setattr(image_module, "_BLOCK", block)
    rng = np.random.default_rng(block)
    for _ in range(40):
        # a letterbox of less than twelve times another shape is never empty
        rows, columns, h, w = rng.integers(12 if how == "letterbox" else 1, 45, 4).tolist()
        channels = int(rng.choice([1, 3]))
        pixels = noise(rows, columns, channels, seed=rows)
        image = Image.fromarray(pixels if channels == 3 else pixels[:, :, 0])
        expected = PLAIN[how](pixels, h, w)
        for picture in (pixels, read(image, channels)):
            np.testing.assert_array_equal(prepare(picture, h, w, how), expected)


@pytest.mark.parametrize("how", PLAIN)
@pytest.mark.parametrize("size", [(1025, 1023), (2049, 300), (60, 3000)])
def test_pictures_of_several_blocks(how, size):
    pixels = noise(*size)
    expected = PLAIN[how](pixels, 96, 64)
    np.testing.assert_array_equal(prepare(pixels, 96, 64, how), expected)
    np.testing.assert_array_equal(prepare(read(Image.fromarray(pixels)), 96, 64, how), expected)


def test_more_rows_than_a_float_can_count():
    """2^24 + 3 is 2^24 + 4 as a float: a row that is not there."""
    column = np.zeros((2**24 + 4, 1, 1), np.uint8)
    assert resize(column, 3, 1).shape == (3, 1, 1)


LARGE = """
import sys
sys.modules["torch"] = None
import numpy as np
from yolov3.detection.image import read
from yolov3.detection.prepare import inner_size, prepare
large = read("large.png")
assert prepare(large, 416, 416, "letterbox").tolist() == [[[0.0] * 3] * 416] * 416
assert large.in_colour().size == (13000, 13000)
assert prepare(np.zeros((1, 100_000_000, 1), np.uint8), 32, 32, "crop").max() == 0
"""


def test_large_pictures(tmp_path):
    """13,000 x 13,000 pixels in 500 kB: Pillow has 4 bytes for each, 676 MB; without torch.

    To crop from a picture that is all width, only what is kept is computed.
    """
    deflate = zlib.compressobj()
    rows = b"".join(deflate.compress(bytes(1 + 3 * 13_000)) for _ in range(13_000))
    with open(tmp_path / "large.png", "wb") as file:
        file.write(b"\x89PNG\r\n\x1a\n")
        for kind, data in (
            (b"IHDR", struct.pack(">IIBBBBB", 13_000, 13_000, 8, 2, 0, 0, 0)),
            (b"IDAT", rows + deflate.flush()),
            (b"IEND", b""),
        ):
            file.write(struct.pack(">I", len(data)) + kind + data)
            file.write(struct.pack(">I", zlib.crc32(kind + data)))
    assert (tmp_path / "large.png").stat().st_size < 1_000_000
    size = 1 << 30  # of addresses, of which Python, numpy and its threads take some too
    done = subprocess.run(
        [sys.executable, "-c", LARGE],
        capture_output=True, text=True, check=False, cwd=tmp_path,
        env={**os.environ, "OPENBLAS_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)},
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (size, size)),
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")


# Reading


def photo():
    """A picture with colours and edges that is not noise, for lossy formats."""
    y, x = np.mgrid[:40, :61]
    channels = [x * 4, y * 6, (x - y) ** 2 % 256]
    return Image.fromarray(np.stack(channels, 2).astype(np.uint8))


def grey16():
    return Image.fromarray(np.random.default_rng(1).integers(0, 65536, (40, 61), dtype=np.uint16))


def turned(orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    return {"exif": exif}


FILES = {
    "rgb.png": (photo(), {}),
    "alpha.png": (photo().convert("RGBA"), {}),
    "grey.png": (photo().convert("L"), {}),
    "grey-alpha.png": (photo().convert("LA"), {}),
    "palette.png": (photo().convert("P"), {"transparency": 3}),
    "bits.png": (photo().convert("1"), {}),
    "grey16.png": (grey16(), {}),
    "photo.bmp": (photo(), {}),
    "photo.tif": (photo(), {}),
    "photo.webp": (photo(), {"lossless": True}),
    "photo.jpg": (photo(), {}),
    "444.jpg": (photo(), {"subsampling": 0}),
    "progressive.jpg": (photo(), {"progressive": True}),
    "grey.jpg": (photo().convert("L"), {}),
    **{f"turned{i}.jpg": (photo(), turned(i)) for i in range(1, 9)},
}


@pytest.mark.engine
def test_darknet_reads_so(tmp_path):
    """Bit for bit: Debian's darknet reads through OpenCV, which has the same libjpeg-turbo."""
    files = [tmp_path / name for name in FILES]
    for file, (image, options) in zip(files, FILES.values(), strict=True):
        image.save(file, **options)
    for file, expected in zip(files, darknet_detector.pictures("load", files), strict=True):
        pixels = (expected * 255).round().astype(np.uint8).transpose(1, 2, 0)
        np.testing.assert_array_equal(read(file)[:, :], pixels, err_msg=file.name)


def test_alpha_is_dropped_not_blended(tmp_path):
    Image.new("RGBA", (2, 1), (10, 20, 30, 0)).save(tmp_path / "clear.png")
    assert read(tmp_path / "clear.png")[:, :].tolist() == [[[10, 20, 30]] * 2]


def test_the_upper_byte_of_16_bits(tmp_path):
    Image.fromarray(np.array([[0x0180, 0xFF00]], np.uint16)).save(tmp_path / "deep.png")
    assert read(tmp_path / "deep.png")[:, :].tolist() == [[[1, 1, 1], [255, 255, 255]]]


def test_an_orientation_is_followed(tmp_path):
    Image.new("RGB", (4, 2)).save(tmp_path / "lying.jpg", **turned(6))
    assert read(tmp_path / "lying.jpg").shape == (4, 2, 3)


def test_a_grey_network(tmp_path):
    photo().save(tmp_path / "photo.png")
    assert read(tmp_path / "photo.png", channels=1).shape == (40, 61, 1)
    assert read(np.zeros((4, 6), np.uint8), channels=1).shape == (4, 6, 1)


def test_paths_images_and_arrays_are_the_same(tmp_path):
    image = photo()
    image.save(tmp_path / "photo.png")
    pixels = np.asarray(image)
    for picture in (tmp_path / "photo.png", str(tmp_path / "photo.png"), image, pixels):
        np.testing.assert_array_equal(read(picture)[:, :], pixels)


def test_arrays_of_opencv(tmp_path):
    blue = np.array([[[255, 0, 0]]], np.uint8)
    assert read(blue, bgr=True).tolist() == [[[0, 0, 255]]]
    assert read(blue[:, :, 0], bgr=True).tolist() == [[[255, 255, 255]]]
    Image.fromarray(blue).save(tmp_path / "red.png")
    for other in (tmp_path / "red.png", Image.fromarray(blue)):  # are not in that order
        assert read(other, bgr=True)[:, :].tolist() == [[[255, 0, 0]]]


def test_a_grey_array():
    grey = np.array([[1, 2]], np.uint8)
    assert read(grey).tolist() == [[[1, 1, 1], [2, 2, 2]]]


@pytest.mark.parametrize(
    "array",
    [
        np.zeros((4, 4, 3), np.float32),
        np.zeros((4, 4, 4), np.uint8),
        np.zeros((3, 4, 4), np.uint8),
        np.zeros((0, 4, 3), np.uint8),
        np.zeros(4, np.uint8),
    ],
    ids=lambda array: f"{array.dtype}{array.shape}",
)
def test_arrays_that_are_no_pictures(array):
    with pytest.raises(UsageError, match="is no picture"):
        read(array)


def test_other_things_are_no_pictures():
    with pytest.raises(UsageError, match="a dict is no path"):
        read({})
    with pytest.raises(UsageError, match="takes 4 channels"):
        read(np.zeros((4, 4, 4), np.uint8), channels=4)


def encoded(kind):
    file = io.BytesIO()
    photo().save(file, kind)
    return file.getvalue()


BROKEN = {
    "empty.jpg": b"",
    "text.jpg": b"no picture",
    **{f"half.{kind}": encoded(kind)[: len(encoded(kind)) // 2] for kind in ("jpeg", "png", "bmp")},
    **{f"head.{kind}": encoded(kind)[:12] for kind in ("jpeg", "png", "gif", "tiff", "webp")},
    "flipped.png": encoded("png")[:60] + b"\0\0\0\0" + encoded("png")[64:],
}


@pytest.mark.parametrize("name", BROKEN)
def test_broken_files(tmp_path, name):
    (tmp_path / name).write_bytes(BROKEN[name])
    with pytest.raises(ImageError) as caught:
        read(tmp_path / name)
    assert str(caught.value).startswith(str(tmp_path / name))
    assert "\n" not in str(caught.value)


def test_a_video(tmp_path):
    (tmp_path / "clip.MP4").write_bytes(b"\0\0\0\x20ftypisom")
    with pytest.raises(ImageError, match=r"clip.MP4: is a video \(read its frames with cv2"):
        read(tmp_path / "clip.MP4")


def test_missing_files_and_folders(tmp_path):
    with pytest.raises(ImageError, match="No such file"):
        read(tmp_path / "none.png")
    with pytest.raises(ImageError, match="is a directory"):
        read(tmp_path)
    os.mkfifo(tmp_path / "fifo.png")
    with pytest.raises(ImageError, match="is not a regular file"):
        read(tmp_path / "fifo.png")


def test_a_broken_pil_image(tmp_path):
    whole = io.BytesIO()
    Image.effect_noise((64, 64), 50).save(whole, "PNG")
    with (
        Image.open(io.BytesIO(whole.getvalue()[:1000])) as image,
        pytest.raises(ImageError, match="cannot be read"),
    ):
        read(image)


def test_a_decompression_bomb(tmp_path):
    """14,000 x 14,000 pixels in 25 kB: above Pillow's limit of twice 89,478,485."""
    Image.new("1", (14_000, 14_000)).save(tmp_path / "bomb.png")
    with pytest.raises(ImageError, match="too many pixels"):
        read(tmp_path / "bomb.png")


def test_an_image_without_pixels():
    with pytest.raises(ImageError, match="has no pixels"):
        read(Image.new("RGB", (0, 4)))


def test_transparency_is_dropped_without_a_warning():
    """Pillow warns of it; warnings are errors in these tests."""
    image = photo().convert("P")
    image.info["transparency"] = bytes(range(256))
    expected = np.asarray(photo().convert("P").convert("RGB"))
    np.testing.assert_array_equal(read(image)[:, :], expected)
    assert "transparency" in image.info


def test_32_bit_pixels(tmp_path):
    Image.fromarray(np.zeros((4, 4), np.float32)).save(tmp_path / "floats.tif")
    with pytest.raises(ImageError, match=r"another kind than 8 or 16 bits \(Pillow's mode F\)"):
        read(tmp_path / "floats.tif")


def test_without_pillow(tmp_path, monkeypatch):
    monkeypatch.setattr("yolov3.detection.image.find_spec", lambda name: None)
    with pytest.raises(ExtraError, match=r"needs Pillow \(pip install torch pillow\)"):
        read(tmp_path / "photo.png")
    assert read(np.zeros((4, 4, 3), np.uint8)).shape == (4, 4, 3)
