"""darknet's .data files."""

import pytest

from converter.errors import CfgError, DatasetError
from yolov3.detection.datasets import read_dataset

NAMES = ["circle", "square", "triangle"]


@pytest.fixture
def data(tmp_path):
    """darknet's own folders, with two pictures."""
    folder = tmp_path / "data"
    (folder / "obj").mkdir(parents=True)
    for label, name in enumerate(("a", "b")):
        (folder / "obj" / f"{name}.jpg").write_text("")
        (folder / "obj" / f"{name}.txt").write_text(f"{label} 0.5 0.5 0.2 0.4\n")
    (folder / "valid.txt").write_text("data/obj/a.jpg\ndata/obj/b.jpg\n")
    (folder / "obj.names").write_text("circle\nsquare\ntriangle\n")
    path = folder / "obj.data"
    path.write_text(
        "classes= 3\ntrain  = data/train.txt\n# a comment\n\nvalid=data/valid.txt\n"
        "names = data/obj.names\nbackup = backup/\n"
    )
    return path


def test_valid_and_names(data):
    dataset = read_dataset(data, 3, NAMES)
    assert [sample.path.name for sample in dataset.samples] == ["a.jpg", "b.jpg"]
    assert [[t.label for t in sample.truths] for sample in dataset.samples] == [[0], [1]]
    assert not dataset.categories.by_order


def test_without_names_labels_are_the_classes(data):
    data.write_text("valid=data/valid.txt\n")
    dataset = read_dataset(data, 3, NAMES)
    assert [[t.label for t in sample.truths] for sample in dataset.samples] == [[0], [1]]
    assert dataset.categories is None
    with pytest.raises(DatasetError, match=r"b\.txt: line 1: class 1 is outside the network's 1"):
        read_dataset(data, 1, ["circle"])


def test_the_first_of_two_lines_counts(data):
    """AB option_list.c:96 goes from the front."""
    data.write_text("valid=data/valid.txt\nvalid=data/none.txt\n")
    assert len(read_dataset(data, 3, NAMES).samples) == 2


def test_difficult_objects_are_in_a_list_of_their_own(data):
    """AlexeyAB's scripts/voc_label_difficult.py writes such files, for pictures that are not."""
    (data.parent / "obj" / "difficult_b.txt").write_text("2 0.5 0.5 0.1 0.1\n")
    (data.parent / "difficult.txt").write_text(
        "data/obj/difficult_a.jpg\ndata/obj/difficult_b.jpg\n"
    )
    data.write_text("valid=data/valid.txt\ndifficult=data/difficult.txt\n")
    first, second = read_dataset(data, 3, NAMES).samples
    assert [(t.label, t.difficult) for t in first.truths] == [(0, False)]
    assert [(t.label, t.difficult) for t in second.truths] == [(1, False), (2, True)]
    (data.parent / "difficult.txt").write_text("data/obj/difficult_a.jpg\n")
    with pytest.raises(DatasetError, match=r"difficult\.txt: has 1 lines, .* pictures 2"):
        read_dataset(data, 3, NAMES)


def test_a_list_of_difficult_objects_that_names_no_files(data):
    (data.parent / "difficult.txt").write_text(".\n/\n")
    data.write_text("valid=data/valid.txt\ndifficult=data/difficult.txt\n")
    truths = [truth for sample in read_dataset(data, 3, NAMES).samples for truth in sample.truths]
    assert [(truth.label, truth.difficult) for truth in truths] == [(0, False), (1, False)]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("classes=3\n", "obj.data: names no pictures .*valid = LIST"),
        ("classes=3\n\nvalid=none.txt\n", "obj.data: line 3: valid = none.txt is not there"),
        ("valid=data/valid.txt\nnames=none\n", "obj.data: line 2: names = none is not there"),
        ("valid\nvalid=data/valid.txt\n", "obj.data: names no pictures"),
        ("valid=\n", "obj.data: names no pictures"),
    ],
)
def test_files_that_make_no_sense(data, text, problem):
    data.write_text(text)
    with pytest.raises(DatasetError, match=problem):
        read_dataset(data, 3, NAMES)


def test_names_that_are_no_text(data):
    (data.parent / "obj.names").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(CfgError, match=r"obj\.names: is not text"):
        read_dataset(data, 3, NAMES)


def test_a_file_of_any_size_is_not_read(data):
    with open(data, "wb") as file:
        file.truncate(20 << 30)
    with pytest.raises(DatasetError, match="is larger than 65,536 bytes"):
        read_dataset(data, 3, NAMES)
