"""A .pt or .pth file as torch.save writes one, read without PyTorch and without running it.

Since PyTorch 1.6 it is a zip archive: the pickle ``*/data.pkl``, and for each storage (a flat array
that tensors are views of) the entry ``*/data/KEY``. Before, it was five pickles (a number that says
what it is, the format's version, facts on the machine, the object itself, the keys of the
storages), and then each storage after its number of values.

Nothing is allocated for a tensor before it is known to lie inside its storage, and its storage
inside the file.

Source: pytorch@cf30153 (2.13.0) torch/serialization.py:1040-1300 (_legacy_save, _save), 1656-2230
(_legacy_load, _load).
"""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from converter.errors import CheckpointError
from converter.files import sniff
from converter.files.archive import Range, read_entries
from converter.files.pickled import STATE_DICT_ALONE, read_pickle
from converter.files.source import Source
from converter.files.source import opened as opened_source
from converter.files.torch_objects import CODES, Storage, StoredTensor, Views
from converter.options import PathLike
from converter.records import dataclass

if TYPE_CHECKING:
    from numpy.typing import NDArray

# Of 88 layers, pickled as modules twice, with their optimizer, it has 277 kB; what programs log may
# be in it as well.
MAX_PICKLE = 64 << 20
VERSION = 1001  # of the format before 1.6
PIECE = 1 << 20

_CHECKSUM = "is damaged: its checksum differs"
_RESAVE = "let PyTorch write it again: torch.save(torch.load(PATH, weights_only=True), PATH)"


@dataclass(kw_only=True)
class TorchFile:
    """An open file of PyTorch's.

    Attributes:
        source: the file.
        tree: the object that was saved: None, bool, int, float, str, bytes, tuple, list, dict,
            ``StoredTensor``, ``Inert``. Parts of it may be shared, or contain themselves.
        order: of the bytes of a value, "<" or ">".
    """

    source: Source
    tree: Any
    order: str
    _ranges: Mapping[str, Range]
    _intact: set[str] = field(default_factory=set)

    def values(self, tensor: StoredTensor) -> NDArray[Any]:
        """The values, contiguous, of the tensor's shape; of bfloat16 the bits, as uint16.

        Raises:
            CheckpointError: they are damaged, or the file cannot be read.
        """
        import numpy as np

        storage = tensor.storage
        self._require_intact(storage.key)
        width, code = storage.width, CODES[storage.dtype]
        if not tensor.size:
            return np.empty(tensor.shape, bool if storage.dtype == "bool" else "<" + code)
        data = np.empty(tensor.span * width, np.uint8)
        start = self._ranges[storage.key].start + tensor.offset * width
        self.source.read_into(data.data, start)
        flat = data.view(self.order + code)
        sizes = zip(tensor.shape, tensor.stride, strict=True)
        steps = [step * width if n > 1 else 0 for n, step in sizes]
        view = np.lib.stride_tricks.as_strided(flat, tensor.shape, steps, writeable=False)
        values: NDArray[Any] = np.ascontiguousarray(view, "<" + code).reshape(tensor.shape)
        return values != 0 if storage.dtype == "bool" else values

    def _require_intact(self, key: str) -> None:
        """Compare the storage with its checksum, once."""
        where = self._ranges[key]
        # torch.serialization.set_crc32_options(False) writes 0 for all; before 1.6 there is none.
        if not where.crc or key in self._intact:
            return
        crc, buffer = 0, memoryview(bytearray(PIECE))
        for piece, _ in self.source.pieces(buffer, where.start, where.start + where.size):
            crc = zlib.crc32(piece, crc)
        if crc != where.crc:
            raise self.source.damaged(_CHECKSUM, f"storage {key}")
        self._intact.add(key)


@contextmanager
def opened(path: PathLike) -> Iterator[TorchFile]:
    """Open a .pt or .pth file.

    Raises:
        CheckpointError: it is something else, damaged, beyond the bounds, or cannot be read.
    """
    with opened_source(Path(path), CheckpointError, sniff.not_torch, ".pt or .pth") as source:
        yield (_read_zip if sniff.is_zip(source.head) else _read_legacy)(source)


