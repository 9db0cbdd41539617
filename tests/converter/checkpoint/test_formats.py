"""A checkpoint in either of its formats, told apart by its first bytes."""

import numpy as np
import pytest
import torch
from safetensors.numpy import save_file

from converter.checkpoint import formats
from converter.errors import CheckpointError

VALUES = np.arange(6, dtype="<f4").reshape(2, 3)


def zipped(path):
    torch.save({"a": torch.from_numpy(VALUES)}, path)


def old(path):
    torch.save({"a": torch.from_numpy(VALUES)}, path, _use_new_zipfile_serialization=False)


def safetensors(path):
    save_file({"a": VALUES}, path)


WRITERS = [zipped, old, safetensors]


@pytest.mark.parametrize("suffix", [".pt", ".bin", ".safetensors", ""])
@pytest.mark.parametrize("write", WRITERS)
def test_the_first_bytes_say_what_a_file_is_and_not_its_name(tmp_path, write, suffix):
    path = tmp_path / f"x{suffix}"
    write(path)
    assert formats.is_torch(path) is (write is not safetensors)


@pytest.mark.parametrize("write", WRITERS)
def test_both_are_read_alike(tmp_path, write):
    path = tmp_path / "x.bin"
    write(path)
    contents = formats.read(path)
    assert dict(contents.shapes) == {"a": (2, 3)}
    with formats.open_tensors(path, "float32", contents) as tensors:
        np.testing.assert_array_equal(tensors.array("a"), VALUES)
    with formats.open_tensors(path, "float32") as tensors:
        np.testing.assert_array_equal(tensors.array("a"), VALUES)


@pytest.mark.parametrize(
    ("name", "what"),
    [
        ("x.pt", "no PyTorch file by its first bytes"),
        ("x.pth", "no PyTorch file by its first bytes"),
        ("x.safetensors", "not a safetensors file"),
    ],
)
def test_a_file_that_is_neither_is_refused_as_what_it_is_called(tmp_path, name, what):
    path = tmp_path / name
    path.write_bytes(bytes(100))
    with pytest.raises(CheckpointError) as caught:
        formats.read(path)
    assert what in str(caught.value)
    assert caught.value.path == str(path)
