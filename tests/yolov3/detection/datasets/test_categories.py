"""Categories of a format, as classes of the network."""

import pytest
from coco_files import coco, two_objects

from converter.errors import DatasetError
from yolov3.detection.datasets import read_dataset

NAMES = ["circle", "square", "triangle"]


def test_categories_are_found_by_name(tmp_path):
    (sample,) = read_dataset(coco(tmp_path), 3, NAMES).samples
    assert sample.path == tmp_path / "a.png"
    assert not sample.relative
    assert [(t.label, t.box, t.crowd) for t in sample.truths] == [
        (1, (10, 5, 20, 30), False),
        (0, (0, 0, 9, 9), True),
    ]


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
    with pytest.raises(
        DatasetError,
        match=r"no class of the network: 'round' \(.* with names=, .* with by_order=True\)",
    ):
        read_dataset(two_objects(tmp_path, "square", "round"), 2, ["circle", "square"])


def test_categories_in_the_order_of_their_ids(tmp_path, caplog):
    with caplog.at_level("INFO", "yolov3"):
        dataset = read_dataset(coco(tmp_path), 2, ["round", "square"], by_order=True)
    assert [truth.label for truth in dataset.samples[0].truths] == [1, 0]
    assert dataset.categories.as_dict() == {"renamed": {}, "by_order": True}
    assert "in the order of their ids" in caplog.text


def test_ids_that_have_no_order(tmp_path):
    categories = [{"id": 9, "name": "square"}, {"id": "5", "name": "circle"}]
    annotations = [{"image_id": 42, "category_id": "5", "bbox": [1, 2, 3, 4]}]
    folder = coco(tmp_path, categories=categories, annotations=annotations)
    with pytest.raises(DatasetError, match=r"have no order \(leave out by_order=True, .* names=\)"):
        read_dataset(folder, 2, ["circle", "square"], by_order=True)
    (sample,) = read_dataset(folder, 2, ["circle", "square"]).samples
    assert [truth.label for truth in sample.truths] == [0]


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


def numbered(folder, *names):
    """A .data file with a picture of one object, of class 1; ``names`` are its classes'."""
    (folder / "a.png").write_text("")
    (folder / "a.txt").write_text("1 0.5 0.5 0.2 0.4")
    (folder / "valid.txt").write_text("a.png")
    (folder / "obj.names").write_text("\n".join(names))
    (folder / "obj.data").write_text("valid = valid.txt\nnames = obj.names\n")
    return folder / "obj.data"


def test_numbers_with_names_are_found_by_name(tmp_path):
    """Class 1 of the labels is a circle, which is the network's class 0."""
    dataset = read_dataset(numbered(tmp_path, "square", "circle"), 3, NAMES)
    assert [truth.label for truth in dataset.samples[0].truths] == [0]
    assert dataset.names is None
    with pytest.raises(DatasetError, match=r"obj.data: .*no class of the network: 'round' "):
        read_dataset(numbered(tmp_path, "square", "round"), 2, ["circle", "square"])


def test_a_network_without_names_takes_the_numbers_and_their_names(tmp_path):
    path = numbered(tmp_path, "square", "circle")
    for names in (None, ("0", "1")):  # as Detector.names has it
        dataset = read_dataset(path, 2, names)
        assert [truth.label for truth in dataset.samples[0].truths] == [1]
        assert dataset.names == ("square", "circle")
    with pytest.raises(DatasetError, match=r"has 2 categories, .* 3 classes \(it is for another"):
        read_dataset(path, 3, None)
