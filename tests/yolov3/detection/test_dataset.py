"""Labelled pictures: folders in YOLO's format, and COCO's JSON."""

import json
import math

import pytest

from converter.errors import DatasetError
from yolov3.detection.dataset import read_dataset

NAMES = ["circle", "square", "triangle"]


def test_labels_beside_the_pictures(tmp_path):
    for name in ("a.png", "b.JPG", "c.png", "a.txt", "b.txt", "notes.md"):
        (tmp_path / name).write_text("")
    (tmp_path / "a.txt").write_text("2 0.5 0.5 0.2 0.4\n\n0 0.1 0.1 0.2 0.2")
    first, second, third = read_dataset(tmp_path, 3, None).samples
    assert [path.name for path in (first.path, second.path, third.path)] == [
        "a.png", "b.JPG", "c.png",
    ]  # fmt: skip
    assert [truth.label for truth in first.truths] == [2, 0]
    # centre and size become left, top, width, height
    assert first.truths[0].box == pytest.approx((0.4, 0.3, 0.2, 0.4))
    assert first.relative
    assert second.truths == third.truths == ()  # an empty file, and none


def test_labels_in_a_folder_of_their_own(tmp_path):
    for name in ("images", "labels"):
        (tmp_path / name).mkdir()
    (tmp_path / "images" / "a.png").write_text("")
    (tmp_path / "labels" / "a.txt").write_text("1 0.5 0.5 0.2 0.4")
    for folder in (tmp_path, tmp_path / "images"):
        (sample,) = read_dataset(folder, 3, None).samples
        assert [truth.label for truth in sample.truths] == [1]


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


@pytest.mark.parametrize("name", ["/etc/passwd", "../outside.png", "a/../../outside.png"])
def test_a_picture_outside_its_folder(tmp_path, name):
    folder = tmp_path / "set"
    folder.mkdir()
    (tmp_path / "outside.png").write_text("")
    coco = {
        "images": [{"id": 1, "file_name": name}],
        "annotations": [],
        "categories": [],
    }
    (folder / "x.json").write_text(json.dumps(coco))
    with pytest.raises(DatasetError, match="is outside the pictures' folder"):
        read_dataset(folder / "x.json", 0, ())


def test_folders_without_a_dataset(tmp_path):
    with pytest.raises(DatasetError, match="no labels beside its pictures, and 0 JSON files"):
        read_dataset(tmp_path, 3, None)
    (tmp_path / "a.png").write_text("")
    with pytest.raises(DatasetError, match="no labels beside its pictures, and 0 JSON files"):
        read_dataset(tmp_path, 3, None)
    with pytest.raises(DatasetError, match="No such file"):
        read_dataset(tmp_path / "none", 3, None)


def coco(folder, **changes):
    """A COCO file with one picture and two objects, one of them a crowd."""
    content = {
        "images": [{"id": 42, "file_name": "a.png", "width": 100, "height": 50}],
        "categories": [{"id": 9, "name": "square"}, {"id": 5, "name": "circle"}],
        "annotations": [
            {"id": 1, "image_id": 42, "category_id": 9, "bbox": [10, 5, 20, 30], "iscrowd": 0},
            {"id": 2, "image_id": 42, "category_id": 5, "bbox": [0, 0, 9, 9], "iscrowd": 1},
        ],
        **changes,
    }
    (folder / "labels.json").write_text(json.dumps(content))
    (folder / "a.png").write_text("")
    return folder


def test_one_json_file_makes_a_folder_cocos(tmp_path):
    (coco(tmp_path) / "more.json").write_text("{}")
    with pytest.raises(DatasetError, match="and 2 JSON files"):
        read_dataset(tmp_path, 3, NAMES)
    (tmp_path / "a.txt").write_text("2 0.5 0.5 0.1 0.1")
    (sample,) = read_dataset(tmp_path, 3, NAMES).samples
    assert sample.relative


def test_categories_are_found_by_name(tmp_path):
    (sample,) = read_dataset(coco(tmp_path), 3, NAMES).samples
    assert sample.path == tmp_path / "a.png"
    assert not sample.relative
    assert [(t.label, t.box, t.crowd) for t in sample.truths] == [
        (1, (10, 5, 20, 30), False),
        (0, (0, 0, 9, 9), True),
    ]


def two_objects(folder, first, second, **changes):
    """``coco`` with its categories, 9 and 5, called by other names."""
    categories = [{"id": 9, "name": first}, {"id": 5, "name": second}]
    return coco(folder, categories=categories, **changes)


def test_case_and_spaces_of_a_name_play_no_role(tmp_path, caplog):
    folder = two_objects(tmp_path, "Potted  Plant", " dining table")
    with caplog.at_level("INFO", "yolov3"):
        dataset = read_dataset(folder, 2, ["diningTable", "pottedplant"])
    assert [truth.label for truth in dataset.samples[0].truths] == [1, 0]
    assert dataset.categories.as_dict() == {"renamed": {}, "by_order": False}
    assert caplog.text == ""


