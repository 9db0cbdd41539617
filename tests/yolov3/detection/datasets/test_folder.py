"""A folder in YOLO's format."""

import errno
import os

import pytest

from converter.errors import DatasetError
from yolov3.detection.datasets import read_dataset


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


def test_folders_without_a_dataset(tmp_path):
    with pytest.raises(DatasetError, match="no labels beside its pictures, and 0 JSON files"):
        read_dataset(tmp_path, 3, None)
    (tmp_path / "a.png").write_text("")
    with pytest.raises(DatasetError, match="no labels beside its pictures, and 0 JSON files"):
        read_dataset(tmp_path, 3, None)
    with pytest.raises(DatasetError, match="No such file"):
        read_dataset(tmp_path / "none", 3, None)


def test_a_root_with_images_val_and_labels_val(tmp_path):
    for name in ("images/train", "images/val", "labels/train", "labels/val"):
        (tmp_path / name).mkdir(parents=True)
    for name in ("train", "val"):
        (tmp_path / "images" / name / f"{name}.png").write_text("")
    (tmp_path / "labels/train/train.txt").write_text("0 0.5 0.5 0.2 0.4")
    (tmp_path / "labels/val/val.txt").write_text("2 0.5 0.5 0.2 0.4")
    (sample,) = read_dataset(tmp_path, 3, None).samples
    assert sample.path == tmp_path / "images/val/val.png"
    assert [truth.label for truth in sample.truths] == [2]


def test_a_file_that_is_none_of_these(tmp_path):
    (tmp_path / "a.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    with pytest.raises(DatasetError, match=r"a\.png: is in no known format.* \(give a folder"):
        read_dataset(tmp_path / "a.png", 3, None)


def test_a_file_that_cannot_be_read_is_refused_with_the_reason(tmp_path, monkeypatch):
    """It was of no known format: none of its bytes is one's."""

    def refused(path, flags):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), path)

    (tmp_path / "labels").write_text("{}")
    monkeypatch.setattr("converter.files.opening.os.open", refused)
    with pytest.raises(DatasetError) as caught:
        read_dataset(tmp_path / "labels", 3, None)
    assert str(caught.value) == f"{tmp_path}/labels: cannot be read: Permission denied"
