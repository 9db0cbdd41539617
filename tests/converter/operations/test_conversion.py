"""A conversion whose source or target is not what it should be meanwhile."""

import contextlib
import hashlib
import os

import pytest

from converter import OutputError, WeightsError, convert, revert
from converter.checkpoint.header import read_contents
from converter.files.hashing import Hashing
from converter.operations import conversion


def change(path):
    """Write a byte, and leave the time of change as it was."""
    times = os.stat(path)
    with open(path, "r+b") as file:
        file.seek(1000)
        assert file.read(1) != b"\x3f"
        file.seek(1000)
        file.write(b"\x3f")
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))


@pytest.mark.parametrize("family", ["auto", "article"])
def test_a_source_that_is_changed_where_nobody_sees_it(sample, monkeypatch, family):
    """Through a shared mapping, and its time of change stays: the hash is of what was written."""
    write = conversion.payload.write

    def changing(source, *arguments):
        change(source.path)
        write(source, *arguments)

    monkeypatch.setattr(conversion.payload, "write", changing)
    # What the article leaves out is hashed in the source, before or after that moment.
    with contextlib.suppress(WeightsError) if family == "article" else contextlib.nullcontext():
        convert(sample.weights, family=family)
    if not sample.checkpoint.exists():  # it was noticed
        assert family == "article"
        return
    found = hashlib.sha256(sample.weights.read_bytes()).hexdigest()
    assert read_contents(sample.checkpoint).metadata["source_sha256"] == found
    if family == "auto":
        assert revert(sample.checkpoint, sample.weights.with_name("back.weights")).identical


@pytest.mark.parametrize(
    ("name", "options"),
    [("net.safetensors", {"dtype": "float16"}), ("net.pt", {"family": "pytorchyolo"})],
)
def test_a_source_that_is_changed_after_it_was_compared(
    sample, tmp_path, monkeypatch, name, options
):
    """The hash is of the source here, and would be of another file than was converted."""
    begin, compare = Hashing.begin, conversion.payload.compare

    def begin_and_end(hashing):
        begin(hashing)._thread.join()  # or else the change may come before its end
        return hashing

    def compare_and_change(source, *arguments):
        found = compare(source, *arguments)
        change(source.path)
        return found

    monkeypatch.setattr(Hashing, "begin", begin_and_end)
    monkeypatch.setattr(conversion.payload, "compare", compare_and_change)
    with pytest.raises(WeightsError, match="changed while it was read"):
        convert(sample.weights, tmp_path / name, **options)
    assert not (tmp_path / name).exists()


def test_what_was_written_is_gone_before_it_is_hashed(sample, monkeypatch):
    """It was the hash of whatever the buffer held."""
    monkeypatch.setattr(conversion, "read_at", lambda descriptor, view, offset: len(view) // 2)
    with pytest.raises(OutputError, match="does not hold what was written to it: it became short"):
        convert(sample.weights)
    assert not sample.checkpoint.exists()


def test_a_write_that_goes_wrong_is_caught(sample, monkeypatch):
    write = conversion.payload.write

    def lying(source, plan, target, start, written):
        write(source, plan, target, start, written)
        os.pwrite(target.fileno(), b"\1", start + 1000)

    monkeypatch.setattr(conversion.payload, "write", lying)
    with pytest.raises(OutputError, match="does not hold what was written"):
        convert(sample.weights)
    assert not sample.checkpoint.exists()
