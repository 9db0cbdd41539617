"""Where the report's values come from: either file, and the same ones."""

import struct

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from converter import CheckpointError, convert
from converter.checkpoint.checkpoint import Checkpoint
from converter.checkpoint.header import read_contents
from converter.report.values import restores, survey


def test_both_files_have_the_same_values(toy):
    data = bytearray(toy.weights.read_bytes())
    data[20:24] = struct.pack("<f", float("nan"))
    toy.weights.write_bytes(data)
    plan = convert(toy.weights).plan
    of_weights, found = survey(toy.weights, plan, "float32")
    of_checkpoint, again = survey(toy.checkpoint, plan, "float32")
    assert of_weights == of_checkpoint
    assert found == again
    assert [anomaly.problem for anomaly in found] == ["nan"]
    variances = np.frombuffer(data, "<f4", count=4, offset=20 + 4 * 12)
    assert of_weights[plan.slots[3]].minimum == variances.min()


def test_a_tensor_of_another_shape_is_refused(toy):
    plan = convert(toy.weights).plan
    tensors = load_file(toy.checkpoint)
    tensors["layers.1.conv.bias"] = np.zeros(3, "<f4")
    save_file(tensors, toy.checkpoint, read_contents(toy.checkpoint).metadata)
    with pytest.raises(CheckpointError, match=r"layers.1.conv.bias"):
        survey(toy.checkpoint, plan, "float32")


def test_whether_it_goes_back_is_decided_by_the_hash(toy, sample):
    convert(toy.weights)
    assert restores(Checkpoint.open(toy.checkpoint)) is True
    with open(toy.checkpoint, "r+b") as file:
        file.seek(-1, 2)
        file.write(b"\x01")
    assert restores(Checkpoint.open(toy.checkpoint)) is False
    convert(sample.weights, dtype="float16")  # what was rounded is not there any more
    assert restores(Checkpoint.open(sample.checkpoint)) is None
