"""What detect() answers, in the forms of others."""

import base64
import io
import json
import pickle
import re
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from converter import ExtraError, UsageError
from converter.errors import ImageError
from yolov3 import Classes, Detections, detect, load
from yolov3.drawing.colours import colour

PICTURES = Path(__file__).parents[2] / "data/shapes/images"

FOUND = Detections(
    boxes=np.float32([[10, 20, 14, 50], [-1, 0, 3, 2.5]]),
    scores=np.float32([0.75, 0.5]),
    labels=np.int64([2, 0]),
    names=("triangle", "circle"),
)


def test_coco_has_corner_and_size():
    entries = FOUND.to_coco(7)
    assert entries == [
        {"image_id": 7, "category_id": 2, "bbox": [10, 20, 4, 30], "score": 0.75},
        {"image_id": 7, "category_id": 0, "bbox": [-1, 0, 4, 2.5], "score": 0.5},
    ]
    json.dumps(entries)  # numbers of Python, not of NumPy


def test_coco_has_ids_of_its_own_for_classes():
    assert [e["category_id"] for e in FOUND.to_coco(7, [10, 20, 30])] == [30, 10]


def test_supervision_gets_corners_and_names(monkeypatch):
    """The fields of supervision.Detections (0.31.2)."""
    made = SimpleNamespace(Detections=lambda **fields: SimpleNamespace(**fields))
    monkeypatch.setitem(sys.modules, "supervision", made)
    theirs = FOUND.to_supervision()
    np.testing.assert_array_equal(theirs.xyxy, [[10, 20, 14, 50], [-1, 0, 3, 2.5]])
    np.testing.assert_array_equal(theirs.confidence, np.float32([0.75, 0.5]))
    np.testing.assert_array_equal(theirs.class_id, [2, 0])
    assert theirs.data["class_name"].tolist() == ["triangle", "circle"]


def test_without_supervision_one_line_says_so(monkeypatch):
    monkeypatch.setitem(sys.modules, "supervision", None)
    with pytest.raises(ExtraError, match="supervision is not installed"):
        FOUND.to_supervision()


def picture(height=60, width=40):
    """Every pixel has a colour of its own."""
    y, x = np.mgrid[:height, :width]
    return np.stack([y, x, y + x], 2).astype(np.uint8)


def test_it_is_a_sequence_of_records():
    assert len(FOUND) == 2
    assert [each.name for each in FOUND] == ["triangle", "circle"]
    assert FOUND[0] == ("triangle", 0.75, (10, 20, 14, 50), 2)
    assert FOUND[-1].box == (-1, 0, 3, 2.5)
    assert FOUND[np.int64(1)].label == 0
    json.dumps(list(FOUND))  # numbers of Python, not of NumPy
    with pytest.raises(IndexError):
        FOUND[2]


@pytest.mark.parametrize(
    ("at", "names"),
    [
        (slice(1, None), ["circle"]),
        (slice(None, None, -1), ["circle", "triangle"]),
        ([1, 0, 1], ["circle", "triangle", "circle"]),
        ([True, False], ["triangle"]),
        (FOUND.scores < 0.6, ["circle"]),
        (FOUND.labels == 7, []),
        ([], []),
        (np.array([], np.int64), []),
    ],
    ids=str,
)
def test_a_part_of_them(at, names):
    part = FOUND[at]
    assert [each.name for each in part] == list(part.names) == names
    assert part.boxes.shape == (len(names), 4)
    assert part.boxes.dtype == part.scores.dtype == np.float32
    for each in part:
        assert each in list(FOUND)


def test_a_mask_for_others_is_refused():
    with pytest.raises(IndexError, match="boolean"):
        FOUND[np.array([True, False, True])]


def test_a_part_is_of_the_same_picture():
    found = replace(FOUND, size=(40, 60), picture="a.png")
    assert (found[:1].size, found[:1].picture) == ((40, 60), "a.png")


def test_clip_keeps_what_is_on_the_picture():
    boxes = np.float32([[-5, 10, 45, 70], [41, 1, 50, 9], [3, 4, 5, 6], [3, -9, 5, 0]])
    four = replace(FOUND[[0, 1, 0, 1]], boxes=boxes)
    clipped = four.clip(40, 60)
    # those beside and above it are gone
    np.testing.assert_array_equal(clipped.boxes, [[0, 10, 40, 60], [3, 4, 5, 6]])
    assert clipped.names == ("triangle", "triangle")
    assert clipped.size == (40, 60)
    assert clipped.boxes.dtype == np.float32
    known = replace(four, size=(40, 60)).clip()
    np.testing.assert_array_equal(known.boxes, clipped.boxes)


@pytest.mark.parametrize("given", [(), (40,), (None, 60)])
def test_clip_needs_a_size(given):
    with pytest.raises(UsageError, match=r"clip\(width, height\)"):
        FOUND.clip(*given)


