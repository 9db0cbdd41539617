"""A checkpoint's values, opened by the safetensors library."""

import numpy as np
import pytest
from safetensors.numpy import load_file

from converter import convert, revert, verify
from converter.checkpoint import header
from converter.checkpoint.reader import Tensors

HEAD = "[net]\nwidth=8\nheight=8\nchannels=3\n"
LAYER = "[convolutional]\nfilters=3\nsize=3\npad=1\n"


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
def test_the_header_is_not_read_for_each_tensor(make, monkeypatch, dtype):
    """Each time takes as long as there are tensors: 500 layers took 46 s."""
    read, calls = header.read_head, []

    def counted(path):
        calls.append(path)
        return read(path)

    monkeypatch.setattr(header, "read_head", counted)
    counts = []
    for layers in (2, 20):
        files = make(HEAD + layers * LAYER, f"net{layers}")
        calls.clear()
        convert(files.weights, dtype=dtype)
        assert verify(files.weights, files.checkpoint).ok
        revert(files.checkpoint, files.weights.with_name("back.weights"), force=True)
        counts.append(len(calls))
    assert counts[0] == counts[1]


def test_values_of_bfloat16_are_those_of_their_own_tensor(make):
    files = make(HEAD + 3 * LAYER)
    exact = load_file(convert(files.weights, files.weights.with_name("exact.safetensors")).output)
    plan = convert(files.weights, dtype="bfloat16").plan
    with Tensors(files.checkpoint, "bfloat16") as tensors:
        for slot in plan.tensors:
            (values,) = tensors.in_file_order(slot)
            # seven bits of fraction: half a step is 2^-8 of the value
            np.testing.assert_allclose(values.ravel(), exact[slot.tensor].ravel(), rtol=2**-8)
