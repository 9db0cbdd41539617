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

from converter import sniff
from converter.errors import CheckpointError, OutputError, UsageError
from converter.files import open_regular
from converter.precision import CODES, WIDTHS, Dtype
from converter.source import WEIGHTS_SUFFIXES

PathLike = str | os.PathLike[str]

# The library takes 100 MB (safetensors tensor.rs MAX_HEADER_SIZE), of which Python makes gigabytes
# of objects. A network of 10,000 layers with a cfg of 4 MB needs 10 MB.
MAX_HEADER = 16 << 20


def head(
    tensors: Iterable[tuple[str, tuple[int, ...]]],
    metadata: Mapping[str, str],
    dtype: Dtype = "float32",
) -> bytes:
    """The bytes before the first value; ``tensors`` are (name, shape) in file order.

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
            return os.pread(file.fileno(), 8 + length, 0)
    except OSError as error:
        raise CheckpointError(
            f"cannot be read: {error.strerror}", path=path, remedy="check the path"
        ) from error


def read_entries(path: PathLike) -> dict[str, Any]:
    """The header of a safetensors file as an object, tensors and ``__metadata__``.

    Only its form is checked: opening the file with the safetensors library checks the rest.

    Raises:
        CheckpointError: it is not a safetensors file, or cannot be read.
    """
    try:
        entries = json.loads(read_head(path)[8:], object_pairs_hook=_unique)
    except (ValueError, RecursionError) as error:
        raise CheckpointError("is not a safetensors file: bad header", path=path) from error
    if not isinstance(entries, dict) or not all(
        _is_entry(entry) for name, entry in entries.items() if name != "__metadata__"
    ):
        raise CheckpointError("is not a safetensors file: bad header", path=path)
    return entries


def _is_entry(entry: Any) -> bool:
    """Whether it describes a tensor: {"dtype": str, "shape": [...], "data_offsets": [a, b]}."""
    if not isinstance(entry, dict) or not isinstance(entry.get("dtype"), str):
        return False
    shape, offsets = entry.get("shape"), entry.get("data_offsets")
    if not isinstance(shape, list) or not isinstance(offsets, list) or len(offsets) != 2:
        return False
    return all(type(number) is int and number >= 0 for number in (*shape, *offsets))


def _not_safetensors(start: bytes, path: PathLike) -> CheckpointError:
    found = sniff.foreign(start)
    if found is None or "safetensors" in found.name:
        named = Path(path).suffix in WEIGHTS_SUFFIXES
        return CheckpointError(
            "is not a safetensors file, or is cut off inside its header",
            path=path,
            remedy="convert it first" if named else "download or convert it again",
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


def read_metadata(path: PathLike) -> dict[str, str]:
    """The metadata of a safetensors file; empty if it has none.

    Raises:
        CheckpointError: it is not a safetensors file, or cannot be read.
    """
    found = read_entries(path).get("__metadata__", {})
    if not isinstance(found, dict) or not all(isinstance(v, str) for v in found.values()):
        raise CheckpointError("is not a safetensors file: bad metadata", path=path)
    return found


def need_other(target: PathLike, *others: PathLike | None) -> None:
    """Refuse to replace a file that the same call reads or writes under another name.

    Raises:
        UsageError: ``target`` is one of ``others``.
    """
    if any(other is not None and _is_same(target, other) for other in others):
        raise UsageError(
            "is an input, or another output", path=target, remedy="choose another output"
        )


def _is_same(path: PathLike, other: PathLike) -> bool:
    """Whether both name one file, there or to come."""
    try:
        return os.path.realpath(path) == os.path.realpath(other) or (
            os.path.exists(path) and os.path.exists(other) and os.path.samefile(path, other)
        )
    except ValueError:  # a zero byte: the name of no file
        return False


def write_whole(path: Path, data: bytes, *, force: bool) -> None:
    """Write a small file at once; one that is there and holds something else needs ``force``.

    Raises:
        OutputError: it is there, or cannot be written.
    """
    if os.path.lexists(path) and not force:
        if path.is_file() and path.read_bytes() == data:
            return
        raise OutputError("exists already", path=path, remedy="replace it with --force")
    with replacing(path, len(data)) as file:
        file.write(data)


@contextmanager
def replacing(path: Path, size: int) -> Iterator[IO[bytes]]:
    """A file that becomes ``path`` if the block ends well, and vanishes if not.

    It lies beside the target under one fixed name, so that a run that was killed leaves nothing
    which the next one does not clean up; a lock keeps two runs apart. A symlink is followed, never
    replaced.

    Raises:
        OutputError: the target is no regular file, the disk is too small, or writing failed.
    """
    target = _resolved(path)
    temporary = _temporary(target)
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
            remedy="choose another output",
        ) from error


def remove_leftover(path: Path) -> None:
    """Remove what a run that was killed left beside ``path``, unless another run is at it."""
    temporary = _temporary(Path(os.path.realpath(path)))
    if os.path.lexists(temporary):
        with (
            suppress(OSError, OutputError),
            open(temporary, "r+b", opener=open_locked),
        ):
            os.unlink(temporary)


def _temporary(target: Path) -> Path:
    return target.with_name(f".{target.name}.part")


def _resolved(path: Path) -> Path:
    """What ``path`` names in the end: a regular file, or nothing yet."""
    try:
        target = Path(os.path.realpath(path))
        if target.is_symlink():  # realpath() gives up on a loop
            raise OutputError("is a symlink to itself", path=path, remedy="choose another output")
        if target.exists() and not stat.S_ISREG(target.stat().st_mode):
            raise OutputError("is not a regular file", path=path, remedy="choose another output")
    except ValueError as error:
        raise OutputError("cannot be written: a zero byte in its name", path=path) from error
    return target


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
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode):
                os.close(descriptor)
                raise OutputError("is not a regular file", path=path, remedy="remove it")
            if os.path.samestat(status, os.stat(path)):
                # Not one that is new: after it, ext4 has close() wait until all is allocated.
                if flags & os.O_TRUNC and status.st_size:
                    os.ftruncate(descriptor, 0)
                return descriptor
        except BlockingIOError:
            os.close(descriptor)
            raise OutputError("is being written by another run", path=path) from None
        except FileNotFoundError:
            pass
        except KeyboardInterrupt:  # nobody would know of the open file, and its lock
            os.close(descriptor)
            raise
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
