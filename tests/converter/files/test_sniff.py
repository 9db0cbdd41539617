"""Files that are something else, by their first bytes."""

import gzip
import io
import json
import lzma
import pickle
import struct
import tarfile
import zipfile

import numpy as np
import pytest
import reference
import torch_files
from safetensors.numpy import save

from converter.files import sniff

HEADER = struct.pack("<iiiQ", 0, 2, 0, 32013312)


def archive(kind) -> bytes:
    buffer = io.BytesIO()
    if kind == "zip":
        with zipfile.ZipFile(buffer, "w") as file:
            file.writestr("archive/data.pkl", b"x" * 100)
    else:
        with tarfile.open(fileobj=buffer, mode="w") as file:
            file.addfile(tarfile.TarInfo("yolov3.weights"))
    return buffer.getvalue()


def array() -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, np.zeros(8))
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("head", "name"),
    [
        (b"<!DOCTYPE html><html lang=en>", "an HTML page"),
        (b"\n  <HTML>", "an HTML page"),
        (b"\xef\xbb\xbf<html>", "an HTML page"),
        (b'<?xml version="1.0"?><Error><Code>AccessDenied</Code></Error>', "an XML document"),
        (b'{"error": "quota exceeded"}', "text (JSON)"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:52", "a Git LFS pointer"),
        (gzip.compress(b"x" * 100, mtime=0), "gzip-compressed"),
        (lzma.compress(b"x" * 100), "xz-compressed"),
        (archive("zip"), "a zip archive"),
        (archive("tar"), "a tar archive"),
        (torch_files.LEGACY_HEAD, "a PyTorch file of before 1.6"),
        (pickle.dumps({"model": [1.0] * 50}, protocol=2), "a Python pickle"),
        (pickle.dumps({"model": [1.0] * 50}, protocol=4), "a Python pickle"),
        (array(), "a NumPy array"),
        (save({"a": np.zeros(3, "<f4")}), "a safetensors file"),
        # onnx.proto: field 1 (varint) is ir_version, field 2 (string) producer_name
        (b"\x08\x08\x12\x07pytorch\x1a\x052.13.0", "an ONNX model"),
        (b"\x89PNG\r\n\x1a\n" + bytes(30), "a PNG picture"),
        (b"\xff\xd8\xff\xe0\0\x10JFIF", "a JPEG picture"),
        (b"%PDF-1.7\n", "a PDF document"),
        (b"\x7fELF\x02\x01\x01", "a program"),
        (b"GGUF\x03\0\0\0", "a GGUF model"),
        (b"\0\0\0\x20ftypisom", "a video"),
    ],
)
def test_neither_weights_nor_cfg(head, name):
    for judge in (sniff.not_weights, sniff.not_cfg):
        found = judge(head[: sniff.HEAD])
        assert found is not None
        assert found.name.startswith(name)
        assert found.remedy


@pytest.mark.parametrize(
    ("head", "name"),
    [
        (b"[net]\nbatch=1\n", "text that looks like a cfg"),
        (b"# a comment\n[net]\n", "text that looks like a cfg"),
        (b"Not Found", "text"),
        (b"classes= 3\ntrain  = data/train.txt\n", "Darknet's list of a data set's files"),
        (b"# mine\nnames = data/obj.names\n", "Darknet's list of a data set's files"),
        (b"[net]\ntrain=1\n", "text that looks like a cfg"),
        (b"404: Not Found\n", "text"),
        ("고양이\n개\n".encode(), "text"),
        # cut inside its last character, as a head of 512 bytes may be
        ("고양이\n개".encode()[:-1], "text"),
    ],
)
def test_text_is_no_weights_file(head, name):
    assert sniff.not_weights(head).name == name


@pytest.mark.parametrize(
    "head",
    [
        b"",
        HEADER,
        HEADER[:5],
        b"\0\0\0\0\1\0\0\0\0\0\0\0\7\0\0\0" + np.float32([0.1, -3.5]).tobytes(),
        struct.pack("<iiiQ", 0, 2, 5, 0) + bytes(100),
        struct.pack("<iii", 1001, 2, 0) + bytes(100),  # transposed matrices
        struct.pack("<iii", 0, 2, ord("{")) + bytes(100),  # not the brace of a safetensors header
        b"\xff" * 100,  # garbage, but no text
    ],
)
def test_what_may_be_weights(head):
    assert sniff.not_weights(head) is None


def test_random_weights_are_weights(toy):
    for seed in range(200):
        data = reference.random_weights(toy.text, seed=seed)
        assert sniff.not_weights(data[: sniff.HEAD]) is None


@pytest.mark.parametrize(
    ("head", "name"),
    [
        (HEADER + bytes(20), "a .weights file by its first bytes"),
        ("[net]\n".encode("utf-16"), "UTF-16 text"),
        ("[net]\n".encode("utf-16-be"), None),  # without a BOM: refused later, for its zero bytes
        (b"[net]\nbatch=1\n", None),
        (b"# caf\xe9\n[net]\n", None),
        (b"", None),
    ],
)
def test_what_may_be_a_cfg(head, name):
    found = sniff.not_cfg(head)
    assert (found.name if found else None) == name


def test_no_version_of_darknet():
    assert sniff.plausible_version(0, 1, 0)
    assert sniff.plausible_version(1001, 2, 0)
    (as_text,) = struct.unpack("<i", b"<!DO")  # 1329865020, as users of ports reported it
    assert as_text == 1329865020
    assert not sniff.plausible_version(as_text, 0, 0)
    assert not sniff.plausible_version(0, -1, 0)
    assert json.loads("1e4") == 10_000
    assert not sniff.plausible_version(0, 0, 10_000)
