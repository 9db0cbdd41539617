"""The safetensors file as bytes, and the target that is whole or not there."""

import numpy as np
import pytest
from safetensors.numpy import load

from converter.checkpoint.header import make_head, read_contents
from converter.errors import CheckpointError


def test_it_can_be_made_as_long_as_another(tmp_path):
    """By spaces, with which the library reads it as well."""
    head = make_head([("a", (2,))], {"k": "v"}, least=401)
    assert len(head) == 408  # the next multiple of 8
    (tmp_path / "a.safetensors").write_bytes(head + bytes(8))
    assert load((tmp_path / "a.safetensors").read_bytes())["a"].tolist() == [0, 0]
    assert read_contents(tmp_path / "a.safetensors").metadata == {"k": "v"}


def test_the_head_is_safetensors():
    data = make_head([("a", (2, 3)), ("b", (1,))], {"z": "1", "format": "pt", "n": "ü"})
    assert len(data) % 8 == 0
    tensors = load(data + np.arange(7, dtype="<f4").tobytes())
    np.testing.assert_array_equal(tensors["a"], [[0, 1, 2], [3, 4, 5]])
    np.testing.assert_array_equal(tensors["b"], [6])


def test_metadata_is_in_one_order():
    assert make_head([], {"b": "1", "a": "2"}) == make_head([], {"a": "2", "b": "1"})


class TestReading:
    @pytest.mark.parametrize(
        "data",
        [b"", b"short", (1 << 40).to_bytes(8, "little"), (2).to_bytes(8, "little") + b"[]",
         (5).to_bytes(8, "little") + b"nope!"],
    )  # fmt: skip
    def test_what_is_not_safetensors(self, tmp_path, data):
        path = tmp_path / "x.safetensors"
        path.write_bytes(data)
        with pytest.raises(CheckpointError, match="is not a safetensors file"):
            read_contents(path)

    def test_a_deep_header(self, tmp_path):
        path = tmp_path / "x.safetensors"
        path.write_bytes((100_000).to_bytes(8, "little") + b"[" * 100_000)
        with pytest.raises(CheckpointError):
            read_contents(path)
