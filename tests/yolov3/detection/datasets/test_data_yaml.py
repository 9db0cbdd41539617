"""ultralytics' dataset files."""

import sys

import pytest

from converter.errors import DatasetError, ExtraError
from yolov3.detection.datasets import read_dataset

NAMES = ["circle", "square", "triangle"]


@pytest.fixture
def root(tmp_path):
    """A dataset with one picture for training, and two."""
    for split, names in (("train", "t"), ("val", "ab")):
        for label, name in enumerate(names):
            for inside, suffix, text in (
                ("images", "jpg", ""),
                ("labels", "txt", f"{label} 0.5 0.5 0.2 0.4\n"),
            ):
                path = tmp_path / "set" / inside / split / f"{name}.{suffix}"
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text)
    return tmp_path / "set"


def read(root, text, names=NAMES):
    path = root / "data.yaml"
    path.write_text(text)
    return read_dataset(path, len(names), names)


def found(dataset):
    return [(sample.path.name, [t.label for t in sample.truths]) for sample in dataset.samples]


ANSWER = [("a.jpg", [0]), ("b.jpg", [1])]
LISTED = "names: [circle, square, triangle]\n"


@pytest.mark.parametrize(
    "text",
    [
        f"train: images/train\nval: images/val  # two\n{LISTED}",
        "val: images/val\nnames:\n  0: circle\n  1: square\n  2: triangle\n",
        f"path: .\nval: images/val\nnc: 3\n{LISTED}",
        f"path: ../set\nval: images/val\n{LISTED}",
        f"path:\nval: [images/val]\n{LISTED}",
        f"val: ../images/val\n{LISTED}",  # as Roboflow writes it
        f"val: val.txt\n{LISTED}",
        "validation: images/val\nnc: 3\n",  # without names numbers are the network's
    ],
)
def test_val(root, text):
    (root / "val.txt").write_text("./images/val/a.jpg\n./images/val/b.jpg\n")
    assert found(read(root, text)) == ANSWER


def test_an_absolute_path(root, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    dataset = read(tmp_path / "elsewhere", f"path: {root}\nval: images/val\n{LISTED}")
    assert found(dataset) == ANSWER


def test_several_folders(root):
    dataset = read(root, f"val: [images/val, images/train]\n{LISTED}")
    assert found(dataset) == [*ANSWER, ("t.jpg", [0])]


def test_classes_are_found_by_name(root):
    """Number 0 is a square: the network's class 1."""
    dataset = read(root, "val: images/val\nnames: {1: circle, 0: square}\n")
    assert found(dataset) == [("a.jpg", [1]), ("b.jpg", [0])]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (f"train: x\n{LISTED}", "data.yaml: names no pictures"),
        (f"{LISTED}val: images/none\n", "data.yaml: line 2: val: images/none is not there"),
        (f"{LISTED}\nval: labels/val\n", "line 3: none of the 0 pictures in .* has labels"),
        ("val: images/val\nnames: 3\n", "line 2: names are neither a list nor numbered from 0"),
        ("val: images/val\nnames: {1: a, 2: b}\n", "line 2: names are neither"),
        ("val: images/val\nnames: [circle]\n", r"b\.txt: line 1: class 1 is outside"),
        ("val: images/val\nnames: [a\n", "data.yaml: line 3: is not YAML"),
        ("[" * 131_000, "is nested deeper than 16"),
        ("- val\n", "has no keys as path"),
        ("", "has no keys as path"),
        ("val: !!python/object/apply:os.system [ls]\n", "line 1: val: ls is not there"),
        ("val: 2026-99-99\n", "line 1: val: 2026-99-99 is not there"),
        ("--- 1\n--- 2\n", "line 2: is not YAML"),
        ("val: \0", "is not YAML"),
    ],
)
def test_files_that_make_no_sense(root, text, problem):
    with pytest.raises(DatasetError, match=problem):
        read(root, text)


def test_a_bomb_of_aliases(root):
    """Merged ten times ten times: 10**9 keys of 400 bytes. The first is refused: none is made."""
    lines = ["a0: &a0 {x: 1}"]
    lines += (f"a{i + 1}: &a{i + 1}\n  <<: [{', '.join([f'*a{i}'] * 10)}]" for i in range(9))
    with pytest.raises(DatasetError, match=r"data.yaml: line 3: has a YAML alias"):
        read(root, "\n".join(lines))


def test_a_file_of_any_size_is_not_read(root):
    with open(root / "data.yaml", "wb") as file:
        file.truncate(20 << 30)
    with pytest.raises(DatasetError, match="is larger than 131,072 bytes"):
        read_dataset(root / "data.yaml", 3, NAMES)


def test_without_pyyaml_it_says_what_to_install(root, monkeypatch):
    monkeypatch.setitem(sys.modules, "yaml", None)
    with pytest.raises(
        ExtraError, match=r"needs PyYAML \(pip install torch pillow pycocotools pyyaml\)"
    ):
        read(root, LISTED)
