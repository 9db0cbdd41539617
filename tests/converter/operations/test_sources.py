"""What the arguments of a conversion stand for."""

from pathlib import Path

import pytest

from converter import UsageError, WeightsError
from converter.operations.sources import find_sources


def test_a_folder_a_pattern_and_a_file(tmp_path):
    files = [str(tmp_path / f"s_{i}.weights") for i in (0, 1, 2, 3, 9)]
    for name in (*files, tmp_path / "s.cfg"):
        Path(name).write_bytes(b"")
    assert find_sources([str(tmp_path)]) == files
    assert find_sources([str(tmp_path / "s_[01].weights")]) == files[:2]
    assert find_sources([files[3], str(tmp_path)]) == [files[3], *files[:3], files[4]]


def test_a_file_whose_name_looks_like_a_pattern(tmp_path):
    bracketed = tmp_path / "a[1].weights"
    bracketed.write_bytes(b"")
    assert find_sources([str(bracketed)]) == [str(bracketed)]


def test_a_url_is_no_path():
    """One that is longer than a path may be, and looks like a pattern."""
    url = "https://example.com/" + "a" * 5000 + "[1].weights"
    assert find_sources([url]) == [url]


def test_nothing_there(tmp_path):
    for argument in (tmp_path, tmp_path / "*.weights"):
        with pytest.raises(WeightsError, match=r"holds no \.weights file"):
            find_sources([str(argument)])
    assert find_sources(["missing.weights"]) == ["missing.weights"]


def test_an_empty_name_is_not_the_current_folder(sample, monkeypatch):
    """``convert "$FILE"`` where FILE is not set converted what was there."""
    monkeypatch.chdir(sample.weights.parent)
    with pytest.raises(UsageError, match=r"^a source's name is empty \(name a file"):
        find_sources([""])
    assert find_sources(["."]) == ["shapes.weights"]


def test_folders_that_are_called_as_weights_are(tmp_path):
    (tmp_path / "backup.weights").mkdir()
    file = tmp_path / "net.weights"
    file.touch()
    for argument in (tmp_path, tmp_path / "*", tmp_path / "**"):
        assert find_sources([str(argument)]) == [str(file)]
    with pytest.raises(WeightsError, match=r"holds no \.weights file"):
        find_sources([str(tmp_path / "backup*")])
