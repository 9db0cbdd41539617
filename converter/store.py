"""Safetensors on disk: a streaming writer, an atomic target, metadata.

Writing is our own because ``safetensors.numpy.save_file`` needs all tensors in memory, orders
metadata at random, and ignores umask and symlinks. The layout (8-byte length, JSON padded with
spaces to a multiple of 8, then the values) is that of safetensors 0.4 README "Format". Reading
goes through the safetensors library.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import stat
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from math import prod
from pathlib import Path
from typing import IO, Any

from converter.errors import CheckpointError, OutputError
from converter.precision import CODES, WIDTHS, Dtype

MAX_HEADER = 100_000_000  # the library's own limit (safetensors tensor.rs MAX_HEADER_SIZE)


def head(
    tensors: Iterable[tuple[str, tuple[int, ...]]],
    metadata: Mapping[str, str],
    dtype: Dtype = "float32",
) -> bytes:
    """The bytes before the first value; ``tensors`` are (name, shape) in file order."""
    entries: dict[str, Any] = {"__metadata__": dict(sorted(metadata.items()))}
    offset = 0
    for name, shape in tensors:
        end = offset + prod(shape) * WIDTHS[dtype]
        entries[name] = {"dtype": CODES[dtype], "shape": shape, "data_offsets": [offset, end]}
        offset = end
    text = json.dumps(entries, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text


def read_head(path: str | os.PathLike[str]) -> bytes:
    """The bytes before the first value of an existing file.

    Raises:
        CheckpointError: it is not a safetensors file, or cannot be read.
    """
    try:
        with open(path, "rb") as file:
            prefix = file.read(8)
            length = int.from_bytes(prefix, "little")
            if len(prefix) < 8 or length > MAX_HEADER or length > os.fstat(file.fileno()).st_size:
                raise CheckpointError("is not a safetensors file", path=path)
            return prefix + file.read(length)
    except OSError as error:
        raise CheckpointError(f"cannot be read: {error.strerror}", path=path) from error


def read_entries(path: str | os.PathLike[str]) -> dict[str, Any]:
    """The header of a safetensors file as an object, tensors and ``__metadata__``.

    Only the syntax is checked: opening the file with the safetensors library checks the rest.

    Raises:
        CheckpointError: it is not a safetensors file, or cannot be read.
    """
    try:
        entries = json.loads(read_head(path)[8:])
    except (ValueError, RecursionError) as error:
        raise CheckpointError("is not a safetensors file: bad header", path=path) from error
    if not isinstance(entries, dict):
        raise CheckpointError("is not a safetensors file: bad header", path=path)
    return entries


def read_metadata(path: str | os.PathLike[str]) -> dict[str, str]:
    """The metadata of a safetensors file; empty if it has none.

    Raises:
        CheckpointError: it is not a safetensors file, or cannot be read.
    """
    found = read_entries(path).get("__metadata__", {})
    if not isinstance(found, dict) or not all(isinstance(v, str) for v in found.values()):
        raise CheckpointError("is not a safetensors file: bad metadata", path=path)
    return found


@contextmanager
def replacing(path: Path, size: int) -> Iterator[IO[bytes]]:
    """A file that becomes ``path`` if the block ends well, and vanishes if not.

    It lies beside the target under one fixed name, so that a run that was killed leaves nothing
    which the next one does not clean up; a lock keeps two runs apart. A symlink is followed, never
    replaced.

    Raises:
        OutputError: the target is no regular file, the disk is too small, or writing failed.
    """
    target = Path(os.path.realpath(path))
    if target.exists() and not stat.S_ISREG(target.stat().st_mode):
        raise OutputError("is not a regular file", path=path, remedy="choose another output")
    temporary = target.with_name(f".{target.name}.part")
    try:
        need_space(target, size)
        with open(temporary, "w+b", opener=open_locked) as file:
            try:
                yield file
                file.flush()
                os.replace(temporary, target)
            except BaseException:
                with suppress(OSError):
                    os.unlink(temporary)
                raise
    except OSError as error:
        raise OutputError(
            f"cannot be written: {error.strerror}",
            path=path,
            remedy="choose another output with -o",
        ) from error


def open_locked(path: str, flags: int) -> int:
    """An ``opener`` for ``open`` whose file no other run has open through it.

    Raises:
        OutputError: one has.
    """
    while True:
        # Not truncated before it is locked: another run may be writing it.
        descriptor = os.open(path, (flags & ~os.O_TRUNC) | os.O_NOFOLLOW, 0o666)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # If that run ended in between, this is its finished target by now, under another name.
            if os.path.samestat(os.fstat(descriptor), os.stat(path)):
                if flags & os.O_TRUNC:
                    os.ftruncate(descriptor, 0)
                return descriptor
        except BlockingIOError:
            os.close(descriptor)
            raise OutputError("is being written by another run", path=path) from None
        except FileNotFoundError:
            pass
        os.close(descriptor)


def need_space(target: Path, size: int) -> None:
    """Check that ``size`` more bytes fit on the disk of ``target``.

    Raises:
        OutputError: they do not.
    """
    free = shutil.disk_usage(target.parent).free
    if free < size:
        raise OutputError(
            f"needs {size:,} bytes, and its disk has {free:,} free",
            path=target,
            remedy="free some space or choose another disk with -o",
        )