def _read_zip(source: Source) -> TorchFile:
    entries = read_entries(source)
    found = sniff.archive(entries)
    if found:
        raise CheckpointError(f"is {found.name}", path=source.path, remedy=found.remedy)
    for name, where in entries.items():
        if where.compressed:
            raise CheckpointError("is compressed", path=source.path, place=name, remedy=_RESAVE)
    (main,) = (name for name in entries if name.partition("/")[2] == "data.pkl")
    root = main.removesuffix("data.pkl")
    views = Views(source)
    tree = views.read(io.BytesIO(_entry(source, entries, main)), main)
    ranges = {
        key: _located(storage, root, entries, source) for key, storage in views.storages.items()
    }
    byteorder = f"{root}byteorder"
    big = byteorder in entries and _entry(source, entries, byteorder) == b"big"
    return TorchFile(source=source, tree=tree, order=">" if big else "<", _ranges=ranges)


def _entry(source: Source, entries: Mapping[str, Range], name: str) -> bytes:
    """The bytes of a small entry."""
    where = entries[name]
    if where.size > MAX_PICKLE:
        raise _too_large(source, name)
    data = source.read(where.start, where.size)
    if where.crc and zlib.crc32(data) != where.crc:
        raise source.damaged(_CHECKSUM, name)
    return data


def _located(storage: Storage, root: str, entries: Mapping[str, Range], source: Source) -> Range:
    """Where a storage is, which must be as long as the pickle says."""
    name = f"{root}data/{storage.key}"
    where = entries.get(name)
    if where is None:
        raise source.damaged("is missing", name)
    if where.size // storage.width != storage.count:
        problem = f"has {where.size:,} bytes, not {storage.count:,} values of {storage.dtype}"
        raise source.damaged(problem, name)
    return where


def _read_legacy(source: Source) -> TorchFile:
    stream, views = io.BytesIO(source.read(0, min(source.size, MAX_PICKLE))), Views(source)
    try:
        read_pickle(stream, source.path)  # the number that sniff knows
        version = read_pickle(stream, source.path)
        if version != VERSION:
            raise CheckpointError("is of a format that PyTorch never wrote", path=source.path)
        machine = read_pickle(stream, source.path)
        tree = views.read(stream)
        keys = read_pickle(stream, source.path)
    except CheckpointError as error:
        if source.size > MAX_PICKLE and not stream.read(1):
            raise _too_large(source, "its pickle") from error
        raise
    little = machine.get("little_endian", True) if isinstance(machine, dict) else True
    order = "<" if little is not False else ">"
    ranges = _follow(keys, views.storages, order, source, stream.tell())
    return TorchFile(source=source, tree=tree, order=order, _ranges=ranges)


def _follow(
    keys: Any, storages: Mapping[str, Storage], order: str, source: Source, at: int
) -> dict[str, Range]:
    """Where the storages are that follow one another from byte ``at`` to the end of the file."""
    named = isinstance(keys, list) and all(type(key) is str for key in keys)
    if not named or len(keys) != len(storages) or set(keys) != storages.keys():
        raise source.damaged("lists other storages than its tensors have")
    found = {}
    for key in keys:
        storage = storages[key]
        size = storage.count * storage.width
        if at + 8 + size > source.size:
            raise source.damaged("is cut off", f"storage {key}")
        (count,) = struct.unpack(f"{order}q", source.read(at, 8))
        if count != storage.count:
            problem = f"has {count:,} values in one place and {storage.count:,} in another"
            raise source.damaged(problem, f"storage {key}")
        found[key] = Range(start=at + 8, size=size)
        at += 8 + size
    if at != source.size:
        raise source.damaged("has bytes after its last storage", f"byte {at}")
    return found


def _too_large(source: Source, place: str) -> CheckpointError:
    problem = f"is more than {MAX_PICKLE:,} bytes"
    return CheckpointError(problem, path=source.path, place=place, remedy=STATE_DICT_ALONE)