def test_crop_is_what_is_in_the_box():
    pixels = picture()
    first, second = FOUND.crop(pixels)
    np.testing.assert_array_equal(np.asarray(first), pixels[20:50, 10:14])
    np.testing.assert_array_equal(np.asarray(second), pixels[0:3, 0:3])  # -1, 0, 3, 2.5


@pytest.mark.parametrize("box", [(50, 1, 60, 9), (1, -9, 9, 0), (float("nan"), 1, 9, 9)])
def test_crop_of_a_box_beside_the_picture_says_which(box):
    beside = replace(FOUND, boxes=np.float32([[1, 2, 3, 4], box]))
    with pytest.raises(UsageError, match="detection 1 has nothing on the picture of 40x60"):
        beside.crop(picture())
    assert len(beside.clip(40, 60).crop(picture())) == 1


@pytest.mark.parametrize("kind", ["array", "image", "path", "grey", "one channel"])
def test_draw_leaves_the_picture_alone(tmp_path, kind):
    pixels = picture()
    given = pixels if kind == "array" else Image.fromarray(pixels)
    if kind == "path":
        given.save(tmp_path / "a.png")
        given = tmp_path / "a.png"
    elif kind == "grey":
        given = pixels[:, :, 0]
    elif kind == "one channel":
        given = pixels[:, :, :1]
    drawn = FOUND.draw(given)
    assert drawn.size == (40, 60)
    assert (np.asarray(drawn) == colour(2)).all(2).sum() > 20
    if kind == "image":
        np.testing.assert_array_equal(np.asarray(given), picture())
    np.testing.assert_array_equal(pixels, picture())


def test_draw_without_a_picture():
    for what in (FOUND.draw, FOUND.crop):
        with pytest.raises(UsageError, match="no picture is known"):
            what()


def test_dict_is_json():
    row = replace(FOUND, size=(40, 60)).to_dict()
    assert json.loads(json.dumps(row)) == row
    assert (row["width"], row["height"]) == (40, 60)
    assert row["detections"][0] == {
        "class": 2, "label": "triangle", "score": 0.75, "box": [10, 20, 14, 50],
    }  # fmt: skip


def test_the_text_of_it_is_short():
    assert repr(FOUND) == "Detections(2: triangle 75%, circle 50%)"
    assert repr(FOUND[:0]) == "Detections(nothing)"
    many = FOUND[[0] * 1000]
    assert repr(many).endswith("triangle 75%, and 995 more)")
    assert len(repr(many)) < 120
    likely = Classes(scores=FOUND.scores, labels=FOUND.labels, names=FOUND.names)
    assert repr(likely) == "Classes(2: triangle 75%, circle 50%)"
    assert "<td>triangle</td><td>75.0%</td>" in likely._repr_html_()


def test_a_notebook_shows_the_picture_and_a_table(tmp_path):
    Image.new("RGB", (2000, 1000)).save(tmp_path / "a.png")
    found = replace(FOUND, picture=tmp_path / "a.png", names=("<b>", "circle"))
    html = found._repr_html_()
    assert "<td>&lt;b&gt;</td><td>75.0%</td><td>10, 20, 14, 50</td>" in html
    (data,) = re.findall(r'src="data:image/jpeg;base64,([^"]*)"', html)
    shown = Image.open(io.BytesIO(base64.b64decode(data)))
    assert shown.size == (640, 320)


def test_a_notebook_without_the_picture_shows_the_table(tmp_path):
    for gone in (None, tmp_path / "gone.png"):
        html = replace(FOUND[[0] * 30], picture=gone)._repr_html_()
        assert "<img" not in html
        assert html.count("<td>triangle</td>") == 20
        assert "and 10 more" in html
    with pytest.raises(ImageError, match=r"gone\.png: cannot be read"):
        replace(FOUND, picture=tmp_path / "gone.png").draw()


def test_what_was_detected_knows_its_picture(sample):
    model, path = load(sample.weights), PICTURES / "0003.png"
    pixels = np.array(Image.open(path).convert("RGB"))
    of_file, of_image, of_array = detect(model, [path, Image.open(path), pixels])
    (of_bgr,) = detect(model, [pixels[:, :, ::-1].copy()], bgr=True)
    for found in (of_file, of_image, of_array, of_bgr):
        assert found.size == (pixels.shape[1], pixels.shape[0])
        np.testing.assert_array_equal(np.asarray(found.draw()), np.asarray(of_file.draw()))
        for part, each in zip(found.clip().crop(), found.clip(), strict=True):
            assert part.width == np.ceil(each.box[2]) - np.floor(each.box[0])
    assert of_file.picture == path
    assert of_array.picture is pixels
    assert pickle.loads(pickle.dumps(of_file)).names == of_file.names
