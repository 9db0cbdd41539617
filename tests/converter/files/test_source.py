"""An open .weights file, and what the files beside it are called."""

import os
import re
import struct

import pytest

from converter import WeightsError
from converter.files.source import companion, companion_names, is_weights, opened


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "net.weights"
    path.write_bytes(bytes(range(40)))
    return path


def test_it_is_read_from_any_byte(file):
    buffer = bytearray(5)
    with opened(file) as source:
        assert (source.size, source.head) == (40, bytes(range(40)))
        source.read_into(memoryview(buffer), 35)
    assert buffer == bytes([35, 36, 37, 38, 39])


def test_a_byte_after_the_last_is_none(file):
    with opened(file) as source, pytest.raises(WeightsError, match="became shorter"):
        source.read_into(memoryview(bytearray(5)), 36)


@pytest.mark.parametrize(
    ("start", "end", "places"),
    [(0, 40, (0, 16, 32)), (0, 32, (0, 16)), (3, 20, (3, 19)), (5, 6, (5,)), (40, 40, ())],
)
def test_pieces_are_the_whole_range(file, start, end, places):
    with opened(file) as source:
        pieces = source.pieces(memoryview(bytearray(16)), start, end)
        found = [(bytes(view), place) for view, place in pieces]
    assert [place for _, place in found] == list(places)
    assert b"".join(data for data, _ in found) == bytes(range(start, end))


def write_again(path):
    path.write_bytes(bytes(40))
    os.utime(path, ns=(0, 1))


@pytest.mark.parametrize("change", [lambda path: os.truncate(path, 39), write_again])
def test_another_length_or_time_is_a_change(file, change):
    with opened(file) as source:
        source.require_unchanged()
        change(file)
        with pytest.raises(WeightsError, match="changed while it was read"):
            source.require_unchanged()


@pytest.mark.parametrize(
    ("data", "problem"),
    [(b"<html>", "is an HTML page"), (b"[net]\nbatch=1\n", "is text that looks like a cfg")],
)
def test_what_is_something_else_by_its_first_bytes(file, data, problem):
    file.write_bytes(data)
    with pytest.raises(WeightsError, match=problem), opened(file):
        pass


WEIGHTS = struct.pack("<iiiQ", 0, 2, 0, 0) + bytes(40)  # version 0.2.0, seen


@pytest.mark.parametrize(
    ("name", "data", "expected"),
    [
        ("net.weights", WEIGHTS, True),
        ("net.backup", WEIGHTS, True),
        ("darknet53.conv.74", WEIGHTS, True),
        ("net", WEIGHTS, True),
        ("net.safetensors", WEIGHTS, False),
        ("net.pt", WEIGHTS, False),
        ("net", struct.pack("<Q", 2) + b"{}", False),
        ("net.weights", struct.pack("<Q", 0x480) + b'{"', False),  # a pickle's first two bytes
        ("net.weights", b"PK\3\4", False),  # torch.save's archive
        ("net", b"{" * 16, True),
        # neither
        ("net", b"", True),
        ("net.weights", b"<!DOCTYPE html>", True),
        ("net.weights", b"\x1f\x8b" + bytes(40), True),
    ],
)
def test_weights_and_checkpoints_by_name_and_first_bytes(tmp_path, name, data, expected):
    (tmp_path / name).write_bytes(data)
    assert is_weights(tmp_path / name) is expected


def test_a_missing_file_is_what_its_name_says(tmp_path):
    assert is_weights(tmp_path / "net.weights")
    assert not is_weights(tmp_path / "net.safetensors")


def test_a_published_file_that_is_not_there_can_be_downloaded(tmp_path):
    with (
        pytest.raises(WeightsError, match=r"no such file \(download it: .*yolov3-tiny"),
        opened(tmp_path / "yolov3-tiny.weights"),
    ):
        pass
    missing = re.escape(f"{tmp_path}/my.weights: no such file (check the path)")
    with pytest.raises(WeightsError, match=missing), opened(tmp_path / "my.weights"):
        pass


@pytest.mark.parametrize(
    ("name", "names"),
    [
        ("net.weights", ["net.cfg"]),
        # what AlexeyAB's and pjreddie's trainers append
        ("net_final.weights", ["net_final.cfg", "net.cfg"]),
        ("net_best.weights", ["net_best.cfg", "net.cfg"]),
        ("net_last.weights", ["net_last.cfg", "net.cfg"]),
        ("net_10000.weights", ["net_10000.cfg", "net.cfg"]),
        ("net.backup", ["net.cfg"]),
        # not a suffix but the layer at which it ends
        ("darknet53.conv.74", ["darknet53.conv.74.cfg"]),
        ("net_finals.weights", ["net_finals.cfg"]),
    ],
)
def test_companions_are_called_after_the_file_or_after_its_net(file, name, names):
    assert companion_names(file.with_name(name), ".cfg") == names


def test_the_most_particular_companion_is_taken(file):
    trained = file.with_name("net_final.weights")
    assert companion(trained, ".cfg") is None
    file.with_suffix(".cfg").write_text("")
    assert companion(trained, ".cfg") == file.with_suffix(".cfg")
    (file.with_name("net_final.cfg")).mkdir()  # no file
    assert companion(trained, ".cfg") == file.with_suffix(".cfg")
    (file.with_name("net_final.cfg")).rmdir()
    trained.with_suffix(".cfg").write_text("")
    assert companion(trained, ".cfg") == trained.with_suffix(".cfg")
