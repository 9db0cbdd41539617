"""Zip archives, read as strictly as their format allows."""

import io
import struct
import zipfile
import zlib

import pytest

from converter.errors import CheckpointError
from converter.files import archive
from converter.files.archive import read_entries
from converter.files.source import opened

CONTENTS = {"net/data.pkl": b"pickle", "net/data/0": bytes(range(24)), "net/version": b""}


def packed(contents=CONTENTS, **options) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", **options) as file:
        for name, data in contents.items():
            file.writestr(name, data)
    return buffer.getvalue()


@pytest.fixture
def entries(tmp_path):
    path = tmp_path / "net.pt"

    def read(data: bytes):
        path.write_bytes(data)
        with opened(path, CheckpointError, lambda head: None) as source:
            found = read_entries(source)
            return {name: (where, source.read(where.start, where.size))
                    for name, where in found.items()}  # fmt: skip

    return read


def refusal(entries, data) -> str:
    with pytest.raises(CheckpointError) as caught:
        entries(data)
    assert caught.value.remedy
    return str(caught.value)


def test_the_entries_are_ranges_of_the_file(entries):
    found = entries(packed())
    assert {name: data for name, (_, data) in found.items()} == CONTENTS
    with zipfile.ZipFile(io.BytesIO(packed())) as file:
        assert {name: where.crc for name, (where, _) in found.items()} == {
            info.filename: info.CRC for info in file.infolist()
        }
    assert not any(where.compressed for where, _ in found.values())


def test_sizes_and_offsets_of_64_bits(entries, monkeypatch):
    monkeypatch.setattr(zipfile, "ZIP64_LIMIT", 20)
    monkeypatch.setattr(zipfile, "ZIP_FILECOUNT_LIMIT", 2)
    data = packed()
    # Both sizes of data/0 in 64 bits, in the list and before its bytes.
    assert data.count(struct.pack("<Q", 24) * 2) == 2
    assert {name: found for name, (_, found) in entries(data).items()} == CONTENTS
    # The end has no numbers of its own (APPNOTE 4.4.1.4): they stand in the 64-bit one before it.
    full = data[:-14] + b"\xff" * 12 + data[-2:]
    assert {name: found for name, (_, found) in entries(full).items()} == CONTENTS
    for damaged in (full.replace(b"PK\6\6", b"PK\6\5"), full.replace(b"PK\6\7", b"PK\6\5")):
        assert "cut off or damaged" in refusal(entries, damaged)


def test_a_compressed_entry_is_known_as_one(entries):
    found = entries(packed({"net/data.pkl": bytes(10_000)}, compression=zipfile.ZIP_DEFLATED))
    where, data = found["net/data.pkl"]
    assert where.compressed
    assert len(data) < 100


def test_names_are_only_names(entries, tmp_path):
    names = ("../../outside", "/etc/passwd", "net/../../x", "net\\..\\x", "C:x", "a\0b", "고양이")
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        for name in names:
            info = zipfile.ZipInfo("placeholder")
            info.filename = name
            file.writestr(info, b"x")
    assert tuple(entries(buffer.getvalue())) == names
    assert [path.name for path in tmp_path.iterdir()] == ["net.pt"]


def test_an_archive_that_is_cut_off_anywhere(entries):
    data = packed()
    for size in range(len(data)):
        assert "is a zip archive that is cut off or damaged" in refusal(entries, data[:size])


def test_an_archive_with_something_after_its_end(entries):
    assert "cut off or damaged" in refusal(entries, packed() + b"x")


def test_an_archive_with_something_before_its_start(entries):
    assert "cut off or damaged" in refusal(entries, b"x" + packed())


def test_an_entry_named_twice(entries):
    data = packed({"net/data/0": b"first", "net/data/1": b"second"})
    data = data.replace(b"net/data/1", b"net/data/0")
    assert "net/data/0: names an entry twice" in refusal(entries, data)


def directory(data: bytes) -> int:
    """Where the list of entries begins."""
    return data.index(b"PK\1\2")


def changed(data: bytes, offset: int, value: bytes) -> bytes:
    return data[:offset] + value + data[offset + len(value) :]


# Offsets within an entry of the list (APPNOTE 4.3.12): flags 8, method 10, compressed size 20,
# size 24, local header 42.


