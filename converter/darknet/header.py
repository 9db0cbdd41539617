"""The head of a .weights file.

A .weights file has no magic, no table and no checksum, just a version, a counter and then float32
values, all little-endian:

    offset 0   int32   major
    offset 4   int32   minor
    offset 8   int32   revision
    offset 12  uint64  seen      if major * 10 + minor >= 2, else uint32

``seen`` counts the pictures trained on. pj (parser.c:1230) also demands major < 1000 and minor <
1000 for the long form; AB (parser.c:2254) does not. A major or minor above 1000 means that the
matrices of connected layers are stored transposed (pj parser.c:1243, AB parser.c:2269).
"""

from __future__ import annotations

import struct
from typing import Self

from converter.darknet.dialects import DEFAULT, DIALECTS, DialectName
from converter.errors import WeightsError
from converter.records import dataclass

_VERSION = struct.Struct("<iii")


@dataclass(frozen=True, kw_only=True)
class Header:
    """Version and counter of a .weights file; ``size`` is its length in bytes, 16 or 20."""

    major: int
    minor: int
    revision: int
    seen: int
    size: int

    @property
    def version(self) -> str:
        """Darknet's three numbers, as ``0.2.0``."""
        return f"{self.major}.{self.minor}.{self.revision}"

    @property
    def transpose(self) -> bool:
        """Whether the matrices of connected layers are stored as (in, out)."""
        return self.major > 1000 or self.minor > 1000

    @classmethod
    def decode(cls, data: bytes, dialect: DialectName = DEFAULT) -> Self:
        """The header at the start of ``data``, by the size rule of ``dialect``.

        Raises:
            WeightsError: ``data`` is too short to hold one.
        """
        if len(data) < _VERSION.size:
            raise _too_short(len(data), 16)
        major, minor, revision = _VERSION.unpack_from(data)
        below = DIALECTS[dialect].long_header_below
        long = major * 10 + minor >= 2 and (below is None or max(major, minor) < below)
        size = 20 if long else 16
        if len(data) < size:
            raise _too_short(len(data), size)
        seen = int.from_bytes(data[_VERSION.size : size], "little")
        return cls(major=major, minor=minor, revision=revision, seen=seen, size=size)

    @classmethod
    def written_by(cls, dialect: DialectName) -> Self:
        """The header that ``dialect``'s engine writes today for a network that saw no picture."""
        major, minor, revision = DIALECTS[dialect].version
        return cls(major=major, minor=minor, revision=revision, seen=0, size=20)

    def encode(self) -> bytes:
        """The bytes that ``decode`` read."""
        version = _VERSION.pack(self.major, self.minor, self.revision)
        return version + self.seen.to_bytes(self.size - _VERSION.size, "little")


def _too_short(length: int, needed: int) -> WeightsError:
    if length == 0:
        return WeightsError("is empty", remedy="download or copy it again")
    return WeightsError(
        f"ends after {length} bytes, inside its {needed}-byte header",
        remedy="download or copy it again",
    )
