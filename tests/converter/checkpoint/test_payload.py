"""Values between the two files: a matrix that is stored transposed, rounding, comparing."""

import os
import struct
from dataclasses import replace
from hashlib import sha256

import numpy as np
import pytest
from safetensors.numpy import save_file

from converter.checkpoint import payload, reader
from converter.checkpoint.payload import Comparison
from converter.checkpoint.reader import Tensors
from converter.darknet.header import Header
from converter.darknet.network import parse_network
from converter.errors import CheckpointError, OutputError
from converter.families import generic
from converter.families.porting import conv_module, name_convolutions
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
    data, _ = written(matrix, tmp_path, payload.write)
    assert struct.unpack("<8f", data) == (*BIASES, *TURNED)


def test_plain_arrays_are_copied_to_the_last_byte(toy, tmp_path):
    data = toy.weights.read_bytes()
    plan = plan_of(toy.text, Header.decode(data[:20], "pjreddie"))
    copied, _ = written((toy.weights, plan), tmp_path, payload.write)
    assert copied == data[20:]


def test_the_largest_rounding_error_is_returned(matrix, tmp_path):
    path, _ = matrix
    # float16 has 10 bits of fraction: 1 + 2^-11 lies halfway and goes to the even neighbour, 1;
    # 2049 lies between 2048 and 2050, where values are 2 apart. Infinity has no error.
    values = [1 + 2**-11, 0, 2049, float("inf"), 0, 0, 0, 0]
    path.write_bytes(struct.pack("<4i8f", *VERSION, 0, *values))
    data, error = written(matrix, tmp_path, payload.write_rounded, "float16")
    assert error == 1
    assert np.frombuffer(data, "<f2").tolist() == [1, 0, 2048, 0, 0, float("inf"), 0, 0]


def test_infinities_alone_have_no_error(matrix, tmp_path):
    path, _ = matrix
    path.write_bytes(struct.pack("<4i8f", *VERSION, 0, *[float("inf")] * 8))
    data, error = written(matrix, tmp_path, payload.write_rounded, "float16")
    assert (np.frombuffer(data, "<f2").tolist(), error) == ([float("inf")] * 8, 0)


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
            source, plan, tensors, lambda *seen: shown.append((seen[0], seen[1].ravel().tolist()))
        )
    assert found.ok
    assert shown == list(zip(plan.slots, (BIASES, TURNED), strict=True))


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


def test_a_comparison_in_a_few_words(matrix):
    _, plan = matrix
    biases, kernel = plan.slots
    found = Comparison(
        rows=((biases, True), (kernel, False)), missing=("a",), unexpected=("b", "c")
    )
    assert repr(found) == "Comparison(1 of 2 tensors equal, 1 missing, 2 unexpected)"


def test_anything_surplus_is_no_equal_checkpoint(matrix, checkpoint):
    path, plan = matrix
    more = {"b": np.zeros(1, "<f4"), "a": np.zeros(1, "<f4"), "x.total_ops": np.zeros(1, "<f4")}
    with opened(path) as source, Tensors(checkpoint(**more), "float32") as tensors:
        found = payload.compare(source, plan, tensors)
    assert (found.ok, found.unexpected, found.missing) == (False, ("a", "b"), ())
    extras = replace(plan, naming=replace(plan.naming, extras="[ab]"))
    with opened(path) as source, Tensors(checkpoint(**more), "float32") as tensors:
        assert payload.compare(source, extras, tensors).ok


def test_a_tensor_that_is_missing_or_of_another_type(matrix, checkpoint):
    path, plan = matrix
    biases, kernel = (slot.tensor for slot in plan.slots)
    lacking = checkpoint()
    save_file({biases: np.array(BIASES, "<f2")}, lacking)
    with opened(path) as source, Tensors(lacking, "float32") as tensors:
        found = payload.compare(source, plan, tensors)
    assert (found.missing, found.mismatched, found.ok) == ((kernel,), (biases,), False)
    assert [equal for _, equal in found.rows] == [False, False]


@pytest.mark.parametrize("place", range(8))
def test_one_bit_anywhere_is_another_value(matrix, checkpoint, place):
    path, plan = matrix
    data = bytearray(path.read_bytes())
    data[16 + 4 * place] ^= 1
    path.write_bytes(data)
    with opened(path) as source, Tensors(checkpoint(), "float32") as tensors:
        found = payload.compare(source, plan, tensors)
    assert found.mismatched == (plan.slots[0 if place < 2 else 1].tensor,)


