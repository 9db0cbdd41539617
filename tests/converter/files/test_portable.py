"""What one system has and another lacks."""

import ntpath
import os
from threading import Thread

import pytest

from converter import DarknetError, OutputError, UsageError
from converter.files import portable, remote
from converter.files.opening import open_regular
from converter.files.portable import is_reserved, read_at, write_at
from converter.files.target import resolved


@pytest.fixture(params=["positional", "seeking"])
def way(request, monkeypatch):
    if request.param == "seeking":
        monkeypatch.delattr(os, "preadv", raising=False)
        monkeypatch.delattr(os, "pwrite", raising=False)


@pytest.mark.usefixtures("way")
class TestPositions:
    def test_reading_and_writing_leave_the_position(self, tmp_path):
        with open(tmp_path / "x", "x+b", buffering=0) as file:
            file.write(b"0123456789")
            file.seek(3)
            assert write_at(file.fileno(), memoryview(b"abc"), 5) == 3
            buffer = memoryview(bytearray(4))
            assert read_at(file.fileno(), buffer, 4) == 4
            assert bytes(buffer) == b"4abc"
            assert file.read() == b"34abc89"

    def test_the_end_of_the_file(self, tmp_path):
        (tmp_path / "x").write_bytes(b"0123")
        with open(tmp_path / "x", "rb") as file:
            buffer = memoryview(bytearray(4))
            assert read_at(file.fileno(), buffer, 2) == 2
            assert bytes(buffer) == b"23\0\0"
            assert read_at(file.fileno(), buffer, 4) == 0

    def test_calls_that_read_less_than_is_asked_for(self, tmp_path, monkeypatch):
        """As those for network disks may; on Linux none reads more than 2 GiB."""
        (tmp_path / "x").write_bytes(b"0123456789")
        name = "preadv" if hasattr(os, "preadv") else "read"
        read = getattr(os, name)

        def three(descriptor, what, *offset):
            return read(descriptor, [what[0][:3]] if offset else min(what, 3), *offset)

        monkeypatch.setattr(os, name, three)
        buffer = memoryview(bytearray(8))
        with open(tmp_path / "x", "rb") as file:
            assert read_at(file.fileno(), buffer, 1) == 8
            assert bytes(buffer) == b"12345678"
            assert read_at(file.fileno(), buffer, 6) == 4
            assert bytes(buffer) == b"67895678"

    def test_two_threads_read_one_file(self, tmp_path):
        """Each byte says where it stands, modulo 251."""
        whole = bytes(i % 251 for i in range(1 << 16))
        (tmp_path / "x").write_bytes(whole)
        wrong = []

        def read(descriptor, start):
            buffer = memoryview(bytearray(64))
            for offset in range(start, len(whole) - 64, 64):
                read_at(descriptor, buffer, offset)
                if buffer != whole[offset : offset + 64]:
                    wrong.append(offset)

        with open(tmp_path / "x", "rb") as file:
            threads = [Thread(target=read, args=(file.fileno(), start)) for start in (0, 17)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        assert wrong == []


# https://learn.microsoft.com/windows/win32/fileio/naming-a-file
NO_FILES = (
    "CON", "nul", "Prn.weights", "aux.tar.gz", "COM1", "lpt9.x", "COM\N{SUPERSCRIPT TWO}", "NUL .x",
    "conin$", "x.", "x ", "a:b", "a?b", "a*", "<x>", 'say "x"', "a|b", "a\nb", r"..\x", "C:x",
)  # fmt: skip
FILES = ("yolov3.weights", "console", "COM", "com10", "nulls.x", ".x", "x..y", "a b", "\N{SNOWMAN}")


class TestNames:
    @pytest.fixture(autouse=True)
    def _windows(self, monkeypatch):
        monkeypatch.setattr(portable, "WINDOWS", True)

    def test_names_that_are_no_files(self):
        assert [name for name in (*NO_FILES, *FILES) if is_reserved(name)] == list(NO_FILES)

    @pytest.mark.skipif(not hasattr(ntpath, "isreserved"), reason="Python 3.13 and later know them")
    def test_python_says_the_same(self):
        # Of a path with a drive or folders it looks at the last part.
        for name in (name for name in (*NO_FILES, *FILES) if not {":", "\\"} & set(name)):
            assert is_reserved(name) == ntpath.isreserved(name)

    def test_they_are_no_outputs(self, tmp_path):
        with pytest.raises(OutputError, match=r"NUL.weights: is no file's name on Windows"):
            resolved(tmp_path / "NUL.weights")

    def test_nor_what_a_url_names(self):
        """Where a backslash separates, such a name would leave the temporary folder."""
        for name in (r"..\..\x.weights", "C:x.weights", "con.weights"):
            with pytest.raises(UsageError, match="names no file"):
                remote.name_of(f"https://example.com/{name}")


def test_elsewhere_they_are_files(tmp_path, monkeypatch):
    monkeypatch.setattr(portable, "WINDOWS", False)
    assert not any(map(is_reserved, NO_FILES))
    assert resolved(tmp_path / "a:b") == tmp_path / "a:b"
    assert remote.name_of("s3://bucket/a:b.weights") == "a:b.weights"


@pytest.mark.parametrize("path", [r"C:\x.weights", "C:/x.weights", "C://x.weights", r"\\host\x"])
def test_a_drive_is_no_scheme(path):
    assert not remote.is_url(path)
    assert remote.plain(path) == path


def test_a_folder_that_the_system_does_not_open(tmp_path, monkeypatch):
    """As on Windows, where opening one is not permitted."""

    def refuse(*arguments):
        raise PermissionError(13, "Permission denied")

    with monkeypatch.context() as patch:
        patch.setattr(os, "open", refuse)
        with pytest.raises(DarknetError, match="is a directory"):
            open_regular(tmp_path, DarknetError)
        with pytest.raises(DarknetError, match="cannot be read: Permission denied"):
            open_regular(tmp_path / "x", DarknetError)
