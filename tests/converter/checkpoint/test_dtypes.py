"""Rounding to 16 bits, against PyTorch's."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from converter.checkpoint.dtypes import narrow, widen
from converter.errors import OutputError

TORCH = {"float16": torch.float16, "bfloat16": torch.bfloat16}
LARGEST = {"float16": 65504.0, "bfloat16": float(torch.finfo(torch.bfloat16).max)}


def values(*items) -> np.ndarray:
    return np.array(items, "<f4")


@pytest.mark.parametrize("dtype", TORCH)
@given(st.lists(st.floats(width=32, allow_nan=False), min_size=1))
def test_rounding_is_that_of_pytorch(dtype, items):
    x = np.clip(values(*items), -LARGEST[dtype], LARGEST[dtype])
    ours = widen(narrow(x, dtype), dtype)
    theirs = torch.from_numpy(x).to(TORCH[dtype]).float().numpy()
    np.testing.assert_array_equal(ours.view("<u4"), theirs.view("<u4"))


@pytest.mark.parametrize(
    ("dtype", "value", "rounded"),
    [
        # Halfway between two neighbours, to the even one: 1 + 2^-11 and 1 + 3 * 2^-11 in float16
        # (spacing 2^-10), 1 + 2^-8 and 1 + 3 * 2^-8 in bfloat16 (spacing 2^-7).
        ("float16", 1 + 2**-11, 1.0),
        ("float16", 1 + 3 * 2**-11, 1 + 2 * 2**-10),
        ("bfloat16", 1 + 2**-8, 1.0),
        ("bfloat16", 1 + 3 * 2**-8, 1 + 2 * 2**-7),
        ("bfloat16", -0.0, -0.0),
        ("float16", float("inf"), float("inf")),
        ("bfloat16", float("-inf"), float("-inf")),
    ],
)
def test_ties_go_to_the_even_neighbour(dtype, value, rounded):
    found = widen(narrow(values(value), dtype), dtype)
    np.testing.assert_array_equal(found.view("<u4"), values(rounded).view("<u4"))


@pytest.mark.parametrize("dtype", TORCH)
def test_nan_stays_nan(dtype):
    # A signalling NaN whose payload is in the lower half only, and the largest NaN.
    x = np.array([0x7F800001, 0xFFFFFFFF, 0x7FC00000], "<u4").view("<f4")
    assert np.isnan(widen(narrow(x, dtype), dtype)).all()


@pytest.mark.parametrize(
    ("dtype", "value"), [("float16", 65520.0), ("float16", -1e30), ("bfloat16", 3.4e38)]
)
def test_overflow_is_refused(dtype, value):
    with pytest.raises(OutputError, match="does not fit into"):
        narrow(values(1.0, value), dtype)


def test_float32_is_left_alone():
    x = values(1.5, -0.0)
    np.testing.assert_array_equal(narrow(x, "float32"), x.view("<u4"))