class TestInPieces:
    """Buffers of 16 bytes: every array goes through several."""

    @pytest.fixture(autouse=True)
    def small(self, monkeypatch):
        monkeypatch.setattr(payload, "CHUNK", 16)
        monkeypatch.setattr(payload, "PIECE", 16)
        monkeypatch.setattr(reader, "CHUNK", 16)

    @pytest.fixture
    def kept(self, toy):
        """The toy network, of which the second layer has no place in the checkpoint."""
        data = toy.weights.read_bytes()
        plan = plan_of(toy.text, Header.decode(data[:20], "pjreddie"))
        return toy.weights, plan

    def test_a_tensor_in_memory(self, matrix, toy):
        path, plan = matrix
        with opened(path) as source:
            biases, kernel = (payload.tensor_of(source, slot) for slot in plan.slots)
        assert (biases.dtype, biases.tolist()) == (np.dtype("<f4"), BIASES)
        assert kernel.tolist() == [TURNED[:3], TURNED[3:]]
        data = toy.weights.read_bytes()
        slot = plan_of(toy.text, Header.decode(data[:20], "pjreddie")).slots[4]
        with opened(toy.weights) as source:
            found = payload.tensor_of(source, slot)
        assert found.shape == (4, 3, 3, 3)
        assert found.tobytes() == data[84:516]  # tests/converter/test_plan.py

    def test_copied(self, kept, tmp_path):
        copied, _ = written(kept, tmp_path, payload.write)
        assert copied == kept[0].read_bytes()[20:]

    def test_the_end_of_each_piece_is_given_to_whoever_follows(self, kept, tmp_path):
        """From byte 5 on, where the 536 bytes behind a header of 20 then end at 541."""
        path, plan = kept
        ends = []
        with opened(path) as source, open(tmp_path / "x", "w+b") as target:
            payload.write(source, plan, target, 5, ends.append)
        # pieces of the source end at 32, 48, ..., 544 and 556
        assert ends == [*range(17, 530, 16), 541]

    @pytest.mark.parametrize("chunk", [4, 16, 1000])
    def test_what_is_left_out_leaves_no_gap(self, kept, tmp_path, monkeypatch, chunk):
        monkeypatch.setattr(payload, "PIECE", chunk)
        path, plan = kept
        slots = tuple(replace(slot, tensor="") if n in (1, 4, 6) else slot
                      for n, slot in enumerate(plan.slots))  # fmt: skip
        copied, _ = written((path, replace(plan, slots=slots)), tmp_path, payload.write)
        data = path.read_bytes()
        # Scales are bytes 36 to 51, the kernel 84 to 515, the last weights 524 to 555:
        # tests/converter/test_plan.py.
        assert copied == data[20:36] + data[52:84] + data[516:524]

    def test_blocks_are_a_row_and_as_many_as_fit(self, matrix, toy, monkeypatch):
        """Two rows of three values; then four of 27, of 108 bytes each."""
        path, plan = matrix
        kernel = plan.slots[1]
        with opened(path) as source:
            for chunk, rows in ((4, [1, 1]), (12, [1, 1]), (23, [1, 1]), (24, [2])):
                monkeypatch.setattr(payload, "CHUNK", chunk)
                found = [values for _, values in payload.rows_of(source, kernel)]
                assert [len(values) for values in found] == rows, chunk
                assert all(values.flags.c_contiguous for values in found)
        data = toy.weights.read_bytes()
        kernel = plan_of(toy.text, Header.decode(data[:20], "pjreddie")).slots[4]
        with opened(toy.weights) as source:
            for chunk, rows in ((4, [1] * 4), (323, [2, 2]), (324, [3, 1]), (9999, [4])):
                monkeypatch.setattr(payload, "CHUNK", chunk)
                found = [values.shape for _, values in payload.rows_of(source, kernel)]
                assert found == [(count, 27) for count in rows], chunk

    def test_a_matrix_is_turned(self, matrix, tmp_path):
        data, _ = written(matrix, tmp_path, payload.write)
        assert struct.unpack("<8f", data) == (*BIASES, *TURNED)

    @pytest.mark.parametrize(("dtype", "code"), [("float16", "<f2"), ("float32", "<f4")])
    def test_compared(self, matrix, checkpoint, dtype, code):
        path, plan = matrix
        with opened(path) as source, Tensors(checkpoint(code), dtype) as tensors:
            assert payload.compare(source, plan, tensors).ok

    def test_and_back(self, matrix, checkpoint, tmp_path):
        path, plan = matrix
        with Tensors(checkpoint(), "float32") as tensors, open(tmp_path / "back", "wb") as file:
            digest = payload.restore(tensors, plan, file)
        assert (tmp_path / "back").read_bytes() == path.read_bytes()
        assert digest == sha256(path.read_bytes()).hexdigest()

    def test_rounded(self, kept, tmp_path):
        path, _ = kept
        data, error = written(kept, tmp_path, payload.write_rounded, "float16")
        exact = np.fromfile(path, "<f4", offset=20)
        np.testing.assert_array_equal(np.frombuffer(data, "<f2"), exact.astype("<f2"))
        assert error == np.abs(exact.astype("<f2").astype("<f4") - exact).max() > 0


