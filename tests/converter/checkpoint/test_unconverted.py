"""A .weights file as a checkpoint: its values, from their places in the file by arithmetic."""

import os

import numpy as np
import pytest

from converter import CheckpointError, WeightsError
from converter.operations.opening import open_stored

# A matrix that a header of such a version says is transposed: pj parser.c:1243.
MATRIX = """\
[net]
width=4
height=4
channels=2

[connected]
output=5
activation=linear
"""


@pytest.fixture
def stored(toy):
    return open_stored(toy.weights)


@pytest.fixture
def transposed(tmp_path):
    """Five biases, 0 to 4, and 32 x 5 weights, 5 to 164."""
    (tmp_path / "net.cfg").write_text(MATRIX)
    header = np.array([1001, 2, 0, 0, 0], "<i4").tobytes()
    (tmp_path / "net.weights").write_bytes(header + np.arange(165, dtype="<f4").tobytes())
    return open_stored(tmp_path / "net.weights")


def test_it_says_where_its_tensors_are(stored, toy):
    """In the file: 4 biases, scales, means and variances each, 4 x 3 x 3 x 3 weights, 2, 2 x 4."""
    assert (stored.contents.path, stored.contents.start) == (toy.weights, 20)
    found = [
        (entry.dtype, entry.shape, entry.offsets) for entry in stored.contents.entries.values()
    ]
    assert sorted(found, key=lambda entry: entry[2]) == [
        ("F32", (4,), (0, 16)),
        ("F32", (4,), (16, 32)),
        ("F32", (4,), (32, 48)),
        ("F32", (4,), (48, 64)),
        ("F32", (4, 3, 3, 3), (64, 496)),
        ("F32", (2,), (496, 504)),
        ("F32", (2, 4, 1, 1), (504, 536)),
    ]


def test_it_says_what_it_was_read_from(stored, toy):
    assert stored.inputs == (toy.weights, toy.cfg)
    assert stored.changed_at == toy.weights.stat().st_mtime_ns
    assert not stored.is_mappable


def test_its_values_are_the_files(stored, toy):
    data = toy.weights.read_bytes()[20:]
    with stored.tensors() as tensors:
        assert tensors.names == set(stored.contents.entries)
        for name, entry in stored.contents.entries.items():
            found = tensors.array(name)
            assert found.shape == entry.shape
            assert found.tobytes() == data[slice(*entry.offsets)]


def test_an_array_is_the_readers_own(stored):
    name = next(iter(stored.contents.entries))
    with stored.tensors() as tensors:
        before = tensors.array(name).copy()
        tensors.array(name)[:] = 7
        np.testing.assert_array_equal(tensors.array(name), before)


def test_a_transposed_matrix_is_turned(transposed):
    """The file has the first weight of each output side by side."""
    (slot,) = (slot for slot in transposed.plan.tensors if slot.transposed)
    wanted = np.arange(5, 165, dtype=np.float32).reshape(32, 5).T
    with transposed.tensors() as tensors:
        np.testing.assert_array_equal(tensors.array(slot.tensor), wanted)
        np.testing.assert_array_equal(tensors.rows(slot)(1, 2).view("<f4"), wanted[1:3])
        back = np.concatenate([block.ravel() for block in tensors.in_file_order(slot)])
    np.testing.assert_array_equal(back, np.arange(5, 165))


def test_a_tensor_that_is_missing_or_of_another_shape_is_named(stored, transposed):
    (foreign, *_) = transposed.plan.tensors
    with stored.tensors() as tensors:
        for slot in stored.plan.tensors:
            tensors.require(slot)
        with pytest.raises(CheckpointError, match="is missing") as refused:
            tensors.require(foreign)
    assert refused.value.place == foreign.tensor


class TestAnotherFileByNow:
    def test_changed(self, stored, toy):
        os.utime(toy.weights, ns=(0, stored.changed_at + 10**9))
        with pytest.raises(WeightsError, match="changed while it was read"):
            stored.tensors()

    def test_longer_though_its_time_is_the_same(self, stored, toy):
        with open(toy.weights, "ab") as file:
            file.write(bytes(4))
        os.utime(toy.weights, ns=(0, stored.changed_at))
        with pytest.raises(WeightsError, match="changed while it was read"):
            stored.tensors()

    def test_gone(self, stored, toy):
        toy.weights.unlink()
        with pytest.raises(WeightsError, match=r"toy\.weights: no such file"):
            stored.tensors()
