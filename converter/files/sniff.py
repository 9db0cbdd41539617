"""What a file is when it is not what it was given as: recognised by its first bytes."""

from __future__ import annotations

import codecs
import re
import struct
from collections.abc import Collection

from converter.errors import RUNNING, argument
from converter.records import dataclass

HEAD = 512  # bytes that these functions want to see

_UNPACK = "unpack it, and give the file inside"
_PULL = "run `git lfs pull` where it comes from"
_AGAIN = "download it again; a browser shows what the address really serves"
_TORCH = "give the .weights file that darknet wrote, or end a PyTorch file with .pt or .pth"
_OTHER = "give the file that darknet wrote"
_CHECKPOINT = "give a .pt or .pth file that torch.save wrote"
_SAVE = "save its values: torch.save({}, 'values.pt')"


@dataclass(frozen=True)
class Finding:
    """What a file is ("is ..."), and what to do about it."""

    name: str
    remedy: str


# What a PyTorch file of before 1.6 begins with: pytorch@cf30153 torch/serialization.py:65.
_MAGIC_NUMBER = b"\x8a\x0a" + 0x1950A86A20F9469CFC6C.to_bytes(10, "little") + b"."

# (offset, bytes there, what it is, remedy). Checked in order.
_MAGIC: tuple[tuple[int, bytes | tuple[bytes, ...], str, str], ...] = (
    (
        0,
        b"version https://git-lfs.github.com",
        "a Git LFS pointer, not the file it stands for",
        _PULL,
    ),
    (0, b"\x1f\x8b", "gzip-compressed", _UNPACK),
    (0, b"\xfd7zXZ\0", "xz-compressed", _UNPACK),
    (0, b"BZh", "bzip2-compressed", _UNPACK),
    (0, b"\x28\xb5\x2f\xfd", "zstd-compressed", _UNPACK),
    (0, b"7z\xbc\xaf\x27\x1c", "a 7z archive", _UNPACK),
    (0, b"Rar!\x1a\x07", "a RAR archive", _UNPACK),
    (257, b"ustar", "a tar archive", _UNPACK),
    (0, b"PK\x03\x04", "a zip archive (a PyTorch .pt file is one, too)", _TORCH),
    (0, b"PK\x05\x06", "an empty zip archive", _OTHER),
    (0, b"\x80\x02" + _MAGIC_NUMBER, "a PyTorch file of before 1.6", _TORCH),
    (0, (b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05"), "a Python pickle", _TORCH),
    (0, b"\x93NUMPY", "a NumPy array", _OTHER),
    (0, b"\x89PNG", "a PNG picture", _OTHER),
    (0, b"\xff\xd8\xff", "a JPEG picture", _OTHER),
    (0, b"GIF8", "a GIF picture", _OTHER),
    (0, b"RIFF", "a WebP picture, or sound or video", _OTHER),
    (4, b"ftyp", "a video", _OTHER),
    (0, b"%PDF", "a PDF document", _OTHER),
    (0, b"\x7fELF", "a program", _OTHER),
    (0, b"\x89HDF", "an HDF5 file (Keras weights)", _OTHER),
    (0, b"GGUF", "a GGUF model", _OTHER),
    (4, b"TFL3", "a TensorFlow Lite model", _OTHER),
)


def foreign(head: bytes) -> Finding | None:
    """What a file that starts with ``head`` is, if neither .weights nor .cfg."""
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    if text.startswith((b"<!doctype", b"<html", b"<head", b"<!--", b"<body")):
        return Finding("an HTML page, not the file it was downloaded for", _AGAIN)
    if text.startswith((b"<?xml", b"<error")):
        return Finding("an XML document, as servers send in place of a file", _AGAIN)
    if text.startswith((b'{"', b"{\n", b"{\r")):
        return Finding("text (JSON)", _OTHER)
    for offset, magic, name, remedy in _MAGIC:
        if head[offset:].startswith(magic):
            return Finding(name, remedy)
    if is_safetensors(head):
        remedy = f"give the .weights file; {argument('--help')} shows the way back"
        return Finding("a safetensors file", remedy)
    if is_onnx(head):
        remedy = "ONNX is no source: give the file that it was exported from"
        return Finding("an ONNX model", remedy)
    return None


def takers_of_names() -> str:
    """Who takes class names besides .weights, of the commands or of Python's functions."""
    return "convert and load" if RUNNING.get() is None else "convert and detect"


def not_weights(head: bytes) -> Finding | None:
    """What a file that starts with ``head`` is, if it cannot be a .weights file.

    A .weights file starts with two small integers, so bytes of its head are zero; text has none.
    """
    found = foreign(head)
    if found or not _is_text(head):
        return found
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    if _is_data_set(text):
        remedy = f"the .weights come first; {takers_of_names()} take its class names with "
        remedy += argument("--names")
        return Finding("Darknet's list of a data set's files", remedy)
    if text.startswith((b"[", b"#", b";")):
        remedy = f"give it with {argument('--cfg')}, and the .weights first"
        return Finding("text that looks like a cfg", remedy)
    return Finding("text", _OTHER)


def not_cfg(head: bytes) -> Finding | None:
    """What a file that starts with ``head`` is, if it cannot be a .cfg file."""
    found = foreign(head)
    if found:  # of the remedies only those that lead to another file are for a cfg, too
        way = found.remedy if found.remedy in (_UNPACK, _PULL, _AGAIN) else "give the .cfg"
        return Finding(found.name, way)
    if _is_data_set(head):
        return not_weights(head)
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        return Finding("UTF-16 text", "save it as UTF-8")
    if len(head) >= 12 and plausible_version(*struct.unpack_from("<iii", head)):
        return Finding(
            "a .weights file by its first bytes", f"give the .cfg with {argument('--cfg')}"
        )
    return None


def not_torch(head: bytes) -> Finding | None:
    """What a file that starts with ``head`` is, if torch.save did not write it."""
    if is_zip(head) or (head[:1] == b"\x80" and _MAGIC_NUMBER in head[:32]):  # any protocol
        return None
    found = foreign(head)
    return Finding(found.name if found else "no PyTorch file by its first bytes", _CHECKPOINT)


def is_zip(head: bytes) -> bool:
    """Whether a file that starts with ``head`` is a zip archive, as PyTorch writes since 1.6."""
    return head.startswith(b"PK\x03\x04")


def archive(names: Collection[str]) -> Finding | None:
    """What a zip archive with such entries is, if torch.save did not write it.

    Sources: pytorch@cf30153 torch/serialization.py:2231 (TorchScript), torch/export/__init__.py:398
    and torch/export/pt2_archive/constants.py:6 (exported programs); numpy's format of .npz files.
    """
    inner = [name.partition("/")[2] or name for name in names]
    if "constants.pkl" in inner:
        values = "torch.jit.load(PATH).state_dict()"
        return Finding("a TorchScript program", _SAVE.format(values))
    if "archive_format" in inner or "serialized_exported_program.json" in inner:
        # A property there, not a method: pytorch@cf30153 torch/export/exported_program.py:1175.
        values = "torch.export.load(PATH).state_dict"
        return Finding("a program that torch.export saved", _SAVE.format(values))
    if inner and all(name.endswith(".npy") for name in inner):
        return Finding("an archive of NumPy arrays", _CHECKPOINT)
    if inner.count("data.pkl") != 1 or "data.pkl" in names:
        return Finding("a zip archive that torch.save did not write", _UNPACK)
    return None


def plausible_version(major: int, minor: int, revision: int) -> bool:
    """Whether darknet, or a port that imitates it, could have written this version.

    Those that were are 0.1.0 to 0.2.5; adding more than 1000 flags transposed matrices.
    """
    return 0 <= major < 10_000 and 0 <= minor < 10_000 and 0 <= revision < 10_000


def _is_text(head: bytes) -> bool:
    if not head or any(byte < 0x20 and byte not in b"\t\n\r\f\x1b" for byte in head):
        return False
    try:
        codecs.getincrementaldecoder("utf-8")().decode(head)  # its last character may be incomplete
    except UnicodeDecodeError:
        return False
    return True


def _is_data_set(head: bytes) -> bool:
    """Whether it is a .data file: options, as a cfg has them in sections only."""
    known = re.search(rb"^\s*(?:train|valid|names|labels)\s*=", head, re.MULTILINE)
    return known is not None and b"[" not in head


def is_safetensors(head: bytes) -> bool:
    """Whether a file that starts with ``head`` is safetensors: JSON after its length."""
    length = int.from_bytes(head[:8], "little")
    return 2 <= length <= 100_000_000 and head[8:10] in (b'{"', b"{}", b"{ ", b"{\n")


def is_onnx(head: bytes) -> bool:
    """Whether a file that starts with ``head`` is an ONNX model.

    A protobuf message: field 1 (ir_version, up to 31), then one of the next few fields.
    """
    return len(head) > 3 and head[0] == 0x08 and 0 < head[1] < 32 and head[2] in b"\x12\x1a\x22\x3a"
