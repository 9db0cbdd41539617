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

from converter.errors import running
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


# Exactly what is said, and what to do.

AGAIN = "download it again; a browser shows what the address really serves"
OTHER = "give the file that darknet wrote"
CHECKPOINT = "give a .pt or .pth file that torch.save wrote"
PAGE = ("an HTML page, not the file it was downloaded for", AGAIN)
XML = ("an XML document, as servers send in place of a file", AGAIN)
JSON = ("text (JSON)", OTHER)
SAFETENSORS_HEAD = (16).to_bytes(8, "little") + b'{"'
SAFETENSORS = ("a safetensors file", "give the .weights file; help(revert) shows the way back")
ONNX = ("an ONNX model", "ONNX is no source: give the file that it was exported from")
BOM = b"\xef\xbb\xbf"


def said(found) -> tuple[str, str] | None:
    return found and (found.name, found.remedy)


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        (b"<!doctype html>", PAGE), (b"<HEAD>", PAGE), (b"<!-- x -->", PAGE), (b"<body>", PAGE),
        (BOM + b" <html>", PAGE), (b"<?xml?>", XML), (b"<Error>", XML), (b"<x>", None),
        (b'{"a"', JSON), (b"{\n", JSON), (b"{\r\n", JSON), (b"{ ", None),
        (b"GGUF", ("a GGUF model", OTHER)), (b"xGGUF", None),
        (b"xxxxftyp", ("a video", OTHER)), (b"ftyp", None),
    ],
)  # fmt: skip
def test_foreign_files_by_their_words(head, expected):
    assert said(sniff.foreign(head)) == expected


@pytest.mark.parametrize(
    ("length", "start", "expected"),
    [
        (2, b"{}", SAFETENSORS), (1, b"{}", None), (100_000_000, b'{"', SAFETENSORS),
        (100_000_001, b'{"', None), (16, b"{ ", SAFETENSORS), (16, b"{\n", SAFETENSORS),
        (16, b"{x", None), (16, b"x{", None), (300, b'{"', SAFETENSORS),
        (2**56, b'{"', None),
    ],
)  # fmt: skip
def test_a_safetensors_file_by_its_length_and_its_brace(length, start, expected):
    """100 MB are what the library takes: tensor.rs MAX_HEADER_SIZE."""
    head = length.to_bytes(8, "little") + start
    assert said(sniff.foreign(head + bytes(8))) == expected
    assert said(sniff.foreign(head)) == expected


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        (b"\x08\x01\x12\x00", ONNX), (b"\x08\x1f\x3a\x00", ONNX), (b"\x08\x08\x1a\x00", ONNX),
        (b"\x08\x08\x22\x00", ONNX), (b"\x08\x20\x12\x00", None), (b"\x08\x00\x12\x00", None),
        (b"\x08\x08X\x00", None),
        (b"\x09\x08\x12\x00", None), (b"\x08\x08\x13\x00", None), (b"\x08\x08\x12", None),
    ],
)  # fmt: skip
def test_an_onnx_model_by_its_first_fields(head, expected):
    assert said(sniff.foreign(head)) == expected


