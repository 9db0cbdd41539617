"""Pictures with boxes on them."""

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image, ImageCms

from yolov3 import Detections
from yolov3.detection.draw import draw
from yolov3.detection.image import read
from yolov3.drawing.colours import colour


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
    # Letters do not shrink below 10 pixels: the small picture's are 10 instead of 245 / 40. Lines
    # that did not grow would have a tenth of the share, letters a hundredth.
    assert share[1] == pytest.approx(share[0], rel=0.5)


def test_one_box_with_two_labels():
    twice = draw(black(), found((50, 80, 250, 180, 0), (50, 80, 250, 180, 1)))
    once = draw(black(), found((50, 80, 250, 180, 0)))
    first, both = (np.asarray(image) for image in (once, twice))
    assert tuple(both[180, 150]) == colour(0)  # the likelier one's
    # the second label stands beside the first, not over it: there is more ground
    ground = [(drawn[60:79] == colour(0)).all(2).sum() for drawn in (first, both)]
    assert ground[1] > 1.5 * ground[0]


def test_labels_do_not_cover_each_other():
    """Each label has ground of its class's colour and one size: their areas add up."""
    rows = [(50, 80, 250, 180, 2), (56, 86, 244, 174, 3), (62, 92, 238, 168, 5)]
    drawn = np.asarray(draw(black(), found(*rows)))
    for row in rows:
        alone = np.asarray(draw(black(), found(row)))
        ground = [(picture == colour(row[4])).all(2) for picture in (drawn, alone)]
        # of a box alone about half is its label; a line may lie under another box's label
        assert ground[0].sum() > 0.7 * ground[1].sum()


def test_every_label_of_a_crowded_place_is_whole():
    """All letters are black on this class's ground: nothing lies on them."""
    rows = [(90 + 3 * i, 90 + 2 * i, 150 + 3 * i, 130 + 2 * i, 0) for i in range(6)]
    white = np.full((200, 300, 3), 255, np.uint8)
    ground = [
        (np.asarray(draw(white, found(*rows[:count]))) == colour(0)).all(2).sum()
        for count in range(7)
    ]
    # Lines of boxes cross; each further label brings at least most of the first one's ground.
    label = ground[1] - 2 * (60 + 40)
    assert (np.diff(ground) > 0.7 * label).all()


def test_long_names_are_cut_and_scores_are_not():
    short, long = found((50, 80, 250, 180, 0)), found((50, 80, 250, 180, 0))
    long = replace(long, names=("n" * 500,))
    drawn = [(np.asarray(draw(black(), each)) == colour(0)).all(2) for each in (short, long)]
    row = drawn[1].any(0)
    assert row.sum() > 280  # nearly as wide as the picture, and on it
    assert drawn[1][60:79].sum() > 2 * drawn[0][60:79].sum()


def test_names_with_line_breaks_stay_on_one_line():
    one, two = (replace(found((50, 80, 250, 180, 0)), names=(name,)) for name in ("a b", "a\nb"))
    np.testing.assert_array_equal(*(np.asarray(draw(black(), each)) for each in (one, two)))


@pytest.mark.parametrize("label", range(8))
@pytest.mark.parametrize("ground", [0, 255, "own"])
def test_a_box_is_seen_on_any_ground(label, ground):
    picture = np.empty((200, 300, 3), np.uint8)
    picture[:] = colour(label) if ground == "own" else ground
    drawn = np.asarray(draw(picture.copy(), found((50, 80, 250, 180, label)))).astype(int)
    # Somewhere across its right side is much contrast: half the range of a channel
    assert np.abs(drawn[120, 245:256] - picture[0, 0]).max() > 127


def test_grey_pictures():
    drawn = np.asarray(draw(black()[:, :, :1], found((50, 80, 250, 180, 3))))
    assert tuple(drawn[180, 150]) == colour(3)


def test_names_that_the_font_lacks_are_boxes_and_no_error():
    named = found((50, 80, 250, 180, 0))
    foreign = Detections(
        boxes=named.boxes, scores=named.scores, labels=named.labels, names=("велосипед 自転車",)
    )
    assert (np.asarray(draw(black(), foreign)) == colour(0)).all(2).any()