@pytest.mark.parametrize(
    ("darknets", "cocos"),
    [
        ("aeroplane", "airplane"),
        ("motorbike", "motorcycle"),
        ("sofa", "couch"),
        ("tvmonitor", "tv"),
    ],
)
def test_other_words_for_the_same(tmp_path, caplog, darknets, cocos):
    for category, name in ((darknets, cocos), (cocos, darknets)):
        folder = two_objects(tmp_path, category, "person")
        with caplog.at_level("INFO", "yolov3"):
            # In the order of ids 9 would be the second.
            dataset = read_dataset(folder, 2, [name, "person"])
        assert [truth.label for truth in dataset.samples[0].truths] == [0, 1]
        assert dataset.categories.renamed == {category: name}
        assert f"{category!r} is {name!r}" in caplog.text


def test_a_closer_name_goes_first(tmp_path):
    dataset = read_dataset(two_objects(tmp_path, "TV", "tv"), 2, ["tv", "TV"])
    assert [truth.label for truth in dataset.samples[0].truths] == [1, 0]
    # Both would be "couch"; it is no other's word.
    with pytest.raises(DatasetError, match="no class of the network: 'sofa' "):
        read_dataset(two_objects(tmp_path, "sofa", "couch"), 2, ["couch", "person"])
    # Neither is closer.
    with pytest.raises(DatasetError, match="no class of the network: 'Cat' "):
        read_dataset(two_objects(tmp_path, "Cat", "person"), 3, ["cat", "CAT", "person"])


def test_one_name_that_differs_is_refused(tmp_path):
    """Taken in the order of their ids all would be wrong classes, and the mAP near 0."""
    with pytest.raises(DatasetError, match=r"no class of the network: 'round' \(.*--by-order"):
        read_dataset(two_objects(tmp_path, "square", "round"), 2, ["circle", "square"])


def test_categories_in_the_order_of_their_ids(tmp_path, caplog):
    with caplog.at_level("INFO", "yolov3"):
        dataset = read_dataset(coco(tmp_path), 2, ["round", "square"], by_order=True)
    assert [truth.label for truth in dataset.samples[0].truths] == [1, 0]
    assert dataset.categories.as_dict() == {"renamed": {}, "by_order": True}
    assert "in the order of their ids" in caplog.text


@pytest.mark.parametrize(("count", "end"), [(5, "'e'"), (7, "'e' and 2 more")])
def test_five_of_the_categories_that_are_no_class_are_listed(tmp_path, count, end):
    letters = "abcdefg"[:count]
    changes = {
        "categories": [{"id": i, "name": letter} for i, letter in enumerate(letters)],
        "annotations": [
            {"image_id": 42, "category_id": i, "bbox": [1, 2, 3, 4]} for i in range(count)
        ],
    }
    with pytest.raises(DatasetError, match=rf"network: 'a', 'b', 'c', 'd', {end} \("):
        read_dataset(coco(tmp_path, **changes), 3, NAMES)


def test_a_category_that_no_object_has_is_left_out(tmp_path):
    """Some tools write a category above all others, "shapes" here."""
    categories = [{"id": i, "name": n} for i, n in ((0, "shapes"), (5, "circle"), (9, "square"))]
    (sample,) = read_dataset(coco(tmp_path, categories=categories), 3, NAMES).samples
    assert [truth.label for truth in sample.truths] == [1, 0]


def test_other_categories_than_classes(tmp_path):
    with pytest.raises(DatasetError, match="no class of the network: 'square', 'circle'"):
        read_dataset(coco(tmp_path), 80, None)
    with pytest.raises(DatasetError, match="2 categories, the network has 80 classes"):
        read_dataset(coco(tmp_path), 80, None, by_order=True)


def test_pictures_elsewhere(tmp_path):
    coco(tmp_path)
    (tmp_path / "photos").mkdir()
    (tmp_path / "a.png").rename(tmp_path / "photos" / "a.png")
    with pytest.raises(DatasetError, match=r"a.png is not there.*--images"):
        read_dataset(tmp_path, 3, NAMES)
    (sample,) = read_dataset(tmp_path / "labels.json", 3, NAMES, tmp_path / "photos").samples
    assert sample.path == tmp_path / "photos" / "a.png"


@pytest.mark.parametrize(
    "changes",
    [
        {"images": None},
        {"images": [{"id": 42}]},
        {"annotations": [{"image_id": 1, "category_id": 9, "bbox": [1, 2, 3, 4]}]},
        {"annotations": [{"image_id": 42, "category_id": 1, "bbox": [1, 2, 3, 4]}]},
        {"annotations": [{"image_id": 42, "category_id": 9, "bbox": [1, 2, 3]}]},
        {"annotations": [{"image_id": 42, "category_id": 9, "bbox": [1, math.nan, 3, 4]}]},
        {"annotations": [{"image_id": 42, "category_id": 9, "bbox": [1, 2, math.inf, 4]}]},
        {"annotations": [{"image_id": 42, "category_id": 9, "bbox": [1, 2, 3, -4]}]},
        {"images": [{"id": 42, "file_name": "a.png"}] * 2},
        {"images": [], "annotations": []},
        {"categories": [5]},
    ],
)
def test_damaged_coco_files(tmp_path, changes):
    coco(tmp_path, **changes)
    with pytest.raises(DatasetError, match=r"labels.json: is not COCO's annotation format"):
        read_dataset(tmp_path, 3, NAMES)


@pytest.mark.parametrize("text", [b"", b"{", b"[]", b"\xff\xfe", b"[" * 100_000])
def test_files_that_are_no_json(tmp_path, text):
    (tmp_path / "labels.json").write_bytes(text)
    with pytest.raises(DatasetError):
        read_dataset(tmp_path / "labels.json", 3, NAMES)
