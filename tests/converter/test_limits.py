"""Hostile input is refused within bounded time and memory, whatever it asks for."""

import json
import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from converter import convert

SCRIPTS = Path(__file__).parents[2] / "scripts"
MEMORY = 1 << 30  # address space, of which Python, numpy and its threads take half
SECONDS = 20  # on a busy machine; each takes less than one

HEAD = "[net]\nwidth=8\nheight=8\nchannels=3\n"
CONV = "[convolutional]\nfilters=4\nsize=3\npad=1\n"
HUGE = 2**31 - 1
DOUBLING = "[route]\nlayers=-1,-1\n" * 9000


def bounded(script: str, *arguments, size: int = resource.RLIM_INFINITY) -> str:
    """The error of a command that may use little memory and time, and write ``size`` bytes."""

    def limit():
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))

    done = subprocess.run(
        [sys.executable, SCRIPTS / f"{script}.py", *map(str, arguments), "-q"],
        capture_output=True, text=True, check=False, preexec_fn=limit, timeout=SECONDS,
        env={**os.environ, "OPENBLAS_NUM_THREADS": "1"},
    )  # fmt: skip
    assert done.returncode == 1, done
    assert done.stderr.count("\n") == 1, done.stderr
    assert done.stderr.startswith("error: ")
    assert len(done.stderr) < 2000
    return done.stderr


CFGS = {
    "a million sections": ("[convolutional]\n" * 1_000_000, "is larger than 4,194,304 bytes"),
    "many sections": ("[dropout]\n" * 100_000, "has more than 10,000 sections"),
    "a line of 100 MB": ("x=" + "1" * 100_000_000, "is larger than 4,194,304 bytes"),
    "a long number": (f"{CONV}stride={'1' * 4_000_000}\n", "does not fit into 32 bits"),
    "a long fraction": (f"[softmax]\ntemperature={'1' * 4_000_000}\n", "is not a number"),
    "a long list": (f"{CONV}[route]\nlayers={'-1,' * 1_000_000}\n", "more than 1,000 items"),
    "many lists": (
        CONV + f"[route]\nlayers={'0,' * 900}\n" * 1000,
        "name more than 100,000 others",
    ),
    "routes that double": (f"{CONV}{DOUBLING}",
                           "more than 2,147,483,647 values"),
    "flat routes that double": (
        f"{CONV}[softmax]\n{DOUBLING}",
        "more than 2,147,483,647 values",
    ),
    "filters": (f"{CONV}[convolutional]\nfilters={HUGE}\n", "more than 2,147,483,647 values"),
    "kernel": (
        f"[convolutional]\nfilters=4\npadding={2**30}\nsize={HUGE}\n",
        # 4 biases and 4 * 3 * (2^31 - 1)^2 weights after the header
        f"104 bytes of the {20 + 4 * (4 + 12 * HUGE**2):,}",
    ),
    "outputs": (f"[connected]\noutput={HUGE}\n", "104 bytes of the 1,657,857,375,"),
    "memory cells": (f"[lstm]\noutput={HUGE}\n", "ends inside wi biases of layer 0 [lstm]"),
    "history": (f"[history]\nhistory_size={HUGE}\n", "more than 2,147,483,647 values"),
    "anchors": (f"{CONV}[yolo]\nclasses=3\nnum={HUGE}\n", "more than 1000 anchors"),
    "mask": (f"{CONV}[yolo]\nclasses=3\nnum=3\nmask={HUGE}\n", "more than 1000 anchors"),
    "classes": (f"{CONV}[yolo]\nclasses={HUGE}\nnum=3\n", "needs 6442450956 channels"),
    "a chain of shared kernels": (
        CONV + "[convolutional]\nfilters=4\nsize=3\npad=1\nshare_index=-1\n" * 9000,
        # 20 + 4 * (4 + 108) bytes
        "104 bytes of the 468 ",
    ),
    "ten thousand layers": (CONV * 9998, "104 bytes of the "),
    "a tree": (f"{CONV}[softmax]\ntree=/dev/zero\n", "104 bytes of the 468 "),
    "names with dots": ("[../../etc/passwd]\n", "[../../etc/passwd] is not a layer"),
}  # fmt: skip


@pytest.mark.parametrize("fault", CFGS)
def test_cfg(tmp_path, fault):
    layers, message = CFGS[fault]
    (tmp_path / "net.cfg").write_text(HEAD + layers)
    (tmp_path / "net.weights").write_bytes(b"\0\0\0\0\2\0\0\0" + bytes(96))
    assert message in bounded("convert", tmp_path / "net.weights")
    assert sorted(os.listdir(tmp_path)) == ["net.cfg", "net.weights"]


@pytest.mark.parametrize("size", [1 << 40, (1 << 62) + 21])
def test_a_sparse_giant(tmp_path, size):
    (tmp_path / "net.cfg").write_text(HEAD + CONV)
    with open(tmp_path / "net.weights", "wb") as file:
        file.write(b"\0\0\0\0\2\0\0\0")
        try:
            file.truncate(size)
        except OSError:
            file.truncate(1 << 43)  # what this file system can hold
            size = 1 << 43
    assert f"has {size - 468:,} bytes more than" in bounded("convert", tmp_path / "net.weights")


