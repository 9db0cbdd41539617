"""A checkpoint's values, opened by the safetensors library."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors import SafetensorError
from safetensors.numpy import load_file
from safetensors.torch import save_file

from converter import convert, revert, verify
from converter.checkpoint import header, reader
from converter.checkpoint.dtypes import WIDTHS, widen
from converter.checkpoint.reader import Tensors, WholeTensors
from converter.darknet.header import Header
from converter.darknet.network import parse_network
from converter.errors import CheckpointError
from converter.families import generic
from converter.families.rules import Variance
from converter.plan import make_plan

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


# A matrix of two rows that the .weights file holds transposed, and a list.
MATRIX = np.array([[1, 3, 5], [2, 4, 6]], "<f4")
TEXT = "[net]\ninputs=3\n[connected]\noutput=2\nactivation=linear\n"


@pytest.fixture
def slots():
    network = parse_network(TEXT)
    plan = make_plan(
        header=Header(major=1001, minor=2, revision=0, seen=0, size=16), size=None,
        network=network, naming=generic.name_layers(network), dialect="pjreddie",
    )  # fmt: skip
    biases, kernel = plan.slots
    assert kernel.transposed
    return biases, kernel


@pytest.fixture
def stored(tmp_path, slots):
    """Writes both tensors, one in another way if that is given."""

    def write(dtype="float32", **changes):
        biases, kernel = slots
        values = {biases.tensor: torch.tensor([10.0, 20.0]), kernel.tensor: torch.tensor(MATRIX)}
        tensors = {name: t.to(getattr(torch, dtype)) for name, t in values.items()} | changes
        path = tmp_path / "x.safetensors"
        save_file({name: t for name, t in tensors.items() if t is not None}, path)
        return path

    return write


DTYPES = ["float32", "float16", "bfloat16"]


@pytest.mark.parametrize("dtype", DTYPES)
class TestValues:
    def test_rows_are_bits(self, stored, slots, dtype):
        biases, kernel = slots
        with Tensors(stored(dtype), dtype) as tensors:
            rows = tensors.rows(kernel)
            whole = widen(rows(0, 2), dtype)
            np.testing.assert_array_equal(whole, MATRIX)
            np.testing.assert_array_equal(widen(rows(1, 1), dtype), MATRIX[1:])
            assert rows(0, 2).dtype.itemsize == WIDTHS[dtype]
            # a list is a row of one value for each
            np.testing.assert_array_equal(widen(tensors.rows(biases)(0, 2), dtype), [[10], [20]])

    @pytest.mark.parametrize("chunk", [4, 8, 1 << 18])
    def test_in_the_order_of_the_file(self, stored, slots, dtype, chunk, monkeypatch):
        monkeypatch.setattr(reader, "CHUNK", chunk)
        biases, kernel = slots
        with Tensors(stored(dtype), dtype) as tensors:
            for slot, expected in ((biases, [10, 20]), (kernel, [1, 2, 3, 4, 5, 6])):
                blocks = list(tensors.in_file_order(slot))
                assert np.concatenate([block.ravel() for block in blocks]).tolist() == expected
                assert all(block.flags.c_contiguous for block in blocks)
                assert all(block.dtype == np.dtype("<f4") for block in blocks)

    def test_a_block_is_a_row_and_as_many_as_fit(self, stored, slots, dtype, monkeypatch):
        """Of float32, which they become: two values a column here, one in the list."""
        biases, kernel = slots
        with Tensors(stored(dtype), dtype) as tensors:
            for chunk, counts in ((4, (2, 3)), (8, (1, 3)), (16, (1, 2)), (24, (1, 1))):
                monkeypatch.setattr(reader, "CHUNK", chunk)
                found = tuple(len(list(tensors.in_file_order(s))) for s in (biases, kernel))
                assert found == counts, chunk

    def test_what_fits(self, stored, slots, dtype):
        biases, kernel = slots
        other = torch.zeros(3, 2, dtype=getattr(torch, dtype))
        with Tensors(stored(dtype, **{kernel.tensor: other}), dtype) as tensors:
            assert tensors.fits(biases)
            assert not tensors.fits(kernel)
            tensors.require(biases)
            with pytest.raises(CheckpointError) as caught:
                tensors.require(kernel)
        code = {"float32": "F32", "float16": "F16", "bfloat16": "BF16"}[dtype]
        assert caught.value.message == f"is {code} (3, 2), not {code} (2, 3)"
        assert (caught.value.path, caught.value.place) == (str(tensors.path), kernel.tensor)


def test_another_type_does_not_fit(stored, slots):
    with Tensors(stored("float16"), "float32") as tensors:
        assert not tensors.fits(slots[0])
        with pytest.raises(CheckpointError, match=r"is F16 \(2,\), not F32 \(2,\)"):
            tensors.require(slots[0])


def test_a_tensor_that_is_missing(stored, slots):
    path = stored(**{slots[0].tensor: None})
    with Tensors(path, "float32") as tensors:
        with pytest.raises(CheckpointError) as caught:
            tensors.require(slots[0])
        assert tensors.names == {slots[1].tensor}
    assert str(caught.value) == f"{path}: {slots[0].tensor}: is missing"


def test_what_only_counts_is_passed_over(stored, slots):
    path = stored(**{"a.num_batches_tracked": torch.tensor(7)})
    with Tensors(path, "float32") as tensors:
        assert tensors.names == {slot.tensor for slot in slots}
        assert tensors.array("a.num_batches_tracked") == 7
        np.testing.assert_array_equal(tensors.array(slots[1].tensor), MATRIX)


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        ((2, 3, 1, 1), [0, 3, 1, 4, 2, 5]),
        ((2, 3, 1, 2), [0, 6, 1, 7, 2, 8, 3, 9, 4, 10, 5, 11]),
    ],
)
def test_a_kernel_of_four_dimensions_that_is_transposed(tmp_path, slots, shape, expected):
    """The file has the transpose of the matrix (shape[0], rest): column by column."""
    kernel = replace(slots[1], shape=shape)
    path = tmp_path / "x.safetensors"
    save_file({kernel.tensor: torch.arange(0.0, len(expected)).reshape(shape)}, path)
    with Tensors(path, "float32") as tensors:
        blocks = list(tensors.in_file_order(kernel))
    assert np.concatenate(blocks).ravel().tolist() == expected


def test_a_last_block_has_the_rows_that_are_left(toy, monkeypatch):
    plan = convert(toy.weights).plan
    monkeypatch.setattr(reader, "CHUNK", 3 * 27 * 4)  # three rows of the kernel's four
    with Tensors(toy.checkpoint, "float32") as tensors:
        first, rest = tensors.in_file_order(plan.slots[4])
    assert (first.shape, rest.shape) == ((3, 27), (1, 27))
    values = np.fromfile(toy.weights, "<f4", offset=20)
    np.testing.assert_array_equal(np.concatenate([first, rest]).ravel(), values[16 : 16 + 108])


@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_a_matrix_need_not_fit_into_memory(stored, slots, dtype, monkeypatch):
    """It is read a few columns at a time, and never by its rows."""
    monkeypatch.setattr(Tensors, "rows", None)
    with Tensors(stored(dtype), dtype) as tensors:
        blocks = list(tensors.in_file_order(slots[1]))
    assert np.concatenate(blocks).ravel().tolist() == [1, 2, 3, 4, 5, 6]


def test_the_way_back_of_a_rule(stored, slots):
    ruled = replace(slots[0], rule=Variance(1e-3))
    with Tensors(stored(), "float32") as tensors:
        (values,) = tensors.in_file_order(ruled)
    # what the rule took away comes on again: 1e-3 - 1e-5
    np.testing.assert_allclose(values.ravel(), [10.00099, 20.00099], rtol=1e-7)


def test_a_header_that_was_read_is_not_read_again(stored, slots, monkeypatch):
    path = stored("bfloat16")
    contents = header.read_contents(path)
    monkeypatch.setattr(reader, "read_contents", None)
    with Tensors(path, "bfloat16", contents) as tensors:
        np.testing.assert_array_equal(widen(tensors.rows(slots[1])(0, 2), "bfloat16"), MATRIX)


def test_what_is_no_checkpoint(tmp_path):
    path = tmp_path / "x.safetensors"
    path.write_bytes(b"12345678{}")
    with pytest.raises(CheckpointError, match="is not a safetensors file: ") as caught:
        Tensors(path, "float32")
    assert caught.value.path == str(path)
    assert str(caught.value.__cause__) in caught.value.message  # the library's words
    with pytest.raises(CheckpointError) as caught:
        Tensors(tmp_path / "none", "float32")
    assert str(caught.value) == f"{tmp_path / 'none'}: cannot be read"


class InMemory(WholeTensors):
    """The matrix and the list as arrays; bfloat16 as its bits, the upper half of float32's."""

    def __init__(self, slots, dtype):
        self.dtype, self.biases = dtype, slots[0].tensor

    def array(self, name):
        values = np.array([10, 20], "<f4") if name == self.biases else MATRIX.copy()
        if self.dtype == "bfloat16":
            return (values.view("<u4") >> 16).astype("<u2")
        return values.astype(self.dtype)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("chunk", [4, 8, 1 << 18])
def test_tensors_that_are_read_as_a_whole(slots, dtype, chunk, monkeypatch):
    monkeypatch.setattr(reader, "CHUNK", chunk)
    biases, kernel = slots
    tensors = InMemory(slots, dtype)
    rows = tensors.rows(kernel)
    np.testing.assert_array_equal(widen(rows(0, 2), dtype), MATRIX)
    np.testing.assert_array_equal(widen(rows(1, 1), dtype), MATRIX[1:])
    np.testing.assert_array_equal(widen(tensors.rows(biases)(0, 2), dtype), [[10], [20]])
    np.testing.assert_array_equal(np.vstack([*tensors.in_file_order(kernel)]), MATRIX.T)


def test_nothing_is_mapped_at_the_end(stored, slots):
    with Tensors(stored("bfloat16"), "bfloat16") as tensors:
        tensors.rows(slots[0])
        assert "_values" in vars(tensors)
    assert "_values" not in vars(tensors)


def test_it_is_closed_at_the_end(stored, slots):
    with Tensors(stored(), "float32") as tensors:
        pass
    with pytest.raises(SafetensorError):
        tensors.array(slots[0].tensor)
