"""Lists of pictures."""

import pytest

from converter.errors import DatasetError
from yolov3.detection.datasets import read_dataset


def pictures(folder, *names):
    """Pictures with labels in ``labels``: of the first class 0, of the second 1, and so on."""
    for label, name in enumerate(names):
        for inside, suffix, text in (
            ("images", "jpg", ""),
            ("labels", "txt", f"{label} 0.5 0.5 0.2 0.4\n"),
        ):
            path = folder / inside / f"{name}.{suffix}"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)


def labels(dataset):
    return [[truth.label for truth in sample.truths] for sample in dataset.samples]


def test_a_list_in_its_own_order(tmp_path):
    pictures(tmp_path, "a", "b")
    absolute = tmp_path / "images/a.jpg"
    (tmp_path / "valid.txt").write_text(f"images/b.jpg\r\n\n  {absolute} \nimages/b.jpg")
    dataset = read_dataset(tmp_path / "valid.txt", 3, None)
    assert [sample.path.name for sample in dataset.samples] == ["b.jpg", "a.jpg", "b.jpg"]
    assert labels(dataset) == [[1], [0], [1]]
    assert dataset.samples[0].relative


@pytest.mark.parametrize("working", [".", "data", "elsewhere"])
def test_paths_are_from_the_working_directory_or_from_the_list(tmp_path, monkeypatch, working):
    """darknet's own folders: it runs above data/, and data/valid.txt has data/images/a.jpg."""
    pictures(tmp_path / "data", "a")
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "data/valid.txt").write_text("data/images/a.jpg\n")
    monkeypatch.chdir(tmp_path / working)
    assert labels(read_dataset(tmp_path / "data/valid.txt", 3, None)) == [[0]]


def test_a_picture_without_labels_has_no_objects_and_a_list_without_any_is_refused(tmp_path):
    pictures(tmp_path, "a", "b")
    (tmp_path / "valid.txt").write_text("images/a.jpg\nimages/b.jpg\n")
    (tmp_path / "labels/a.txt").unlink()
    assert labels(read_dataset(tmp_path / "valid.txt", 3, None)) == [[], [1]]
    (tmp_path / "labels/b.txt").unlink()
    with pytest.raises(DatasetError, match=r"valid.txt: none of its 2 pictures has labels"):
        read_dataset(tmp_path / "valid.txt", 3, None)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (b"images/a.jpg\nimages/none.jpg\n", r"valid.txt: line 2: 'images/none.jpg' is no file"),
        (b"\n\n", "valid.txt: names no pictures"),
        (b"images/a\0.jpg", r"line 1: 'images/a\\x00\.jpg' is no file"),
        (b"\xff\xfe\x00", "valid.txt: line 1, byte 0: is not UTF-8 text"),
    ],
)
def test_lists_that_make_no_sense(tmp_path, text, problem):
    pictures(tmp_path, "a")
    (tmp_path / "valid.txt").write_bytes(text)
    with pytest.raises(DatasetError, match=problem):
        read_dataset(tmp_path / "valid.txt", 3, None)


def test_a_list_of_any_length_is_not_read(tmp_path):
    with open(tmp_path / "valid.txt", "wb") as file:
        file.truncate(20 << 30)
    with pytest.raises(DatasetError, match="is larger than 134,217,728 bytes"):
        read_dataset(tmp_path / "valid.txt", 3, None)