def header(entries) -> bytes:
    data = entries if isinstance(entries, bytes) else json.dumps(entries).encode()
    return len(data).to_bytes(8, "little") + data


def entry(shape, start, end, dtype="F32"):
    return {"dtype": dtype, "shape": shape, "data_offsets": [start, end]}


CHECKPOINTS = {
    "no length": b"\1\0\0",
    "a length beyond its end": b"\xff" * 8 + bytes(100),
    "a length of 100 MB": (100_000_000).to_bytes(8, "little") + b" " * 100_000_000,
    "an object of millions of lists": header(b'{"a":[' + b"[]," * 5_000_000 + b"[]]}"),
    "nested a million deep": header(b"[" * 1_000_000),
    "a number of 5000 digits": header(b'{"a":' + b"9" * 5000 + b"}"),
    "a list": header([]),
    "a tensor that is a number": header({"a": 5}),
    "a shape that is a number": header({"a": {"dtype": "F32", "shape": 5, "data_offsets": [0, 4]}}),
    "negative": header({"a": entry([-1], 0, -4)}),
    "wrong size": header({"a": entry([3], 0, 8)}) + bytes(8),
    "huge": header({"a": entry([2**62], 0, 8)}) + bytes(8),
    "overlapping": header({"a": entry([2], 0, 8), "b": entry([2], 4, 12)}) + bytes(12),
    "with a hole": header({"a": entry([1], 0, 4), "b": entry([1], 8, 12)}) + bytes(12),
    "surplus": header({"a": entry([1], 0, 4)}) + bytes(8),
    "one name twice": header(
        b'{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},'
        b'"a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}'
    )
    + bytes(8),
    "unknown type": header({"a": entry([1], 0, 4, "F31")}) + bytes(4),
}


@pytest.mark.parametrize("fault", CHECKPOINTS)
def test_checkpoint(tmp_path, fault):
    path = tmp_path / "net.safetensors"
    path.write_bytes(CHECKPOINTS[fault])
    (tmp_path / "net.cfg").write_text(HEAD + CONV)
    error = bounded("convert", path, "--cfg", tmp_path / "net.cfg")
    assert error.startswith(f"error: {path}: ")
    assert sorted(os.listdir(tmp_path)) == ["net.cfg", "net.safetensors"]


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("header", "{}"),
        ("header", '{"major": "0", "minor": 2, "revision": 0, "seen": 0, "size": 20}'),
        ("header", '{"major": 0, "minor": 2, "revision": 0, "seen": -1, "size": 20}'),
        ("header", '{"major": 0, "minor": 2, "revision": 0, "seen": 0, "size": 16}'),
        ("header", '{"major": 0, "minor": 2, "revision": 0, "seen": 0, "size": 99999999999}'),
        ("header", '{"major": 99999999999, "minor": 2, "revision": 0, "seen": 0, "size": 20}'),
        ("header", "[" * 100_000),
        ("cutoff", "-1"),
        ("cutoff", "2"),
        ("cutoff", "1.5"),
        ("family", "yolov2"),
        ("dialect", "hank"),
        ("dtype", "float16"),
        ("schema", "3"),
        ("cfg", "\udc80"),
        ("cfg", "[net]\0"),
        ("cfg", "x" * (5 << 20)),
        ("names", "[1, 2]"),
        ("classes", '"80"'),
    ],
)
def test_metadata(toy, key, value):
    convert(toy.weights)
    data = toy.checkpoint.read_bytes()
    length = int.from_bytes(data[:8], "little")
    entries = json.loads(data[8 : 8 + length])
    entries["__metadata__"][key] = value
    toy.checkpoint.write_bytes(header(entries) + data[8 + length :])
    error = bounded("convert", toy.checkpoint, "-o", toy.weights.with_name("back.weights"))
    assert error.startswith(f"error: {toy.checkpoint}: ")
    assert not toy.weights.with_name("back.weights").exists()


class TestFullDisk:
    """A limit on the size of files stands for a disk that fills up while it is written."""

    @pytest.mark.parametrize("size", [0, 1, 1000, 500_000])
    def test_convert(self, sample, size):
        before = sorted(os.listdir(sample.weights.parent))
        error = bounded("convert", sample.weights, size=size)
        assert error == (
            f"error: {sample.checkpoint}: cannot be written: File too large"
            " (choose another output)\n"
        )
        assert sorted(os.listdir(sample.weights.parent)) == before

    def test_an_old_target_survives(self, sample):
        sample.checkpoint.write_bytes(b"old")
        bounded("convert", sample.weights, "--force", size=1000)
        assert sample.checkpoint.read_bytes() == b"old"

    def test_back(self, sample):
        convert(sample.weights)
        sample.weights.unlink()
        error = bounded("convert", sample.checkpoint, size=1000)
        assert "cannot be written: File too large" in error
        assert not sample.weights.exists()
