"""The tables that a record of an engine is made of."""

import pytest

from converter.darknet.dialects.base import options


def test_options_by_their_kinds():
    assert options(int="filters  size", str="activation", floats="") == {
        "filters": "int", "size": "int", "activation": "str",
    }  # fmt: skip
    with pytest.raises(KeyError):
        options(double="filters")
