"""What the readers of all formats use: texts, boxes, and the files that a file names."""

import math

import pytest

from converter.errors import DatasetError
from yolov3.detection.datasets.base import require_box, text


def test_a_text_begins_after_the_mark_of_its_encoding(tmp_path):
    (tmp_path / "a.txt").write_bytes(b"\xef\xbb\xbfna\xc3\xafve")
    assert text(tmp_path / "a.txt", 9) == "na\N{LATIN SMALL LETTER I WITH DIAERESIS}ve"


def test_a_text_has_as_many_bytes_as_the_limit_and_no_more(tmp_path):
    (tmp_path / "a.txt").write_bytes(b"12345")
    assert text(tmp_path / "a.txt", 5) == "12345"
    with pytest.raises(DatasetError, match=r"a\.txt: is larger than 4 bytes"):
        text(tmp_path / "a.txt", 4)


def test_bytes_that_are_no_text_are_refused(tmp_path):
    (tmp_path / "a.txt").write_bytes(b"caf\xe9")  # Latin-1
    with pytest.raises(DatasetError, match=r"a\.txt: is not text"):
        text(tmp_path / "a.txt", 4)


@pytest.mark.parametrize("box", [(0, 0, 0, 0), (-5, -0.5, 1, 2), (1e6, -1e6, 1e6, 1e6)])
def test_a_box_may_lie_outside_the_picture_and_be_empty(box):
    require_box(*box)


@pytest.mark.parametrize("place", range(4))
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, 1e6 + 1, -1e6 - 1])
def test_a_value_of_no_picture_makes_no_box(place, value):
    box = [1.0] * 4
    box[place] = value
    with pytest.raises(ValueError, match="is no box"):
        require_box(*box)


@pytest.mark.parametrize("box", [(0, 0, -0.1, 1), (0, 0, 1, -0.1)])
def test_a_negative_side_makes_no_box(box):
    with pytest.raises(ValueError, match="is no box"):
        require_box(*box)
