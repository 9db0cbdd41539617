"""Regular files are opened, everything else is refused at once."""

import os

import pytest

from converter import CfgError
from converter.files.opening import decode, open_regular, read_small, read_start, read_text


def refusal(function, *arguments):
    with pytest.raises(CfgError) as caught:
        function(*arguments)
    return str(caught.value)


def descriptors():
    return len(os.listdir("/proc/self/fd"))


def test_a_pipe_is_not_waited_for(tmp_path):
    """Opening one for reading blocks until somebody writes; nobody does."""
    os.mkfifo(tmp_path / "pipe")
    before = descriptors()
    assert refusal(open_regular, tmp_path / "pipe", CfgError, "give a file") == (
        f"{tmp_path}/pipe: is not a regular file (give a file)"
    )
    assert descriptors() == before


@pytest.mark.parametrize(
    ("path", "problem"),
    [
        ("/", "is a directory"),
        ("/dev/zero", "is not a regular file"),  # which would never end
        ("x\0y", "cannot be read: a zero byte in its name"),
        ("x" * 300, "cannot be read: File name too long"),
    ],
)
def test_what_is_no_file(path, problem):
    assert problem in refusal(open_regular, path, CfgError)


def test_a_missing_file_is_left_to_whoever_asks(tmp_path):
    with pytest.raises(FileNotFoundError):
        open_regular(tmp_path / "none", CfgError)
    assert refusal(read_small, tmp_path / "none", 10, CfgError) == (
        f"{tmp_path}/none: cannot be read: No such file or directory (check the path)"
    )


def test_a_small_file_has_no_more_than_its_limit(tmp_path):
    path = tmp_path / "x"
    path.write_bytes(b"0123456789")
    assert read_small(path, 10, CfgError) == b"0123456789"
    assert refusal(read_small, path, 9, CfgError) == f"{path}: is larger than 9 bytes"


def test_of_a_giant_no_more_than_the_limit_is_read(tmp_path):
    """A terabyte, all of it a hole: reading it would take hours."""
    with open(tmp_path / "x", "wb") as file:
        file.truncate(1 << 40)
    assert refusal(read_small, tmp_path / "x", 1000, CfgError).endswith("larger than 1,000 bytes")


def test_what_cannot_be_read_starts_with_nothing(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "file").write_bytes(b"abc")
    assert [read_start(tmp_path / "file", count) for count in (2, 4)] == [b"ab", b"abc"]
    assert [read_start(tmp_path / name, 2) for name in ("pipe", "none", "a\0b")] == [b""] * 3


def test_a_text_begins_after_the_mark_of_its_encoding(tmp_path):
    (tmp_path / "a.txt").write_bytes(b"\xef\xbb\xbfna\xc3\xafve")
    assert read_text(tmp_path / "a.txt", 9, CfgError) == (
        "na\N{LATIN SMALL LETTER I WITH DIAERESIS}ve"
    )


def test_a_text_has_as_many_bytes_as_the_limit_and_no_more(tmp_path):
    (tmp_path / "a.txt").write_bytes(b"12345")
    assert read_text(tmp_path / "a.txt", 5, CfgError) == "12345"
    assert refusal(read_text, tmp_path / "a.txt", 4, CfgError) == (
        f"{tmp_path}/a.txt: is larger than 4 bytes"
    )


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_text_in_another_encoding_is_refused_with_line_and_byte(tmp_path, mark):
    (tmp_path / "a.txt").write_bytes(mark + b"caf\xc3\xa9\r\ncaf\xe9")  # UTF-8, then Latin-1
    assert refusal(read_text, tmp_path / "a.txt", 99, CfgError) == (
        f"{tmp_path}/a.txt: line 2, byte {len(mark) + 10}: is not UTF-8 text (save it as UTF-8)"
    )


def test_another_encoding_can_be_named():
    assert decode(b"caf\xe9", "a.txt", CfgError, "latin-1")[-1] == "\xe9"
    assert refusal(decode, b"a\nb\n\x81", "a.txt", CfgError, "cp1252", "do something") == (
        "a.txt: line 3, byte 4: is not cp1252 text (do something)"
    )
    with pytest.raises(LookupError):
        decode(b"a", "a.txt", CfgError, "nonsense")
