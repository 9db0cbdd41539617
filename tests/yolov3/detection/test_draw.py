"""Pictures with boxes on them."""

import numpy as np
import pytest
from PIL import Image, ImageCms

from yolov3 import Detections
from yolov3.detection.draw import colour, draw
from yolov3.detection.image import read


def found(*rows):
    """Detections of (left, top, right, bottom, label)."""
    values = np.array([row[:4] for row in rows], np.float32).reshape(-1, 4)
    labels = [row[4] for row in rows]
    return Detections(
        boxes=values,
        scores=np.full(len(rows), 0.5, np.float32),
        labels=np.array(labels, np.int64),
        names=tuple(f"class {label}" for label in labels),
    )


def black(height=200, width=300):
    return np.zeros((height, width, 3), np.uint8)


def test_a_box_has_the_colour_of_its_class():
    drawn = np.asarray(draw(black(), found((50, 80, 250, 180, 3))))
    assert drawn.shape == (200, 300, 3)
    for y, x in ((80, 150), (180, 150), (120, 50), (120, 250)):  # all four sides
        assert tuple(drawn[y, x]) == colour(3)
    assert not drawn[120, 150].any()  # nothing inside
    assert not drawn[190:].any()  # nothing below
    # its label stands above it: letters on a ground of that colour
    assert (drawn[66:79, 52:80] == colour(3)).all(2).mean() > 0.3


def test_the_picture_itself_is_left_alone():
    pixels = black()
    draw(pixels, found((50, 80, 250, 180, 0)))
    assert not pixels.any()


@pytest.mark.parametrize("mode", ["RGB", "L", "P", "LAB", "I;16"])
def test_only_pixels_get_into_a_drawn_file(tmp_path, mode):
    """Pillow would save a colour profile and transparency with it."""
    plain = Image.fromarray(np.arange(64, dtype=np.uint8).reshape(8, 8)).convert("RGB")
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    if mode == "I;16":
        image = Image.fromarray(np.arange(64, dtype=np.uint16).reshape(8, 8) << 10)
    elif mode == "LAB":
        image = ImageCms.profileToProfile(
            plain, ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB"), outputMode="LAB"
        )
    else:
        image = plain.convert(mode)
    image.info.clear()
    image.save(tmp_path / "a.tiff", icc_profile=profile)
    drawn = draw(read(tmp_path / "a.tiff"), found())
    assert drawn.mode == "RGB"
    assert drawn.info == {}
    np.testing.assert_array_equal(np.asarray(drawn), read(tmp_path / "a.tiff")[:, :])


def test_nothing_found_nothing_drawn():
    pixels = np.random.default_rng(0).integers(0, 256, (20, 30, 3), dtype=np.uint8)
    np.testing.assert_array_equal(np.asarray(draw(pixels, found())), pixels)


def test_classes_have_colours_of_their_own():
    colours = {colour(label) for label in range(80)}
    assert len(colours) == 80
    for a, b in zip(range(79), range(1, 80), strict=True):
        # neighbours differ by far more than a hue or two
        assert np.abs(np.subtract(colour(a), colour(b))).max() > 100


@pytest.mark.parametrize(
    "box",
    [(-50, -60, 400, 500), (-1e9, 20, 1e9, 40), (250, 150, float("inf"), float("inf"))],
)
def test_boxes_are_clipped(box):
    drawn = np.asarray(draw(black(), found((*box, 1))))
    assert drawn.shape == (200, 300, 3)
    assert (drawn == colour(1)).all(2).any()


@pytest.mark.parametrize("box", [(400, 10, 500, 20), (-90, 10, -10, 20), (float("nan"), 1, 9, 9)])
def test_boxes_beside_the_picture_are_not_drawn(box):
    assert not np.asarray(draw(black(), found((*box, 1)))).any()


@pytest.mark.parametrize("box", [(0, 0, 60, 60), (240, 0, 299, 60), (240, 150, 299, 199)])
def test_labels_stay_on_the_picture(box):
    drawn = np.asarray(draw(black(), found((*box, 2))))
    ground = (drawn == colour(2)).all(2)
    # a whole label is there: as many pixels of its ground as away from the border
    middle = np.asarray(draw(black(), found((100, 80, 160, 140, 2))))
    assert ground.sum() > 0.8 * (middle == colour(2)).all(2).sum()


@pytest.mark.parametrize("size", [(1, 1), (4, 4), (16, 200), (3000, 2000)])
def test_pictures_of_all_sizes(size):
    height, width = size
    drawn = draw(black(*size), found((0, 0, width - 1, height - 1, 0)))
    assert drawn.size == (width, height)


def test_lines_and_letters_grow_with_the_picture():
    share = []
    for scale in (1, 10):
        box = tuple(scale * v for v in (50, 80, 250, 180))
        drawn = np.asarray(draw(black(200 * scale, 300 * scale), found((*box, 0))))
        share.append((drawn == colour(0)).all(2).mean())
    assert share[1] == pytest.approx(share[0], rel=0.5)


def test_one_box_with_two_labels():
    twice = draw(black(), found((50, 80, 250, 180, 0), (50, 80, 250, 180, 1)))
    once = draw(black(), found((50, 80, 250, 180, 0)))
    first, both = (np.asarray(image) for image in (once, twice))
    assert tuple(both[180, 150]) == colour(0)  # the likelier one's
    # the second label stands beside the first, not over it: there is more ground
    ground = [(drawn[60:79] == colour(0)).all(2).sum() for drawn in (first, both)]
    assert ground[1] > 1.5 * ground[0]


def test_grey_pictures():
    drawn = np.asarray(draw(black()[:, :, :1], found((50, 80, 250, 180, 3))))
    assert tuple(drawn[180, 150]) == colour(3)


def test_names_that_the_font_lacks_are_boxes_and_no_error():
    named = found((50, 80, 250, 180, 0))
    foreign = Detections(
        boxes=named.boxes, scores=named.scores, labels=named.labels, names=("велосипед 自転車",)
    )
    assert (np.asarray(draw(black(), foreign)) == colour(0)).all(2).any()
