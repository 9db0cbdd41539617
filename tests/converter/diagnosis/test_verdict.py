"""What an engine does with a cfg, with reasons: as JSON, and from a refusal."""

import pytest

from converter.darknet.remark import Remark
from converter.diagnosis.verdict import Verdict, reason_of
from converter.errors import CfgError


def test_it_is_written_with_the_lines_of_its_reasons():
    reasons = (Remark(text="one", line=5), Remark(text="of the whole"))
    assert Verdict(answer="differs", reasons=reasons).as_dict() == {
        "verdict": "differs",
        "reasons": [{"line": 5, "text": "one"}, {"line": None, "text": "of the whole"}],
    }


@pytest.mark.parametrize(
    ("place", "line"),
    [
        ("line 12", 12),
        ("layer 81 [convolutional], line 600", 600),
        ("layer 81", None),
        ("byte 20", None),
        (None, None),
    ],
)
def test_a_refusal_is_a_reason_in_its_line(place, line):
    error = CfgError("is wrong", path="net.cfg", place=place, remedy="correct it")
    assert reason_of(error) == Remark(text="is wrong", line=line)
