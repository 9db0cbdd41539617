"""Lines of a .data file and of the lists that it names, and where what they name is."""

import os
from pathlib import Path

import pytest

from converter.darknet.data_file import (
    MAX_DATA_BYTES,
    MAX_LIST_BYTES,
    DataFile,
    data_options,
    find,
    lines_of,
    listed_files,
)  # fmt: skip
from converter.errors import CfgError, DatasetError, ImageError


def test_spaces_are_dropped_wherever_they_are():
    # utils.c:302 moves every other character forward
    assert list(data_options("valid = my list.txt\r\n\tnames=a b\n")) == [
        (1, "valid", "mylist.txt"),
        (2, "names", "ab"),
    ]


def test_what_is_no_option_is_passed_over_and_counted():
    # The switch of option_list.c:18 passes over these lines, which have their numbers all the same.
    assert list(data_options("# a = b\n\n ; c = d\nclasses=2\n")) == [(4, "classes", "2")]


def test_a_line_without_a_value():
    # The first one parts key and value: option_list.c:58.
    assert list(data_options("valid\nnames=\na=b=c\n")) == [
        (1, "valid", None),
        (2, "names", ""),
        (3, "a", "b=c"),
    ]


class TestADataFile:
    def test_the_first_of_a_key_counts_and_what_it_names_is_found(self, tmp_path):
        (tmp_path / "obj.names").write_text("a\n")
        (tmp_path / "obj.data").write_text("names = obj.names\nnames=none\n")
        data = DataFile.read(tmp_path / "obj.data", CfgError)
        assert data.file("names") == tmp_path / "obj.names"
        assert data.file("valid") is None

    @pytest.mark.parametrize("error", [CfgError, DatasetError])
    @pytest.mark.parametrize(
        ("content", "refusal"),
        [
            (b"a=b\nnames=\xff\n", "line 2, byte 10: is not UTF-8 text (save it as UTF-8)"),
            (b"#" * (MAX_DATA_BYTES + 1), "is larger than 65,536 bytes"),
        ],
    )
    def test_what_is_none(self, tmp_path, error, content, refusal):
        path = tmp_path / "obj.data"
        path.write_bytes(content)
        with pytest.raises(error) as caught:
            DataFile.read(path, error)
        assert str(caught.value) == f"{path}: {refusal}"

    def test_of_lines_without_a_value_is_warned(self, tmp_path, caplog):
        """option_list.c:64 drops the first valid; the first names counts, :55 and :91."""
        path = tmp_path / "obj.data"
        path.write_text("valid=\nnames\nvalid=a.txt\nnames=a.names\nfoo\n")
        for name in ("a.txt", "a.names"):
            (tmp_path / name).touch()
        data = DataFile.read(path, CfgError)
        assert (data.file("valid"), data.file("names")) == (tmp_path / "a.txt", None)
        assert caplog.messages == [
            f"{path}: line 1: valid= has no value: Darknet reads on without it",
            f"{path}: line 2: names has no value: Darknet reads on without it",
            f"{path}: line 5: foo has no value: Darknet reads on without it",
        ]

    def test_what_it_names_is_not_there(self, tmp_path):
        path = tmp_path / "obj.data"
        path.write_text("classes=1\nvalid = none.txt\n")
        with pytest.raises(DatasetError) as caught:
            DataFile.read(path, DatasetError).file("valid")
        assert str(caught.value) == (
            f"{path}: line 2: valid = none.txt is not there (paths are taken from the working"
            " directory, or from the file's folder)"
        )


class TestAList:
    def test_lines_keep_their_numbers(self, tmp_path):
        """The mark of the encoding, Windows' line ends, blank lines; no other line ends count."""
        (tmp_path / "x.txt").write_bytes(b"\xef\xbb\xbfa b\r\n \r\n c\x0bd\n")
        assert list(lines_of(tmp_path / "x.txt", ImageError)) == [(1, "a b"), (3, "c\x0bd")]

    @pytest.mark.parametrize("error", [ImageError, DatasetError])
    def test_a_file_that_is_not_there_has_its_line_and_the_rest_is_found(self, tmp_path, error):
        path = tmp_path / "x.txt"
        (tmp_path / "a.png").write_text("")
        path.write_text("none.png\na.png\n")
        problem, found = listed_files(path, error)
        assert isinstance(problem, error)
        assert str(problem) == (
            f"{path}: line 1: 'none.png' is no file, neither here nor around the list"
            " (give one picture's path on a line)"
        )
        assert found == tmp_path / "a.png"

    @pytest.mark.parametrize("error", [ImageError, DatasetError])
    def test_another_encoding_is_refused(self, tmp_path, error):
        """Latin-1's e with an acute accent, after two bytes of the first line."""
        path = tmp_path / "x.txt"
        path.write_bytes(b"a\n\xe9.png\n")
        with pytest.raises(error) as caught:
            list(listed_files(path, error))
        assert str(caught.value) == (
            f"{path}: line 2, byte 2: is not UTF-8 text (save it as UTF-8)"
        )

    def test_a_giant_is_refused(self, tmp_path):
        with open(tmp_path / "x.txt", "wb") as file:
            file.truncate(MAX_LIST_BYTES + 1)
        with pytest.raises(ImageError, match="is larger than 134,217,728 bytes"):
            list(listed_files(tmp_path / "x.txt", ImageError))


def test_a_named_file_is_that_of_the_working_directory_then_that_beside_then_that_above(
    tmp_path, monkeypatch
):
    """darknet knows the first alone; the others are for who does not work where it does."""
    places = [tmp_path / "here", tmp_path / "set/data", tmp_path / "set"]
    for place in places:
        place.mkdir(parents=True, exist_ok=True)
        (place / "a.jpg").write_text("")
    monkeypatch.chdir(places[0])
    for place, found in zip(
        places, (Path("a.jpg"), *(p / "a.jpg" for p in places[1:])), strict=True
    ):
        assert find("a.jpg", tmp_path / "set/data/valid.txt") == found
        (place / "a.jpg").unlink()
    assert find("a.jpg", tmp_path / "set/data/valid.txt") is None


@pytest.mark.parametrize("name", ["data", "a\0.jpg", "a" * 5000])
def test_what_is_no_file_is_not_found(tmp_path, name):
    (tmp_path / "data").mkdir()
    assert find(name, tmp_path / "valid.txt") is None


def test_from_within_the_folder_what_is_named_from_above_is_found(tmp_path, monkeypatch):
    """``valid = data/valid.txt`` in data/obj.data, and darknet is not started where it is meant."""
    (tmp_path / "data").mkdir()
    (tmp_path / "data/valid.txt").write_text("")
    monkeypatch.chdir(tmp_path / "data")
    assert find("data/valid.txt", Path("obj.data")) == Path(os.pardir, "data/valid.txt")