def test_entries_that_overlap(entries):
    # The second entry, of the same name, points into the first one's bytes.
    inner = packed({"net/b": b"twice"})
    inner = inner[: directory(inner)]
    data = packed({"net/a": inner, "net/b": b"other"})
    second = data.index(b"PK\1\2", directory(data) + 4)
    start = data.index(inner)
    assert "has entries that overlap" in refusal(
        entries, changed(data, second + 42, struct.pack("<L", start))
    )


def test_an_entry_that_reaches_into_the_list(entries):
    data = packed({"net/a": b"value"})
    sizes = struct.pack("<2L", 6, 6)
    assert "goes beyond its data" in refusal(entries, changed(data, directory(data) + 20, sizes))


@pytest.mark.parametrize("size", [2**32 - 2, 2**31])
def test_an_entry_larger_than_the_file(entries, size):
    data = packed({"net/a": b"value"})
    sizes = struct.pack("<2L", size, size)
    assert "goes beyond its data" in refusal(entries, changed(data, directory(data) + 20, sizes))


def test_an_entry_beyond_the_file(entries):
    data = packed({"net/a": b"value"})
    far = struct.pack("<L", 2**32 - 2)
    assert "goes beyond its data" in refusal(entries, changed(data, directory(data) + 42, far))


def test_an_entry_of_two_lengths(entries):
    data = packed({"net/a": b"value"})
    assert "two lengths" in refusal(entries, changed(data, directory(data) + 20, b"\1"))


def test_an_encrypted_entry(entries):
    data = packed({"net/a": b"value"})
    assert "encrypted" in refusal(entries, changed(data, directory(data) + 8, b"\1"))


def test_an_entry_whose_header_has_another_name(entries):
    data = packed({"net/a": b"value"})
    assert "another name" in refusal(entries, changed(data, data.index(b"net/a"), b"net/b"))


def test_a_place_without_an_entry(entries):
    data = packed({"net/a": b"value"})
    assert "no entry where its list says" in refusal(entries, changed(data, 0, b"XX"))


def test_a_full_size_without_the_64_bits_that_it_stands_for(entries):
    data = packed({"net/a": b"value"})
    full = b"\xff" * 8
    assert "cut off or damaged" in refusal(entries, changed(data, directory(data) + 20, full))


def test_more_entries_than_are_there(entries):
    data = packed()
    end = data.index(b"PK\5\6")
    for count in (0, 2, 4, 65534):
        numbers = struct.pack("<2H", count, count)
        assert "cut off or damaged" in refusal(entries, changed(data, end + 8, numbers))


def test_one_of_several_files(entries):
    data = packed()
    end = data.index(b"PK\5\6")
    assert "in several files" in refusal(entries, changed(data, end + 4, b"\1"))


def test_a_long_list_is_refused_before_it_is_read(entries, monkeypatch):
    monkeypatch.setattr(archive, "MAX_DIRECTORY", 100)
    assert "lists more than 100 bytes" in refusal(entries, packed())


def test_every_damaged_byte_of_the_list(entries):
    """It is refused, or one of those that say nothing of where an entry is: APPNOTE 4.3.12."""
    data = packed()
    end = data.index(b"PK\5\6")
    begins = [n for n in range(directory(data), end) if data[n : n + 4] == b"PK\1\2"]
    accepted = set()
    for offset in range(directory(data), len(data)):
        for flip in (1, 0x80, 0xFF):
            try:
                found = entries(changed(data, offset, bytes([data[offset] ^ flip])))
            except CheckpointError:
                continue
            assert {name: values for name, (_, values) in found.items()} == CONTENTS
            accepted.add((offset, flip))
    # Versions 4 to 7, flags 8 and 9, method 10, date 12, CRC 16 to 19; number of the disk 34,
    # attributes 36 to 41. Bit 0 of the flags means encrypted.
    fields = [*range(4, 20), *range(34, 42)]
    assert accepted == {
        (begin + field, flip)
        for begin in begins
        for field in fields
        for flip in (1, 0x80, 0xFF)
        if field != 8 or not flip & 1
    }


@pytest.mark.parametrize("flip", [1, 0x80, 0xFF])
def test_a_damaged_method_or_checksum_is_what_the_list_says(entries, flip):
    """Whoever reads the values compares them with it, and unpacks nothing."""
    data = packed({"net/a": b"value"})
    begin = directory(data)
    ((method, _),) = entries(changed(data, begin + 10, bytes([flip]))).values()
    assert method.compressed
    crc = bytes([data[begin + 16] ^ flip])
    ((where, _),) = entries(changed(data, begin + 16, crc)).values()
    assert where.crc == zlib.crc32(b"value") ^ flip
