"""What is taken for a picture, and where its labels are."""

from pathlib import Path

import pytest

from converter.errors import DatasetError
from yolov3.detection.dataset import Categories, labels_of, pictures_in


def test_pictures_are_known_by_their_suffix_in_any_case_and_sorted_by_name(tmp_path):
    for name in ("c.webp", "b.JPG", "a.png", "a.txt", "png", "d.jpg.part"):
        (tmp_path / name).write_text("")
    assert pictures_in(tmp_path) == ["a.png", "b.JPG", "c.webp"]


def test_a_folder_of_a_pictures_name_is_none(tmp_path):
    (tmp_path / "a.png").mkdir()
    (tmp_path / "a.png" / "b.png").write_text("")
    assert pictures_in(tmp_path) == []


def test_a_folder_that_is_none_is_refused(tmp_path):
    (tmp_path / "a.png").write_text("")
    for name, problem in (("none", "No such file or directory"), ("a.png", "Not a directory")):
        with pytest.raises(DatasetError) as caught:
            pictures_in(tmp_path / name)
        assert str(caught.value) == (
            f"{tmp_path / name}: cannot be read: {problem} (check its permissions)"
        )


def test_labels_are_beside_the_picture():
    assert labels_of(Path("a/b.c.JPG")) == Path("a/b.c.txt")


def test_categories_as_a_dictionary_are_how_they_were_taken():
    """The ids are the dataset's own, and of many types: not for JSON."""
    categories = Categories(labels={(1,): 0}, renamed={"sofa": "couch"}, by_order=False)
    assert categories.as_dict() == {"renamed": {"sofa": "couch"}, "by_order": False}
