"""Label files in YOLO's format."""

from pathlib import Path

import pytest

from converter.errors import DatasetError
from yolov3.detection.datasets import read_dataset
from yolov3.detection.datasets.labels import label_file


@pytest.mark.parametrize("folder", ["images/set/labels/val", "labels/set/images/val"])
def test_one_of_several_folders_of_that_name(tmp_path, folder):
    for name in ("images/set/images/val", folder):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "images/set/images/val/a.png").write_text("")
    (tmp_path / folder / "a.txt").write_text("1 0.5 0.5 0.2 0.4")
    (sample,) = read_dataset(tmp_path / "images/set/images/val", 3, None).samples
    assert [truth.label for truth in sample.truths] == [1]


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("0 0.5 0.5 0.2", "line 2: is not 'class x y width height'"),
        ("0 0.5 0.5 0.2 0.2 0.9", "line 2: is not"),
        ("circle 0.5 0.5 0.2 0.2", "line 2: is not"),
        ("0 0.5 0.5 nan 0.2", "line 2: is not"),
        ("0 0.5 0.5 0.2 -0.2", "line 2: is not"),
        ("\u0660 0.5 0.5 0.2 0.2", "line 2: is not"),  # an Arabic zero
        ("0 0.5 0.5 0.\u0662 0.2", "line 2: is not"),
        ("1_0 0.5 0.5 0.2 0.2", "line 2: is not"),
        ("0 0.5 0.5 1e300 1e300", "line 2: is not"),
        ("3 0.5 0.5 0.2 0.2", "line 2: class 3 is outside the network's 3"),
        ("-1 0.5 0.5 0.2 0.2", "line 2: class -1 is outside"),
    ],
)
def test_labels_that_make_no_sense(tmp_path, line, problem):
    (tmp_path / "a.png").write_text("")
    (tmp_path / "a.txt").write_text(f"0 0.5 0.5 0.2 0.2\n{line}\n")
    with pytest.raises(DatasetError, match=problem):
        read_dataset(tmp_path, 3, None)


def test_labels_in_pixels_and_pictures_without_any_are_named(tmp_path, caplog):
    caplog.set_level("INFO", "yolov3")
    for name, label in (("a", "0 0.5 0.5 0.2 0.2"), ("b", "1 50 50 10 10"), ("c", None)):
        (tmp_path / f"{name}.png").write_text("")
        if label:
            (tmp_path / f"{name}.txt").write_text(label)
    assert len(read_dataset(tmp_path, 3, None).samples) == 3
    assert caplog.messages == [
        f"1 of 3 pictures have no file of labels, as {tmp_path}/c.png: they count as pictures of"
        " nothing",
        "labels of 1 of 3 pictures have a centre outside the picture, as those of"
        f" {tmp_path}/b.png: they are in parts of it, not in pixels",
    ]


def test_labels_that_touch_the_edges_are_not_named(tmp_path, caplog):
    caplog.set_level("INFO", "yolov3")
    (tmp_path / "a.png").write_text("")
    (tmp_path / "a.txt").write_text("0 0 1 0.2 0.2\n0 1 0 0.3 0.3\n")
    read_dataset(tmp_path, 3, None)
    assert caplog.messages == []


def test_a_folder_where_labels_should_be_is_no_picture_of_nothing(tmp_path):
    for name in ("a.png", "b.png", "b.txt"):
        (tmp_path / name).write_text("")
    (tmp_path / "a.txt").mkdir()
    with pytest.raises(DatasetError, match=r"a\.txt: is a directory"):
        read_dataset(tmp_path, 3, None)


def test_labels_of_more_than_a_megabyte(tmp_path):
    """300,000 lines, or a sparse file of 20 GB: neither is read."""
    (tmp_path / "a.png").write_text("")
    with open(tmp_path / "a.txt", "wb") as file:
        file.truncate(20 << 30)
    with pytest.raises(DatasetError, match="is larger than 1,048,576 bytes"):
        read_dataset(tmp_path, 3, None)
    (tmp_path / "a.txt").write_text("0 0.5 0.5 0.2 0.2\n" * 300_000)
    with pytest.raises(DatasetError, match="is larger than 1,048,576 bytes"):
        read_dataset(tmp_path, 3, None)


@pytest.mark.parametrize(
    ("picture", "labels"),
    [
        ("VOC2007/JPEGImages/a.jpg", "VOC2007/labels/a.txt"),  # AB utils.c:279, pj data.c:451
        ("coco/images/val2014/a.jpg", "coco/labels/val2014/a.txt"),  # AB utils.c:286
        ("my_images/a.jpg", "my_labels/a.txt"),  # pj data.c:450, in a folder's name
        ("raw/a.jpeg", "labels/a.txt"),  # pj data.c:453
        ("images/a.b.png", "images/a.b.txt"),  # AB utils.c:301: beside
    ],
)
def test_darknets_rules_for_the_path_of_a_label_file(tmp_path, monkeypatch, picture, labels):
    monkeypatch.chdir(tmp_path)  # whose name may hold any word
    for name in (picture, labels):
        path = Path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("")
    assert label_file(Path(picture)) == Path(labels)
    Path(labels).unlink()
    assert label_file(Path(picture)) is None
