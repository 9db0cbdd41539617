"""The hash that runs beside a conversion."""

import hashlib
import threading

import pytest

from converter import WeightsError
from converter.files import hashing
from converter.files.hashing import Hashing, sha256_of
from converter.files.source import opened


@pytest.fixture
def file(tmp_path, monkeypatch):
    """A file of seven bytes more than three pieces of eight."""
    monkeypatch.setattr(hashing, "PIECE", 8)
    path = tmp_path / "x.weights"
    path.write_bytes(bytes(range(31)))
    return path


@pytest.mark.parametrize("size", [0, 1, 7, 8, 9, 16, 31])
def test_the_hash_of_any_length(file, size):
    data = file.read_bytes()[:size]
    file.write_bytes(data)
    with opened(file) as source:
        assert sha256_of(source) == hashlib.sha256(data).hexdigest()


def test_a_file_that_became_shorter_is_an_error_where_the_hash_is_asked_for(file):
    with opened(file) as source:
        file.write_bytes(b"short")
        with (
            Hashing(source) as digest,
            pytest.raises(WeightsError, match="became shorter while it was read"),
        ):
            digest.result()


def test_nobody_asks_for_the_hash_of_a_refused_file(file):
    with opened(file) as source:
        read, reached, left = source.read_into, threading.Event(), threading.Event()
        offsets = []

        def slow(view, offset):
            offsets.append(offset)
            reached.set()
            left.wait()
            read(view, offset)

        object.__setattr__(source, "read_into", slow)
        with pytest.raises(KeyError), Hashing(source):
            reached.wait()
            threading.Timer(0.2, left.set).start()  # by then the block has been left
            raise KeyError
    assert offsets == [0]  # the first piece, and no more
