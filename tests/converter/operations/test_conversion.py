"""A conversion whose source or target is not what it should be meanwhile."""

import contextlib
import hashlib
import os

import pytest

from converter import OutputError, WeightsError, convert, revert
from converter.checkpoint.header import read_contents
from converter.operations import conversion


@pytest.mark.parametrize("family", ["auto", "article"])
def test_a_source_that_is_changed_where_nobody_sees_it(sample, monkeypatch, family):
    """Through a shared mapping, and its time of change stays: the hash is of what was written."""
    write = conversion.payload.write

    def changing(source, *arguments):
        times = os.stat(source.path)
        with open(source.path, "r+b") as file:
            file.seek(1000)
            file.write(b"\x3f")
        os.utime(source.path, ns=(times.st_atime_ns, times.st_mtime_ns))
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


def test_a_write_that_goes_wrong_is_caught(sample, monkeypatch):
    write = conversion.payload.write

    def lying(source, plan, target, start):
        write(source, plan, target, start)
        os.pwrite(target.fileno(), b"\1", start + 1000)

    monkeypatch.setattr(conversion.payload, "write", lying)
    with pytest.raises(OutputError, match="does not hold what was written"):
        convert(sample.weights)
    assert not sample.checkpoint.exists()
