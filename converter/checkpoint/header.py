"""Safetensors on disk: its header, written and read.

Writing is our own because ``safetensors.numpy.save_file`` needs all tensors in memory, orders
metadata at random, and ignores umask and symlinks. The layout (8-byte length, JSON padded with
spaces to a multiple of 8, then the values) is that of safetensors 0.4 README "Format". Reading
goes through the safetensors library.
"""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import suppress
from math import prod
from pathlib import Path
from typing import Any

from converter.checkpoint.dtypes import CODES, WIDTHS
from converter.errors import CheckpointError, OutputError
from converter.files import sniff
from converter.files.opening import open_regular
from converter.files.source import WEIGHTS_SUFFIXES
from converter.options import Dtype, PathLike
from converter.records import dataclass

# The library takes 100 MB (safetensors tensor.rs MAX_HEADER_SIZE), of which Python makes gigabytes
# of objects. A network of 10,000 layers with a cfg of 4 MB needs 10 MB.
MAX_HEADER = 16 << 20
# What DataParallel and torch.compile put before the names of all of a model's tensors.
SHELLS = ("module.", "_orig_mod.")
MOST_SHELLS = 4  # in one another
_AGAIN = "download or convert it again"


def make_head(
    tensors: Iterable[tuple[str, tuple[int, ...]]],
    metadata: Mapping[str, str],
    dtype: Dtype = "float32",
    *,
    least: int = 0,
) -> bytes:
    """The bytes before the first value; ``tensors`` are (name, shape) in file order.

    Spaces, which the format allows at the end of a header, fill it up to ``least`` bytes.

    Raises:
        OutputError: they are more than a reader takes.
    """
    entries: dict[str, Any] = {"__metadata__": dict(sorted(metadata.items()))}
    offset = 0
    for name, shape in tensors:
        end = offset + prod(shape) * WIDTHS[dtype]
        entries[name] = {"dtype": CODES[dtype], "shape": shape, "data_offsets": [offset, end]}
        offset = end
    text = json.dumps(entries, separators=(",", ":"), ensure_ascii=False).encode()
    text = text.ljust(least - 8)
    text += b" " * (-len(text) % 8)
    if len(text) > MAX_HEADER:
        raise OutputError(f"needs a header of {len(text):,} bytes, more than {MAX_HEADER:,}")
    return len(text).to_bytes(8, "little") + text


def read_head(path: PathLike) -> bytes:
    """The bytes before the first value of an existing file.

    Raises:
        CheckpointError: it is not a safetensors file, or cannot be read.
    """
    try:
        with open_regular(path, CheckpointError, "give a .safetensors file") as file:
            start = file.read(sniff.HEAD)
            length = int.from_bytes(start[:8], "little")
            size = os.fstat(file.fileno()).st_size
            if len(start) < 8 or length > min(MAX_HEADER, size - 8):
                raise _not_safetensors(start, path)
            file.seek(0)
            return file.read(8 + length)
    except OSError as error:
        raise CheckpointError(
            f"cannot be read: {error.strerror}", path=path, remedy="check the path"
        ) from error


@dataclass(frozen=True, kw_only=True)
class Entry:
    """A tensor as the header describes it: ``offsets`` are from the first value on, end excluded.

    ``dtype`` is safetensors' name of the type, such as "F32".
    """

    dtype: str
    shape: tuple[int, ...]
    offsets: tuple[int, int]


@dataclass(frozen=True, kw_only=True)
class Contents:
    """What the header of a safetensors file says, or the pickle of one of PyTorch's.

    Attributes:
        path: the file.
        start: the byte at which the values begin.
        entries: tensor name -> what it is.
        metadata: key -> value; empty if there is none.
        where: where in the file the tensors are, in words; "" if there is no choice.
        class_names: those that a pickled module has; None if there are none.
    """

    path: Path
    start: int
    entries: Mapping[str, Entry]
    metadata: Mapping[str, str]
    where: str = ""
    class_names: list[str] | None = None

    @property
    def names(self) -> set[str]:
        """The tensors, but for those that Darknet does not know."""
        return {name for name in self.entries if not is_counter(name)}

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Of the tensors."""
        return {name: entry.shape for name, entry in self.entries.items()}


def is_counter(name: str) -> bool:
    """Whether a tensor only counts: Darknet knows none.

    PyTorch's batch norm counts batches, and the package thop operations and parameters.
    """
    return name.rpartition(".")[2] in ("num_batches_tracked", "total_ops", "total_params")


def prefixes(names: Collection[str], shells: Collection[str] = SHELLS) -> Iterator[str]:
    """Nothing, and what ``shells`` put before all of ``names``: one, and one in another."""
    prefix = ""
    yield prefix
    for _ in range(MOST_SHELLS):
        longer = [prefix + shell for shell in shells if names]
        fits = [one for one in longer if all(name.startswith(one) for name in names)]
        if not fits:
            return
        (prefix,) = fits
        yield prefix


def read_contents(path: PathLike) -> Contents:
    """The header of a safetensors file.

    Only its form is checked: opening the file with the safetensors library checks the rest.

    Raises:
        CheckpointError: it is not a safetensors file, or cannot be read.
    """
    head = read_head(path)
    try:
        found = json.loads(head[8:], object_pairs_hook=_unique)
        metadata = found.pop("__metadata__", {})
        if not all(isinstance(value, str) for value in metadata.values()):
            raise ValueError
        entries = {name: _entry(described) for name, described in found.items()}
    except (AttributeError, KeyError, TypeError, ValueError, RecursionError) as error:
        raise CheckpointError("is not a safetensors file: bad header", path=path) from error
    return Contents(path=Path(path), start=len(head), entries=entries, metadata=metadata)


def unreadable(path: PathLike, reason: Exception) -> CheckpointError:
    """The refusal of a file that the safetensors library does not read, for ``reason``."""
    with suppress(CheckpointError, OSError):  # then its header does not say where it ends
        contents, size = read_contents(path), os.stat(path).st_size
        ends = [contents.start + entry.offsets[1] for entry in contents.entries.values()]
        if size < max(ends, default=0):
            return CheckpointError(
                f"is cut off: it has {size:,} bytes, its header promises {max(ends):,}",
                path=path,
                remedy=_AGAIN,
            )
    return CheckpointError(f"is not a safetensors file: {reason}", path=path)


def _entry(described: Any) -> Entry:
    dtype, shape, (start, end) = (described[key] for key in ("dtype", "shape", "data_offsets"))
    if not isinstance(dtype, str) or not isinstance(shape, list):
        raise TypeError
    if not all(type(number) is int and number >= 0 for number in (*shape, start, end)):
        raise ValueError
    return Entry(dtype=dtype, shape=tuple(shape), offsets=(start, end))


def _not_safetensors(start: bytes, path: PathLike) -> CheckpointError:
    found = sniff.foreign(start)
    if found is None or "safetensors" in found.name:
        named = Path(path).suffix in WEIGHTS_SUFFIXES
        return CheckpointError(
            "is not a safetensors file, or is cut off inside its header",
            path=path,
            remedy="convert it first" if named else _AGAIN,
        )
    return CheckpointError(
        f"is {found.name}", path=path, remedy="give the .safetensors file that convert wrote"
    )


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A JSON object, none of whose names comes twice: readers would differ on which one counts."""
    entries = dict(pairs)
    if len(entries) != len(pairs):
        raise ValueError
    return entries
