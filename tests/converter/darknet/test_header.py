"""The head of a .weights file, byte by byte."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from converter.darknet.header import Header
from converter.errors import WeightsError

# An annotated head, as pjreddie's darknet writes it today:
#              major 0      minor 2      revision 0   seen = 32,013,312 pictures
PJ = bytes.fromhex("000000000200000000000000007ce80100000000")


def version(major: int, minor: int, revision: int = 0, seen: bytes = bytes(8)) -> bytes:
    return b"".join(n.to_bytes(4, "little", signed=True) for n in (major, minor, revision)) + seen


def test_a_head_of_20_bytes():
    header = Header.decode(PJ + b"weights follow")
    assert (header.major, header.minor, header.revision) == (0, 2, 0)
    assert (header.seen, header.size, header.transpose) == (32_013_312, 20, False)


@pytest.mark.parametrize(
    ("major", "minor", "dialect", "size", "transpose"),
    [
        (0, 1, "pjreddie", 16, False),  # YOLOv1 and v2: 0 * 10 + 1 < 2
        (0, 1, "alexeyab", 16, False),
        (0, 2, "pjreddie", 20, False),
        (1, 0, "pjreddie", 20, False),
        (-1, 5, "pjreddie", 16, False),
        (-1, 12, "pjreddie", 20, False),  # both count as signed: -10 + 12 >= 2
        (0, 1001, "pjreddie", 16, True),  # pj parser.c:1230 also asks for minor < 1000
        (0, 1001, "alexeyab", 20, True),  # AB parser.c:2254 does not
        (1001, 0, "pjreddie", 16, True),
        (0, 1000, "pjreddie", 16, False),  # < 1000 for the long form, > 1000 for the flag
        (0, 1000, "alexeyab", 20, False),
    ],
)
def test_size_and_transpose(major, minor, dialect, size, transpose):
    header = Header.decode(version(major, minor), dialect)
    assert (header.size, header.transpose) == (size, transpose)


def test_seen_of_a_short_head_is_32_bits():
    header = Header.decode(version(0, 1, seen=b"\x01\0\0\0\xff\xff\xff\xff"))
    assert header.seen == 1


@pytest.mark.parametrize("length", range(20))
def test_every_cut_is_refused(length):
    with pytest.raises(WeightsError) as caught:
        Header.decode(PJ[:length])
    # How long the head is stands in its first 12 bytes; it has 16 at least.
    cut = f"ends after {length} bytes, inside its {20 if length >= 12 else 16}-byte header"
    assert caught.value.message == ("is empty" if length == 0 else cut)
    assert caught.value.remedy == "download or copy it again"


def test_the_shortest_that_are_whole():
    assert Header.decode(PJ) == Header(major=0, minor=2, revision=0, seen=32_013_312, size=20)
    assert Header.decode(version(0, 1)[:16]).size == 16


@pytest.mark.parametrize("major", [999, 1000])
def test_from_version_1000_on_pjreddies_is_short(major):
    """pj parser.c:1236: major < 1000 && minor < 1000."""
    size = {999: 20, 1000: 16}[major]
    assert Header.decode(version(major, 2)).size == size  # pjreddie's unless another is named
    assert Header.decode(version(0, major)).size == size


def test_the_version_in_words():
    header = Header(major=1, minor=22, revision=333, seen=0, size=20)
    assert header.version == "1.22.333"


@pytest.mark.parametrize(
    ("dialect", "numbers"),
    # pj parser.c:1018-1020; AB version.h:1-3
    [("pjreddie", (0, 2, 0)), ("alexeyab", (0, 2, 5))],
)
def test_what_an_engine_writes_today(dialect, numbers):
    header = Header.written_by(dialect)
    assert (header.major, header.minor, header.revision) == numbers
    assert (header.seen, header.size) == (0, 20)
    assert header.encode() == version(*numbers)


INT32 = st.integers(-(2**31), 2**31 - 1)


@given(INT32, INT32, INT32, st.binary(min_size=8, max_size=8))
def test_encode_gives_the_bytes_back(major, minor, revision, seen):
    data = version(major, minor, revision, seen)
    for dialect in ("pjreddie", "alexeyab"):
        header = Header.decode(data, dialect)
        assert header.encode() == data[: header.size]
