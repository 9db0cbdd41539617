"""What the names of pictures, lists, folders and patterns stand for."""

import errno
import os
from pathlib import Path

import pytest

from converter.cli.sources import expand


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def make(*paths):
    for path in map(Path, paths):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")


def pictures(*arguments, output="out", recursive=False):
    found, errors = expand(arguments, output, recursive=recursive)
    assert errors == []
    return found


def errors(*arguments):
    return [str(error) for error in expand(arguments, "out", recursive=True)[1]]


class TestLists:
    def test_the_working_directory_comes_first(self):
        """As darknet opens the lines; then beside the list."""
        make("a.png", "lists/a.png", "lists/b.png", "lists/sub/c.jpg")
        Path("lists/x.txt").write_text("a.png\nb.png\nsub/c.jpg\n")
        assert list(pictures("lists/x.txt")) == ["a.png", "lists/b.png", "lists/sub/c.jpg"]

    def test_as_windows_writes_it(self):
        """With a byte order mark, carriage returns, no last line end; blank lines count."""
        make("a b.png", "ü.png")
        Path("x.TXT").write_bytes(b"\xef\xbb\xbfa b.png\r\n\r\n\xc3\xbc.png")
        assert list(pictures("x.TXT")) == ["a b.png", "ü.png"]

    def test_an_absolute_path(self, here):
        make("a.png", "lists/x")
        Path("lists/x.txt").write_text(f"{here}/a.png\n")
        assert list(pictures("lists/x.txt")) == [f"{here}/a.png"]

    def test_what_is_not_there_has_its_line(self):
        make("a.png")
        Path("x.txt").write_text("a.png\n\nnone.png\n")
        found, problems = expand(["x.txt"], "out", recursive=False)
        assert list(found) == ["a.png"]
        assert [str(error) for error in problems] == [
            "x.txt: line 3: 'none.png' is no file, neither here nor around the list"
            " (give one picture's path on a line)"
        ]

    def test_labels_are_no_list(self):
        Path("0003.txt").write_text("0 0.5 0.5 0.25 0.25\n")
        (error,) = errors("0003.txt")
        assert error.startswith("0003.txt: line 1: '0 0.5 0.5 0.25 0.25' is no file")

    def test_another_encoding_and_too_large_a_one(self):
        """As evaluate refuses them."""
        make("a.png")
        Path("x.txt").write_bytes(b"a.png\n\xe9.png\n")
        with open("giant.txt", "wb") as file:
            file.truncate((1 << 27) + 1)
        found, problems = expand(["x.txt", "giant.txt", "a.png"], "out", recursive=False)
        assert list(found) == ["a.png"]
        assert [str(error) for error in problems] == [
            "x.txt: line 2, byte 6: is not UTF-8 text (save it as UTF-8)",
            "giant.txt: is larger than 134,217,728 bytes",
        ]

    def test_empty_and_missing_ones(self):
        make("empty.txt")
        assert errors("empty.txt", "none.txt") == [
            "empty.txt: has no pictures in it (check the path)",
            "none.txt: cannot be read: No such file or directory (check the path)",
        ]


class TestFolders:
    def test_only_the_folder_itself(self):
        make("photos/b.png", "photos/a.jpg", "photos/a.txt", "photos/sub/c.png")
        assert pictures("photos") == {"photos/a.jpg": "", "photos/b.png": ""}

    def test_with_their_subfolders(self):
        """A copy goes to a subfolder of the same name."""
        make("photos/b.png", "photos/2/d.png", "photos/1/c.png", "photos/1/x/e.png", "photos/n.txt")
        assert list(pictures("photos", recursive=True).items()) == [
            ("photos/b.png", ""),
            ("photos/1/c.png", "1"),
            ("photos/1/x/e.png", os.path.join("1", "x")),
            ("photos/2/d.png", "2"),
        ]

    def test_copies_of_an_earlier_run_are_left_out(self):
        make("a.png", "out/a.png", "out/sub/a.png", "outside/b.png")
        assert list(pictures(".", recursive=True)) == ["./a.png", "./outside/b.png"]
        assert list(pictures("**/*.png")) == ["a.png", "outside/b.png"]
        assert list(pictures("out")) == ["out/a.png"]  # who names it means it

    def test_a_loop_of_symlinks(self):
        make("photos/sub/a.png")
        Path("photos/sub/loop").symlink_to("..")
        assert list(pictures("photos", recursive=True)) == ["photos/sub/a.png"]

    def test_a_subfolder_that_cannot_be_read(self, monkeypatch):
        """The rest goes on. Root may read all folders, so that one is played."""
        make("photos/1/a.png", "photos/secret/b.png", "photos/z/c.png")
        scandir = os.scandir

        def refuse(path):
            if str(path).endswith("secret"):
                raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), path)
            return scandir(path)

        monkeypatch.setattr(os, "scandir", refuse)
        found, problems = expand(["photos"], "out", recursive=True)
        assert list(found) == ["photos/1/a.png", "photos/z/c.png"]
        assert [str(error) for error in problems] == [
            "photos/secret: cannot be read: Permission denied (check its permissions)"
        ]


def test_patterns():
    make("photos/a1.png", "photos/a2.png", "photos/b1.png", "photos/sub/a3.png")
    assert list(pictures("photos/a*.png")) == ["photos/a1.png", "photos/a2.png"]
    found = ["photos/a1.png", "photos/a2.png", "photos/sub/a3.png"]
    assert list(pictures("photos/**/a*.png")) == found


def test_each_once_in_the_order_asked_for():
    make("photos/a.png", "photos/b.png")
    Path("x.txt").write_text("photos/b.png\n")
    assert list(pictures("x.txt", "photos", "photos/*.png")) == ["photos/b.png", "photos/a.png"]
