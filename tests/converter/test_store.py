"""The safetensors file as bytes, and the target that is whole or not there."""

import errno
import os
import stat
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load

from converter import store
from converter.errors import CheckpointError, OutputError


def test_the_head_is_safetensors():
    data = store.head([("a", (2, 3)), ("b", (1,))], {"z": "1", "format": "pt", "n": "ü"})
    assert len(data) % 8 == 0
    tensors = load(data + np.arange(7, dtype="<f4").tobytes())
    np.testing.assert_array_equal(tensors["a"], [[0, 1, 2], [3, 4, 5]])
    np.testing.assert_array_equal(tensors["b"], [6])


def test_metadata_is_in_one_order():
    assert store.head([], {"b": "1", "a": "2"}) == store.head([], {"a": "2", "b": "1"})


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
            store.read_metadata(path)

    def test_a_deep_header(self, tmp_path):
        path = tmp_path / "x.safetensors"
        path.write_bytes((100_000).to_bytes(8, "little") + b"[" * 100_000)
        with pytest.raises(CheckpointError):
            store.read_metadata(path)


class TestReplacing:
    def test_a_new_file_follows_the_umask(self, tmp_path):
        old = os.umask(0o027)
        try:
            with store.replacing(tmp_path / "new", 1) as file:
                file.write(b"x")
        finally:
            os.umask(old)
        assert stat.S_IMODE((tmp_path / "new").stat().st_mode) == 0o640
        assert (tmp_path / "new").read_bytes() == b"x"

    def test_a_symlink_stays_one(self, tmp_path):
        (tmp_path / "link").symlink_to("real")
        with store.replacing(tmp_path / "link", 1) as file:
            file.write(b"x")
        assert (tmp_path / "link").is_symlink()
        assert (tmp_path / "real").read_bytes() == b"x"

    @pytest.mark.parametrize("failure", [RuntimeError, KeyboardInterrupt])
    def test_a_failure_leaves_what_was_there(self, tmp_path, failure):
        target = tmp_path / "target"
        target.write_bytes(b"old")
        with pytest.raises(failure), store.replacing(target, 1) as file:
            file.write(b"new")
            raise failure
        assert target.read_bytes() == b"old"
        assert [p.name for p in tmp_path.iterdir()] == ["target"]

    def test_a_full_disk_is_told_before_and_while_writing(self, tmp_path):
        with (
            pytest.raises(OutputError, match=r"needs [\d,]+ bytes"),
            store.replacing(tmp_path / "x", 1 << 60),
        ):
            pass
        with pytest.raises(OutputError, match="No space left"), store.replacing(tmp_path / "x", 1):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        assert list(tmp_path.iterdir()) == []

    def test_leftovers_of_a_killed_run_are_used_up(self, tmp_path):
        (tmp_path / ".x.part").write_bytes(b"half of a file that was longer")
        with store.replacing(tmp_path / "x", 1) as file:
            file.write(b"new")
        assert [p.name for p in tmp_path.iterdir()] == ["x"]
        assert (tmp_path / "x").read_bytes() == b"new"

    def test_two_runs_do_not_write_the_same_target(self, tmp_path):
        with store.replacing(tmp_path / "x", 1) as file:
            file.write(b"first")
            with (
                pytest.raises(OutputError, match="being written by another"),
                store.replacing(tmp_path / "x", 1),
            ):
                pass
        assert (tmp_path / "x").read_bytes() == b"first"

    @pytest.mark.parametrize("make", [lambda p: p.mkdir(), os.mkfifo])
    def test_only_regular_files_are_replaced(self, tmp_path, make):
        make(tmp_path / "x")
        with (
            pytest.raises(OutputError, match="is not a regular file"),
            store.replacing(tmp_path / "x", 1),
        ):
            pass

    def test_a_device_is_no_target(self):
        with (
            pytest.raises(OutputError, match="is not a regular file"),
            store.replacing(Path("/dev/null"), 1),
        ):
            pass

    def test_no_such_folder(self, tmp_path):
        with (
            pytest.raises(OutputError, match="No such file or directory"),
            store.replacing(tmp_path / "no" / "x", 1),
        ):
            pass