DATA_SET = (
    "Darknet's list of a data set's files",
    "the .weights come first; convert and load take its class names with names=",
)
CFG_TEXT = ("text that looks like a cfg", "give it with cfg=, and the .weights first")


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        (b"[net]", CFG_TEXT), (b" # x", CFG_TEXT), (b"; x", CFG_TEXT), (BOM + b"[net]", CFG_TEXT),
        (b"hello", ("text", OTHER)), (b"a\tb\r\n\x0c\x1b[0m", ("text", OTHER)),
        (b"a\x1fb", None), (b"a\0b", None), (b"caf\xe9 au lait", None), (b" ", ("text", OTHER)),
        (b"", None), (b"<html>", PAGE), (b"train = a.txt\n", DATA_SET),
    ],
)  # fmt: skip
def test_what_is_no_weights_file(head, expected):
    assert said(sniff.not_weights(head)) == expected


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        (b"\xff\xfe[\0", ("UTF-16 text", "save it as UTF-8")),
        (b"\xfe\xff\0[", ("UTF-16 text", "save it as UTF-8")),
        (HEADER[:12], ("a .weights file by its first bytes", "give the .cfg with cfg=")),
        (HEADER[:11], None),
        (struct.pack("<iii", 10_000, 0, 0), None),
        (b"<html>", PAGE),
        (b"\x1f\x8b", ("gzip-compressed", "unpack it, and give the file inside")),
        (SAFETENSORS_HEAD, ("a safetensors file", "give the .cfg")),  # it was: give the .weights
        (b"\x89PNG", ("a PNG picture", "give the .cfg")),
        (b"train = a.txt\n", DATA_SET),
    ],
)
def test_what_is_no_cfg(head, expected):
    assert said(sniff.not_cfg(head)) == expected


@pytest.mark.parametrize("place", range(3))
def test_versions_up_to_ten_thousand(place):
    for number, plausible in ((-1, False), (0, True), (9_999, True), (10_000, False)):
        version = [0, 0, 0]
        version[place] = number
        assert sniff.plausible_version(*version) is plausible


class TestTorch:
    def test_what_torch_save_writes(self):
        assert sniff.not_torch(archive("zip")) is None
        for protocol in (2, 3, 4, 5):
            assert sniff.not_torch(pickle.dumps(0x1950A86A20F9469CFC6C, protocol=protocol)) is None

    def test_the_number_stands_at_the_beginning(self):
        magic = torch_files.LEGACY_HEAD[2:15]
        assert said(sniff.not_torch(b"\x80\x02" + bytes(17) + magic)) is None
        assert said(sniff.not_torch(b"\x80\x02" + bytes(18) + magic)) == (
            "a Python pickle", CHECKPOINT,
        )  # fmt: skip
        assert said(sniff.not_torch(b"\x81\x02" + magic)) == (
            "no PyTorch file by its first bytes", CHECKPOINT,
        )  # fmt: skip

    def test_other_files(self):
        assert said(sniff.not_torch(b"<html>")) == (PAGE[0], CHECKPOINT)
        assert said(sniff.not_torch(b"")) == ("no PyTorch file by its first bytes", CHECKPOINT)

    def test_a_zip_archive(self):
        assert sniff.is_zip(b"PK\x03\x04")
        assert not sniff.is_zip(b"PK\x05\x06")
        assert not sniff.is_zip(b"xPK\x03\x04")


SAVE = "save its values: torch.save({}, 'values.pt')"
SCRIPT = ("a TorchScript program", SAVE.format("torch.jit.load(PATH).state_dict()"))
PROGRAM = ("a program that torch.export saved", SAVE.format("torch.export.load(PATH).state_dict"))
ARRAYS = ("an archive of NumPy arrays", CHECKPOINT)
ZIP = ("a zip archive that torch.save did not write", "unpack it, and give the file inside")


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["net/data.pkl", "net/version", "net/data/0"], None),
        (["net/data.pkl", "net/constants.pkl"], SCRIPT),
        (["constants.pkl"], SCRIPT),
        (["net/archive_format"], PROGRAM),
        (["serialized_exported_program.json"], PROGRAM),
        (["arr_0.npy", "arr_1.npy"], ARRAYS),
        (["arr_0.npy", "readme"], ZIP),
        (["data.pkl"], ZIP),
        (["a/data.pkl", "b/data.pkl"], ZIP),
        (["net/code/data.pkl"], ZIP),
        ([], ZIP),
    ],
)
def test_what_an_archive_is(names, expected):
    assert said(sniff.archive(names)) == expected


def test_commands_and_functions_are_called_by_their_names():
    """There is no command that loads, and Python detects in a model that was loaded."""
    assert sniff.takers_of_names() == "convert and load"
    with running("info"):
        assert sniff.takers_of_names() == "convert and detect"