def test_neighbours_are_copied_in_one_go(toy):
    plan = plan_of(toy.text, Header.decode(toy.weights.read_bytes()[:20], "pjreddie"))
    # Bytes 20 to 555, to 5 and on
    assert payload._targets(plan, 5) == ([(20, 556, -15)], [])


@pytest.mark.parametrize("full", [False, True])
def test_the_disk_is_reserved_at_once(matrix, tmp_path, monkeypatch, full):
    reserved = []

    def reserve(descriptor, start, size):
        reserved.append((start, size))
        if full:
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", reserve, raising=False)
    data, _ = written(matrix, tmp_path, payload.write)
    assert reserved == [(0, 5 + 4 * 8)]
    assert len(data) == 4 * 8


def test_a_disk_that_takes_a_few_bytes_at_a_time(toy, tmp_path, monkeypatch):
    pwrite = os.pwrite
    monkeypatch.setattr(os, "pwrite", lambda fd, data, at: pwrite(fd, data[:7], at))
    data = toy.weights.read_bytes()
    plan = plan_of(toy.text, Header.decode(data[:20], "pjreddie"))
    assert written((toy.weights, plan), tmp_path, payload.write)[0] == data[20:]


class TestRules:
    """A port whose batch norm adds 1e-4: of a variance v it keeps v - 9e-5, at least 0."""

    TEXT = (
        "[net]\nwidth=2\nheight=2\nchannels=1\n"
        "[convolutional]\nbatch_normalize=1\nfilters=3\nsize=1\nactivation=linear\n"
    )
    # biases, scales, means, variances, kernel; of the second filter the variance is too small
    VALUES = (1, 2, 3, 5, 3, 6, 7, 8, 9, 1, 6e-5, 2, 4, 5, 6)

    @pytest.fixture
    def ruled(self, tmp_path):
        path = tmp_path / "x.weights"
        path.write_bytes(struct.pack("<3iQ15f", 0, 2, 0, 0, *self.VALUES))
        network = parse_network(self.TEXT)
        naming = name_convolutions("port", network, [conv_module("a")], eps=1e-4)
        plan = make_plan(
            header=Header(major=0, minor=2, revision=0, seen=0, size=20), size=None,
            network=network, naming=naming, dialect="pjreddie",
        )  # fmt: skip
        return path, plan

    def stored(self, ruled, tmp_path, **changes):
        data, _ = written(ruled, tmp_path, payload.write)
        values = np.frombuffer(data, "<f4")
        tensors, at = {}, 0
        for slot in ruled[1].slots:
            tensors[slot.tensor] = values[at : at + slot.floats].reshape(slot.shape)
            at += slot.floats
        save_file(tensors | changes, tmp_path / "x.safetensors")
        return tmp_path / "x.safetensors"

    @pytest.mark.parametrize("chunk", [4, 8, 1 << 18])
    def test_a_rule_that_needs_another_array_reads_it_alongside(
        self, ruled, tmp_path, monkeypatch, chunk
    ):
        monkeypatch.setattr(payload, "CHUNK", chunk)
        data, _ = written(ruled, tmp_path, payload.write)
        found = np.frombuffer(data, "<f4")
        expected = np.array(self.VALUES, "<f8")
        expected[9:12] -= 9e-5
        # 3 / sqrt(6e-5 + 1e-5) = 3.585686 / sqrt(1e-4)
        expected[4], expected[10] = 3.585686, 0
        np.testing.assert_allclose(found, expected, rtol=1e-6)

    def test_compared_with_what_the_rule_makes(self, ruled, tmp_path):
        path, plan = ruled
        shown = []
        with opened(path) as source, Tensors(self.stored(ruled, tmp_path), "float32") as tensors:
            found = payload.compare(
                source, plan, tensors, lambda slot, values: shown.extend(values.ravel())
            )
        assert found.ok
        np.testing.assert_array_equal(shown, np.array(self.VALUES, "<f4"))  # the file's own

    def test_a_file_that_was_made_from_the_checkpoint_is_compared_with_the_way_back(
        self, ruled, tmp_path
    ):
        """It has 9e-5 where the checkpoint has 0, and so no 6e-5 any more."""
        path, plan = ruled
        checkpoint = self.stored(ruled, tmp_path)
        with Tensors(checkpoint, "float32") as tensors, open(tmp_path / "back", "wb") as file:
            payload.restore(tensors, plan, file)
        back = np.fromfile(tmp_path / "back", "<f4", offset=20)
        assert back[10] == np.float32(9e-5)
        with opened(tmp_path / "back") as source, Tensors(checkpoint, "float32") as tensors:
            assert payload.compare(source, plan, tensors, restored=True).ok
        with opened(path) as source, Tensors(checkpoint, "float32") as tensors:
            found = payload.compare(source, plan, tensors, restored=True)
        assert found.mismatched == ("a.bn.weight", "a.bn.running_var")
