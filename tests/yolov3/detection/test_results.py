"""The copies that are drawn on, the labels beside them, and what none of them replaces."""

import dataclasses
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from converter import OutputError, UsageError
from yolov3 import Detections
from yolov3.detection.results import row, targets, write

PIXELS = np.zeros((50, 100, 3), np.uint8)  # 100 wide, 50 high


def found(*boxes):
    return Detections(
        boxes=np.array(boxes, np.float32).reshape(-1, 4),
        scores=np.full(len(boxes), 0.5, np.float32),
        labels=np.arange(len(boxes)),
        names=tuple("abcdef"[: len(boxes)]),
    )


def test_each_copy_has_a_name_of_its_own():
    names = ["a/x.png", "b/x.jpg", "c/x.JPEG", "d/y.bmp", "e/x-2.png"]
    assert targets(dict.fromkeys(names, ""), Path("out")) == {
        "a/x.png": Path("out/x.png"),
        "b/x.jpg": Path("out/x-2.jpg"),
        "c/x.JPEG": Path("out/x-3.JPEG"),
        "d/y.bmp": Path("out/y.png"),  # lossless, as it was
        "e/x-2.png": Path("out/x-2-2.png"),
    }


def test_neither_picture_nor_labels_nor_another_input_are_replaced(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("x.png", "y.txt", "z.png"):
        Path(name).write_text("")
    os.link("z.png", "linked.png")
    for picture, inputs in (
        ("x.png", ()),  # the picture itself
        ("../pictures/y.png", ("y.txt",)),  # its labels would be
        ("../pictures/z.png", ("linked.png",)),  # under whatever name
    ):
        with pytest.raises(UsageError, match="would replace what was given"):
            targets({picture: ""}, Path(), *inputs)
    assert targets({"x.png": ""}, Path("out"))


def test_boxes_are_written_in_parts_of_the_picture(tmp_path):
    # Of 100 x 50: 10..30 is 0.1..0.3, 5..45 is 0.1..0.9. The second sticks out to the left and the
    # top, and what is on the picture are 0..0.1 and 0..0.2. The third is outside.
    boxes = found((10, 5, 30, 45), (-50, -5, 10, 10), (100, 0, 120, 50))
    write(tmp_path / "x.png", PIXELS, boxes, labels=True, force=False)
    assert (tmp_path / "x.txt").read_text() == (
        "0 0.200000 0.500000 0.200000 0.800000\n1 0.050000 0.100000 0.100000 0.200000\n"
    )


@pytest.mark.parametrize("name", ["x.png", "x.jpg"])
def test_own_copies_are_replaced_and_others_only_by_force(tmp_path, name):
    target = tmp_path / name
    write(target, PIXELS, found(), labels=False, force=False)
    write(target, PIXELS, found((10, 5, 30, 45)), labels=False, force=False)
    assert np.asarray(Image.open(target)).any()  # the second one's box
    Image.fromarray(PIXELS).save(target)
    before = target.read_bytes()
    with pytest.raises(OutputError, match="was not drawn by this program"):
        write(target, PIXELS, found(), labels=False, force=False)
    assert target.read_bytes() == before
    write(target, PIXELS, found(), labels=False, force=True)
    assert target.read_bytes() != before


def test_labels_of_others_are_not_replaced(tmp_path):
    (tmp_path / "x.txt").write_text("by hand\n")
    with pytest.raises(OutputError, match=r"x\.txt"):
        write(tmp_path / "x.png", PIXELS, found((10, 5, 30, 45)), labels=True, force=False)
    assert (tmp_path / "x.txt").read_text() == "by hand\n"
    assert not (tmp_path / "x.png").exists()


def test_a_copy_can_go_to_a_subfolder():
    found = {"a/1/x.png": "1", "a/2/x.png": "2", "b/1/x.png": "1"}
    assert targets(found, Path("out")) == {
        "a/1/x.png": Path("out/1/x.png"),
        "a/2/x.png": Path("out/2/x.png"),
        "b/1/x.png": Path("out/1/x-2.png"),
    }


def test_what_is_not_shown_is_labelled_all_the_same(tmp_path):
    """AlexeyAB's detector.c:1740 writes labels of all classes, whatever their names."""
    boxes = found((10, 5, 30, 45), (50, 5, 70, 45))
    hidden = dataclasses.replace(boxes, names=("dont_show", "dont_show_b"))
    write(tmp_path / "x.png", PIXELS, hidden, labels=True, force=False)
    assert not np.asarray(Image.open(tmp_path / "x.png")).any()
    assert row("x.png", PIXELS, hidden)["detections"] == []
    assert [line[0] for line in (tmp_path / "x.txt").read_text().splitlines()] == ["0", "1"]
    half = dataclasses.replace(boxes, names=("dont_show", "shown, dont_show"))
    assert [each["class"] for each in row("x.png", PIXELS, half)["detections"]] == [1]


def test_a_row_of_json_has_corners_in_pixels():
    assert row("x.png", PIXELS, found((-1, 2, 3.5, 4))) == {
        "path": "x.png",
        "width": 100,
        "height": 50,
        "detections": [{"class": 0, "label": "a", "score": 0.5, "box": [-1, 2, 3.5, 4]}],
    }
