"""A plain state dict as torch.save writes it; torch.load is the judge."""

import struct
import sys

import numpy as np
import pytest
import torch

from converter.checkpoint import payload
from converter.checkpoint.torch_writer import write_state_dict
from converter.darknet.header import Header
from converter.darknet.network import parse_network
from converter.errors import ExtraError
from converter.families import generic
from converter.files.source import opened
from converter.plan import make_plan

# A matrix from 3 values to 2, as a version with more than 1000 in it stores it: (3, 2).
TEXT = "[net]\ninputs=3\n[connected]\noutput=2\nactivation=linear\n"


@pytest.fixture
def matrix(tmp_path):
    path = tmp_path / "x.weights"
    path.write_bytes(struct.pack("<4i8f", 1001, 2, 0, 0, 10, 20, 1, 2, 3, 4, 5, 6))
    network = parse_network(TEXT)
    plan = make_plan(
        header=Header.decode(path.read_bytes()[:16], "pjreddie"), size=path.stat().st_size,
        network=network, naming=generic.name_layers(network), dialect="pjreddie",
    )  # fmt: skip
    return path, plan


def written(matrix, tmp_path):
    path, plan = matrix
    target = tmp_path / "x.pt"
    with opened(path) as source, open(target, "wb") as file:
        write_state_dict(source, plan, file)
    return torch.load(target, weights_only=True)


def test_names_shapes_and_values(matrix, tmp_path):
    found = written(matrix, tmp_path)
    assert type(found) is dict
    bias, kernel = found.values()
    assert [*found] == [slot.tensor for slot in matrix[1].slots]
    assert (bias.dtype, kernel.dtype) == (torch.float32, torch.float32)
    assert bias.tolist() == [10, 20]
    assert kernel.tolist() == [[1, 3, 5], [2, 4, 6]]  # a row for each output


def test_an_array_that_comes_in_pieces_is_one_tensor(toy, tmp_path, monkeypatch):
    monkeypatch.setattr(payload, "CHUNK", 64)
    network = parse_network(toy.text)
    plan = make_plan(
        header=Header.decode(toy.weights.read_bytes()[:20], "pjreddie"), size=556,
        network=network, naming=generic.name_layers(network), dialect="pjreddie",
    )  # fmt: skip
    found = written((toy.weights, plan), tmp_path)
    values = np.fromfile(toy.weights, "<f4", offset=20)
    kernel = found["layers.0.conv.weight"]
    assert kernel.shape == (4, 3, 3, 3)
    # after four biases, scales, means and variances each
    np.testing.assert_array_equal(kernel.numpy().ravel(), values[16 : 16 + 108])


def test_without_pytorch_one_line_says_so(matrix, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(ExtraError, match=r"a PyTorch file needs PyTorch \(pip install torch\)"):
        written(matrix, tmp_path)
