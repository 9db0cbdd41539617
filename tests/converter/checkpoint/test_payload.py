"""Values between the two files: a matrix that is stored transposed, rounding, comparing."""

import struct
from hashlib import sha256

import numpy as np
import pytest
from safetensors.numpy import save_file

from converter.checkpoint import payload
from converter.checkpoint.payload import Comparison
from converter.checkpoint.reader import Tensors
from converter.darknet.header import Header
from converter.darknet.network import parse_network
from converter.errors import CheckpointError, OutputError
from converter.families import generic
from converter.files.source import opened
from converter.plan import make_plan

# A matrix from 3 values to 2, as a version with more than 1000 in it stores it: (3, 2). The count
# of pictures of such a file has four bytes (pj parser.c:1230), so its header has 16.
TEXT = "[net]\ninputs=3\n[connected]\noutput=2\nactivation=linear\n"
VERSION = (1001, 2, 0)
BIASES, MATRIX = [10, 20], [1, 2, 3, 4, 5, 6]
TURNED = [1, 3, 5, 2, 4, 6]  # (2, 3), a row for each output


def plan_of(text, header):
    network = parse_network(text)
    return make_plan(
        header=header, size=None, network=network, naming=generic.name_layers(network),
        dialect="pjreddie",
    )  # fmt: skip


@pytest.fixture
def matrix(tmp_path):
    """The file's path and its plan."""
    path = tmp_path / "x.weights"
    path.write_bytes(struct.pack("<4i8f", *VERSION, 0, *BIASES, *MATRIX))
    return path, plan_of(TEXT, Header.decode(path.read_bytes()[:16], "pjreddie"))


@pytest.fixture
def checkpoint(matrix, tmp_path):
    """What the .weights file says, by hand and through the safetensors library."""
    _, plan = matrix
    values = dict(zip((slot.tensor for slot in plan.slots), (BIASES, TURNED), strict=True))

    def write(dtype="<f4", **changes):
        tensors = {
            slot.tensor: np.array(values[slot.tensor], dtype).reshape(slot.shape)
            for slot in plan.slots
        }
        save_file(tensors | changes, tmp_path / "x.safetensors")
        return tmp_path / "x.safetensors"

    return write


def written(matrix, tmp_path, function, *arguments):
    """What ``function`` writes from byte 5 of a file on, and what it returns."""
    path, plan = matrix
    target = tmp_path / "target"
    with opened(path) as source, open(target, "w+b") as file:
        result = function(source, plan, file, 5, *arguments)
    return target.read_bytes()[5:], result


def test_a_transposed_matrix_is_turned(matrix, tmp_path):
    reached = []
    data, _ = written(matrix, tmp_path, payload.write, reached.append)
    assert struct.unpack("<8f", data) == (*BIASES, *TURNED)
    assert reached == [5 + 2 * 4]  # the biases; the matrix does not lie as in the source


def test_plain_arrays_are_copied_to_the_last_byte(toy, tmp_path):
    data = toy.weights.read_bytes()
    plan = plan_of(toy.text, Header.decode(data[:20], "pjreddie"))
    reached = []
    copied, _ = written((toy.weights, plan), tmp_path, payload.write, reached.append)
    assert copied == data[20:]
    assert reached[-1] == 5 + len(data) - 20


def test_the_largest_rounding_error_is_returned(matrix, tmp_path):
    path, _ = matrix
    # float16 has 10 bits of fraction: 1 + 2^-11 lies halfway and goes to the even neighbour, 1;
    # 2049 lies between 2048 and 2050, where values are 2 apart. Infinity has no error.
    values = [1 + 2**-11, 0, 2049, float("inf"), 0, 0, 0, 0]
    path.write_bytes(struct.pack("<4i8f", *VERSION, 0, *values))
    data, error = written(matrix, tmp_path, payload.write_rounded, "float16")
    assert error == 1
    assert np.frombuffer(data, "<f2").tolist() == [1, 0, 2048, 0, 0, float("inf"), 0, 0]


def test_an_overflow_names_its_tensor(matrix, tmp_path):
    path, plan = matrix
    path.write_bytes(struct.pack("<4i8f", *VERSION, 0, 0, 0, 65504, 65520, 0, 0, 0, 0))
    with pytest.raises(OutputError) as caught:
        written(matrix, tmp_path, payload.write_rounded, "float16")
    assert caught.value.place == plan.slots[1].tensor


def test_the_way_back_turns_it_again(matrix, checkpoint, tmp_path):
    path, plan = matrix
    with Tensors(checkpoint(), "float32") as tensors, open(tmp_path / "back", "wb") as file:
        digest = payload.restore(tensors, plan, file)
    assert (tmp_path / "back").read_bytes() == path.read_bytes()
    assert digest == sha256(path.read_bytes()).hexdigest()


def test_what_cannot_be_restored_is_refused(matrix, checkpoint):
    _, plan = matrix
    name = plan.slots[1].tensor
    with (
        Tensors(checkpoint(**{name: np.zeros((3, 2), "<f4")}), "float32") as tensors,
        pytest.raises(CheckpointError) as caught,
    ):
        payload.require_all(tensors, plan)
    assert caught.value.place == name


def test_equal_values_are_equal_and_every_one_is_shown(matrix, checkpoint):
    path, plan = matrix
    shown = []
    with opened(path) as source, Tensors(checkpoint(), "float32") as tensors:
        found = payload.compare(
            source, plan, tensors, lambda slot, values: shown.extend(values.ravel().tolist())
        )
    assert found.ok
    assert shown == [*BIASES, *TURNED]


def test_rounded_values_are_compared_with_what_the_source_rounds_to(matrix, checkpoint):
    path, plan = matrix
    with opened(path) as source, Tensors(checkpoint("<f2"), "float16") as tensors:
        assert payload.compare(source, plan, tensors).ok


def test_a_matrix_that_was_not_turned_is_another(matrix, checkpoint):
    path, plan = matrix
    name = plan.slots[1].tensor
    straight = checkpoint(**{name: np.array(MATRIX, "<f4").reshape(2, 3)})
    with opened(path) as source, Tensors(straight, "float32") as tensors:
        found = payload.compare(source, plan, tensors)
    assert (found.ok, found.mismatched) == (False, (name,))


def test_a_missing_tensor_is_not_counted_as_different_too(matrix):
    _, plan = matrix
    biases, kernel = plan.slots
    found = Comparison(
        rows=((biases, False), (kernel, False)), missing=(biases.tensor,), unexpected=()
    )
    assert found.mismatched == (kernel.tensor,)
    assert not Comparison(rows=((kernel, True),), missing=(), unexpected=("more",)).ok
