"""What is unusual in a file that is read all the same."""

from converter.darknet.remark import Remark
from converter.errors import CfgError, WeightsError


def test_one_of_a_cfg_has_its_line():
    remark = Remark(text="x= has no value", line=7)
    assert str(remark) == "cfg line 7: x= has no value"
    assert remark.as_dict() == {"line": 7, "serious": True, "text": "x= has no value"}
    refusal = remark.refusal()
    assert isinstance(refusal, CfgError)
    assert str(refusal) == (
        "line 7: x= has no value (without strict=True it is converted all the same)"
    )


def test_one_of_a_header_has_none():
    remark = Remark(text="is old", serious=False)
    assert str(remark) == "is old"
    assert remark.as_dict() == {"line": None, "serious": False, "text": "is old"}
    refusal = remark.refusal()
    assert isinstance(refusal, WeightsError)
    assert str(refusal) == "byte 0: is old (without strict=True it is converted all the same)"
