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
    ("dtype", "value", "told"),
    [
        # Halfway from the largest to what would be the next: 65504 + 16, and 2^128 - 2^119.
        (
            "float16",
            65520.0,
            "the value 65520 does not fit into float16 (bfloat16 has the range of",
        ),
        ("float16", -1e30, "the value -1e+30 does not fit into float16 (bfloat16 has the range of"),
        ("bfloat16", 2.0**128 - 2.0**119, "the value 3.39618e+38 does not fit into bfloat16"),
    ],
)
def test_overflow_is_refused(dtype, value, told):
    with pytest.raises(OutputError) as caught:
        narrow(values(1.0, float("inf"), value), dtype)
    assert str(caught.value) == told + (" float32)" if dtype == "float16" else "")


@pytest.mark.parametrize(
    ("dtype", "value", "largest"),
    [("float16", 65519.99, 65504.0), ("bfloat16", 2.0**128 - 2.0**120, LARGEST["bfloat16"])],
)
def test_what_rounds_to_the_largest_fits(dtype, value, largest):
    assert widen(narrow(values(value), dtype), dtype) == largest


@pytest.mark.parametrize("dtype", TORCH)
def test_every_bit_pattern_is_widened_as_pytorch_does(dtype):
    bits = np.arange(2**16, dtype="<u2")
    theirs = torch.from_numpy(bits.view("<i2")).view(TORCH[dtype]).float().numpy()
    ours = widen(bits, dtype)
    assert ours.dtype == np.dtype("<f4")
    number = ~np.isnan(theirs)
    np.testing.assert_array_equal(ours[number].view("<u4"), theirs[number].view("<u4"))
    assert np.isnan(ours[~number]).all()


@pytest.mark.parametrize("dtype", TORCH)
def test_bits_have_two_bytes_and_come_back(dtype):
    bits = np.arange(2**16, dtype="<u2")
    known = ~np.isnan(widen(bits, dtype))
    found = narrow(widen(bits, dtype)[known], dtype)
    assert found.dtype == np.dtype("<u2")
    np.testing.assert_array_equal(found, bits[known])


def test_a_nan_keeps_its_sign_and_becomes_quiet():
    x = np.array([0x7F800001, 0xFF800001, 0x7FC00000, 0xFFFFFFFF], "<u4").view("<f4")
    assert narrow(x, "bfloat16").tolist() == [0x7FC0, 0xFFC0, 0x7FC0, 0xFFFF]


def test_float32_is_left_alone():
    x = values(1.5, -0.0)
    np.testing.assert_array_equal(narrow(x, "float32"), x.view("<u4"))
    again = widen(x.view("<u4"), "float32")
    assert again.dtype == np.dtype("<f4")
    np.testing.assert_array_equal(again.view("<u4"), x.view("<u4"))
