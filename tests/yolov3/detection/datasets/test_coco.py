"""COCO's annotation files."""

import json
import math

import pytest
from coco_files import coco

from converter.errors import DatasetError
from yolov3.detection.datasets import read_dataset

NAMES = ["circle", "square", "triangle"]


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


def test_one_json_file_makes_a_folder_cocos(tmp_path):
    (coco(tmp_path) / "more.json").write_text("{}")
    with pytest.raises(DatasetError, match="and 2 JSON files"):
        read_dataset(tmp_path, 3, NAMES)
    (tmp_path / "a.txt").write_text("2 0.5 0.5 0.1 0.1")
    (sample,) = read_dataset(tmp_path, 3, NAMES).samples
    assert sample.relative


def test_a_folder_as_cocos_archives_unpack_to_names_the_file_to_give(tmp_path):
    (tmp_path / "val2017").mkdir()
    (tmp_path / "annotations").mkdir()
    file = tmp_path / "annotations/instances_val2017.json"
    file.write_text("{}")
    with pytest.raises(DatasetError, match="annotations") as caught:
        read_dataset(tmp_path, 3, NAMES)
    assert caught.value.remedy == (
        f"give one of them, such as {file}, and its pictures' folder with images="
    )


def test_a_json_file_of_another_name(tmp_path):
    coco(tmp_path)
    (tmp_path / "labels.json").rename(tmp_path / "labels")
    assert len(read_dataset(tmp_path / "labels", 3, NAMES).samples) == 1


def test_pictures_elsewhere(tmp_path):
    coco(tmp_path)
    (tmp_path / "photos").mkdir()
    (tmp_path / "a.png").rename(tmp_path / "photos" / "a.png")
    with pytest.raises(DatasetError, match=r"a.png is not there.* with images=\)"):
        read_dataset(tmp_path, 3, NAMES)
    (sample,) = read_dataset(tmp_path / "labels.json", 3, NAMES, tmp_path / "photos").samples
    assert sample.path == tmp_path / "photos" / "a.png"


def test_a_long_name_is_shortened(tmp_path):
    coco(tmp_path, images=[{"id": 42, "file_name": "n" * 100_000}])
    with pytest.raises(DatasetError, match=r"the picture n{100}\.\.\. is not there"):
        read_dataset(tmp_path, 3, NAMES)


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
        {"annotations": [{"image_id": 42, "category_id": 9, "bbox": [1, 2, 3, 4], "area": -1}]},
        {"annotations": [{"image_id": 42, "category_id": 9, "bbox": [1, 2, 3, 4], "area": "x"}]},
        # a double has 309 digits at most
        {"annotations": [{"image_id": 42, "category_id": 9, "bbox": [10**309, 2, 3, 4]}]},
        {
            "annotations": [
                {"image_id": 42, "category_id": 9, "bbox": [1, 2, 3, 4], "area": 10**309}
            ]
        },
        {"categories": [{"id": 9, "name": 9}, {"id": 5, "name": "circle"}]},
        {"images": [{"id": 42, "file_name": "a.png"}] * 2},
        {"images": [], "annotations": []},
        {"categories": [5]},
    ],
)
def test_damaged_coco_files(tmp_path, changes):
    coco(tmp_path, **changes)
    with pytest.raises(DatasetError, match=r"labels.json: is not COCO's annotation format"):
        read_dataset(tmp_path, 3, NAMES)


@pytest.mark.parametrize(
    ("area", "expected"), [({}, None), ({"area": None}, None), ({"area": 7}, 7)]
)
def test_the_area_of_an_object_is_its_files(tmp_path, area, expected):
    entry = {"image_id": 42, "category_id": 9, "bbox": [1, 2, 3, 4], **area}
    (sample,) = read_dataset(coco(tmp_path, annotations=[entry]), 3, NAMES).samples
    assert [truth.area for truth in sample.truths] == [expected]


@pytest.mark.parametrize("text", [b"", b"{", b"[]", b"\xff\xfe", b"[" * 100_000])
def test_files_that_are_no_json(tmp_path, text):
    (tmp_path / "labels.json").write_bytes(text)
    with pytest.raises(DatasetError, match=r"is not (UTF-8 text|COCO's annotation format)"):
        read_dataset(tmp_path / "labels.json", 3, NAMES)
