"""The entries of a zip archive, as ranges of the file's bytes.

Its list is read as strictly as the format allows, so that no two readers see different archives: no
entry named twice, none that overlaps another, none encrypted, nothing after the end. Nothing is
unpacked: torch.save compresses nothing.

Sources: PKWARE's APPNOTE 6.3.10, sections 4.3.7 (local header), 4.3.12 (central directory), 4.3.14
to 4.3.16 (its end, in 64 and 32 bits), 4.5.3 (64-bit sizes).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise

from converter.errors import DarknetError
from converter.files.source import Source
from converter.records import dataclass

_LOCAL = struct.Struct("<4s5H3L2H")
_ENTRY = struct.Struct("<4s6H3L5H2L")
_END = struct.Struct("<4s4H2LH")
_LOCATOR_64 = struct.Struct("<4sLQL")
_END_64 = struct.Struct("<4sQ2H2L4Q")

# As much as the header of a safetensors file may have: some 150,000 tensors.
MAX_DIRECTORY = 16 << 20
_ENCRYPTED = 1  # a bit of an entry's flags
_FULL_16, _FULL_32 = 0xFFFF, 0xFFFFFFFF  # in place of a number that needs 64 bits
_SIZES_64 = 1  # the extra field that has it


@dataclass(frozen=True, kw_only=True)
class Range:
    """Bytes of a file: from ``start`` on, ``size`` of them.

    ``crc`` is their CRC-32, or None where nothing says it. Those that are ``compressed`` stand for
    others, which nobody here unpacks.
    """

    start: int
    size: int
    crc: int | None = None
    compressed: bool = False


def read_entries(source: Source) -> dict[str, Range]:
    """Name -> where the bytes of that entry are, in the order of the file's list.

    Raises:
        DarknetError: as the source's: it is no such archive, or is damaged.
    """
    count, start, size = _end(source)
    data = source.read(start, size)
    found: dict[str, Range] = {}
    taken: list[tuple[int, int]] = []
    for name, entry in _entries(data, count, source):
        if name in found:
            raise source.damaged("names an entry twice", name)
        begin = _begin(name, entry.start, source)
        if begin + entry.size > start:
            raise source.damaged("has an entry that goes beyond its data", name)
        found[name] = replace(entry, start=begin)
        taken.append((entry.start, begin + entry.size))
    taken.sort()
    if any(end > following for (_, end), (following, _) in pairwise(taken)):
        raise source.damaged("has entries that overlap")
    return found


def _end(source: Source) -> tuple[int, int, int]:
    """What the end says: the number of entries, and where their list begins and how long it is."""
    at = source.size - _END.size
    if at < 0:
        raise _cut(source)
    magic, disk, first, here, count, size, start, comment = _END.unpack(source.read(at, _END.size))
    if magic != b"PK\5\6" or comment:
        raise _cut(source)
    if _FULL_16 in (here, count) or _FULL_32 in (size, start):
        at, (disk, first, here, count, size, start) = _end_64(source, at)
    if disk or first or here != count:
        raise source.damaged("is one part of an archive in several files")
    if start + size > at:
        raise _cut(source)
    if size > MAX_DIRECTORY:
        raise source.damaged(f"lists more than {MAX_DIRECTORY:,} bytes of entries")
    return count, start, size


def _end_64(source: Source, end: int) -> tuple[int, tuple[int, ...]]:
    """Where the 64-bit end begins, and its numbers."""
    at = end - _LOCATOR_64.size
    if at < 0:
        raise _cut(source)
    magic, _, at_64, _ = _LOCATOR_64.unpack(source.read(at, _LOCATOR_64.size))
    if magic != b"PK\6\7" or at_64 + _END_64.size > at:
        raise _cut(source)
    magic, _, _, _, *numbers = _END_64.unpack(source.read(at_64, _END_64.size))
    if magic != b"PK\6\6":
        raise _cut(source)
    return at_64, tuple(numbers)


def _entries(data: bytes, count: int, source: Source) -> Iterator[tuple[str, Range]]:
    """(name, range) of each; it starts at the local header, whose length stands only there."""
    at = 0
    for _ in range(count):
        if len(data) - at < _ENTRY.size:
            raise _cut(source)
        (magic, _, _, flags, method, _, _, crc, packed, size, n, m, k, _, _, _, header) = (
            _ENTRY.unpack_from(data, at)
        )
        name, extra = data[at + _ENTRY.size :][:n], data[at + _ENTRY.size + n :][:m]
        at += _ENTRY.size + n + m + k
        if magic != b"PK\1\2" or at > len(data):
            raise _cut(source)
        if flags & _ENCRYPTED:
            raise source.damaged("is encrypted", _decode(name, source))
        size, packed, header = _widened(extra, (size, packed, header), source)
        if not method and size != packed:
            raise source.damaged("has two lengths", _decode(name, source))
        entry = Range(start=header, size=packed, crc=crc, compressed=bool(method))
        yield _decode(name, source), entry
    if at != len(data):
        raise _cut(source)


def _widened(extra: bytes, numbers: tuple[int, ...], source: Source) -> tuple[int, ...]:
    """The numbers of an entry, those that are full taken from its extra field, in that order."""
    if _FULL_32 not in numbers:
        return numbers
    at = 0
    while len(extra) - at >= 4:
        kind, length = struct.unpack_from("<2H", extra, at)
        if kind == _SIZES_64:
            field = extra[at + 4 :][: length // 8 * 8]
            wide = [number for (number,) in struct.iter_unpack("<Q", field)]
            if len(wide) < numbers.count(_FULL_32):
                break
            return tuple(wide.pop(0) if number == _FULL_32 else number for number in numbers)
        at += 4 + length
    raise _cut(source)


def _begin(name: str, header: int, source: Source) -> int:
    """Where the bytes of an entry begin: after its local header, which must have its name."""
    if header + _LOCAL.size > source.size:
        raise source.damaged("has an entry that goes beyond its data", name)
    magic, _, _, _, _, _, _, _, _, n, m = _LOCAL.unpack(source.read(header, _LOCAL.size))
    begin: int = header + _LOCAL.size + n + m
    if magic != b"PK\3\4" or begin > source.size:
        raise source.damaged("has no entry where its list says", name)
    if source.read(header + _LOCAL.size, n) != name.encode():
        raise source.damaged("has an entry of another name where its list says", name)
    return begin


def _decode(name: bytes, source: Source) -> str:
    try:
        return name.decode()
    except UnicodeDecodeError as error:
        raise source.damaged("has an entry whose name is not UTF-8") from error


def _cut(source: Source) -> DarknetError:
    return source.damaged("is a zip archive that is cut off or damaged")
