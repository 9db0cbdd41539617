"""The hash that runs beside a conversion."""

import errno
import hashlib
import os
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
            Hashing(source.read_into, source.size) as digest,
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

        with pytest.raises(KeyError), Hashing(slow, source.size) as digest:
            digest.begin()
            reached.wait()
            threading.Timer(0.2, left.set).start()  # by then the block has been left
            raise KeyError
    assert offsets == [0]  # the first piece, and no more


def test_it_begins_once(file):
    with opened(file) as source:
        offsets = []

        def read_into(view, offset):
            offsets.append(offset)
            source.read_into(view, offset)

        with Hashing(read_into, source.size) as digest:
            assert digest.begin() is digest.begin() is digest
            assert (
                digest.result() == digest.result() == hashlib.sha256(bytes(range(31))).hexdigest()
            )
    assert offsets == [0, 8, 16, 24]


def test_a_file_from_some_byte_on_and_something_before_it(file):
    with opened(file) as source, Hashing(source.read_into, 20, start=5, prefix=b"ab") as digest:
        assert digest.result() == hashlib.sha256(b"ab" + bytes(range(5, 20))).hexdigest()


def test_nothing_runs_on_when_the_block_is_left():
    begun, left = threading.Event(), threading.Event()

    def slow(view, offset):
        begun.set()
        left.wait()

    with Hashing(slow, hashing.PIECE + 1) as digest:
        digest.begin()
        begun.wait()
        thread = digest._thread
        assert thread.daemon  # nor does it keep the program from ending
        assert thread.is_alive()
        threading.Timer(0.2, left.set).start()
    assert not thread.is_alive()


def test_a_file_is_hashed_while_it_grows(file):
    ends, offsets, asked = [0], [], threading.Event()

    def grown():
        asked.set()
        return ends[-1]

    def read_into(view, offset):
        assert ends[-1] >= offset + len(view)
        offsets.append(offset)
        view[:] = bytes(range(offset, offset + len(view)))

    with Hashing(read_into, 20, grown=grown) as digest:
        digest.begin()
        asked.wait()
        assert offsets == []
        ends.append(15)  # one piece of eight, and a part of the second
        ends.append(20)
        assert digest.result() == hashlib.sha256(bytes(range(20))).hexdigest()
    assert offsets == [0, 8, 16]


def test_nothing_waits_for_what_is_never_written(file):
    with pytest.raises(KeyError), Hashing(lambda *_: None, 20, grown=lambda: 7) as digest:
        digest.begin()
        raise KeyError
    assert not digest._thread.is_alive()


def test_something_is_done_first(file):
    order = []
    with Hashing(
        lambda view, offset: order.append(offset), 9, first=lambda: order.append("first")
    ) as digest:
        digest.result()
    assert order == ["first", 0, 8]


def test_what_fails_first_is_an_error_where_the_hash_is_asked_for():
    def fail():
        raise WeightsError("no", path="x")

    with (
        Hashing(lambda view, offset: None, 9, first=fail) as digest,
        pytest.raises(WeightsError, match="no"),
    ):
        digest.result()


def test_a_buffer_that_is_not_to_be_had_is_an_error_where_the_hash_is_asked_for(file, monkeypatch):
    """It was the hash of what comes before the first piece."""

    def full(*arguments):
        raise OSError(errno.ENOMEM, os.strerror(errno.ENOMEM))

    monkeypatch.setattr(hashing.mmap, "mmap", full)
    with opened(file) as source, pytest.raises(OSError, match="Cannot allocate memory"):
        sha256_of(source)


def test_a_thread_that_cannot_begin_is_what_is_said(monkeypatch):
    def refuse(self):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    with (
        pytest.raises(RuntimeError, match="can't start new thread"),
        Hashing(lambda view, offset: None, 9) as digest,
    ):
        digest.begin()
