"""Sources and targets that are URLs, through fsspec: s3://, gs://, http(s)://, memory://, ...

A file is copied whole to a temporary folder, and the result from one: conversion itself needs local
files that it can read twice, and verify. What a run that was killed leaves there, the next one
removes.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path, PurePosixPath
from typing import Any

from converter.errors import (
    DarknetError,
    ExtraError,
    OutputError,
    UsageError,
    WeightsError,
    argument,
    first_line,
    install,
)
from converter.files.portable import is_reserved
from converter.files.source import COMPANION_BYTES, companion_names
from converter.files.target import Unfinished, require_space
from converter.options import PathLike

# Of a file whose length no server says. Published ones have up to 0.8 GB.
MAX_DOWNLOAD = 4 << 30
SILENCE = 60  # seconds that a server may say nothing

_URL = re.compile(r"[a-zA-Z][a-zA-Z0-9+.-]+://")


def is_url(path: PathLike) -> bool:
    """Whether ``path`` is a URL and not a file's name."""
    return bool(_URL.match(os.fspath(path)))


def plain(path: PathLike) -> PathLike:
    """The path of a ``file://`` URL of this machine; anything else as it is."""
    text = os.fspath(path)
    if not text.startswith("file:///"):
        return path
    from urllib.request import url2pathname

    return url2pathname(text.removeprefix("file://"))


def in_folder(folder: PathLike, name: str) -> str:
    """The file ``name`` in ``folder``, which may be a URL."""
    if is_url(folder):
        return f"{os.fspath(folder).rstrip('/')}/{name}"
    return str(Path(folder, name))


def name_of(url: PathLike) -> str:
    """The last part of a URL's path, without query and fragment.

    Raises:
        UsageError: it has none.
    """
    path = os.fspath(url).partition("://")[2].partition("?")[0].partition("#")[0]
    name = PurePosixPath(path).name
    if not name or name == ".." or is_reserved(name):
        raise UsageError("names no file", path=url)
    return name


@contextmanager
def local_source(source: PathLike, limit: int = MAX_DOWNLOAD) -> Iterator[Path]:
    """A local copy of ``source``, with the .cfg and .names beside it, while the block runs.

    Args:
        source: a path, or a URL.
        limit: bytes that it may have if its server does not say how many it has.

    Raises:
        WeightsError: it cannot be read, or is too large.
        OutputError: the disk of the temporary folder is too small.
    """
    if not is_url(source):
        yield Path(source)
        return
    with _temporary_folder() as folder:
        local = folder / name_of(source)
        files, path = _filesystem(source)
        _get(files, path, local, source, limit)
        for suffix, most in COMPANION_BYTES.items():
            for name in companion_names(local, suffix):
                beside = path[: len(path) - len(local.name)] + name
                with _one_line(WeightsError, "cannot be read", source):
                    if files.exists(beside):
                        _get(files, beside, local.with_name(name), source, most)
        yield local


@contextmanager
def local_target(target: PathLike, *, force: bool, dry_run: bool) -> Iterator[Path]:
    """A local path whose file becomes ``target`` when the block ends well.

    Raises:
        OutputError: it is there already without ``force``, or cannot be written.
    """
    if not is_url(target):
        yield Path(target)
        return
    files, path = _filesystem(target)
    with _one_line(OutputError, "cannot be written", target):
        if not (force or dry_run) and files.exists(path):
            raise OutputError(
                "exists already", path=target, remedy=f"replace it with {argument('--force')}"
            )
    with _temporary_folder() as folder:
        local = folder / name_of(target)
        yield local
        if local.exists():
            with _one_line(OutputError, "cannot be written", target):
                files.put_file(str(local), path)


@contextmanager
def _temporary_folder() -> Iterator[Path]:
    """A folder that is gone afterwards, at the latest when the next run begins."""
    import tempfile  # late: most sources are local

    place = Path(tempfile.gettempdir(), "darknet-safetensors")
    try:
        with suppress(OSError):
            for old in Unfinished.left_behind(place, alone=False):
                old.remove()
        work = Unfinished.make(place)
    except OSError as error:
        raise OutputError(f"cannot be written: {error.strerror}", path=place.parent) from error
    try:
        work.path.mkdir()
        yield work.path
    finally:
        work.remove()


def _get(files: Any, path: str, local: Path, url: PathLike, limit: int) -> None:
    """Copy a file of at most ``limit`` bytes."""
    from fsspec.callbacks import Callback

    def too_large(what: str) -> WeightsError:
        return WeightsError(
            f"{what}, more than {limit:,} bytes",
            path=url,
            place=local.name,
            remedy=f"see {argument('--max-download')}, or download it by other means",
        )

    class Bounded(Callback):  # type: ignore[misc]  # fsspec has no types
        def set_size(self, size: int | None) -> None:
            """Called with what the server says the file has."""
            if size and local.suffix in COMPANION_BYTES and size > limit:
                raise too_large(f"has {size:,} bytes")
            if size:
                require_space(local, size)
            self.most = max(limit, size or 0)

        def relative_update(self, inc: int = 1) -> None:
            """Called with the length of each piece."""
            self.value += inc
            if self.value > self.most:
                raise too_large("sends and sends")

    with _one_line(WeightsError, "cannot be read", url):
        files.get_file(path, str(local), callback=Bounded())


@contextmanager
def _one_line(kind: type[DarknetError], what: str, url: PathLike) -> Iterator[None]:
    """Turn what a filesystem raises, which is its own business, into one line."""
    try:
        yield
    except DarknetError:
        raise
    except FileNotFoundError:
        raise kind("no such file", path=url, remedy="check the URL") from None
    except Exception as error:
        raise kind(f"{what}: {first_line(error)}", path=url) from error


def _filesystem(url: PathLike) -> tuple[Any, str]:
    try:
        from fsspec.core import url_to_fs
    except ModuleNotFoundError:
        raise ExtraError("URLs need fsspec", path=url, remedy=install("remote")) from None
    try:
        files, path = url_to_fs(os.fspath(url), **_patience(url))
    except ImportError as error:
        raise ExtraError(
            f"cannot be opened: {error}",
            path=url,
            remedy=install("remote") + ", or what it names",
        ) from None
    except Exception as error:  # what a filesystem raises is its own business
        raise UsageError(f"cannot be opened: {first_line(error)}", path=url) from error
    return files, path


def _patience(url: PathLike) -> dict[str, Any]:
    """How long an HTTP server may be silent; the others have clients, and limits, of their own."""
    if not os.fspath(url).startswith(("http://", "https://")):
        return {}
    from aiohttp import ClientTimeout

    timeout = ClientTimeout(total=None, sock_connect=SILENCE, sock_read=SILENCE)
    return {"client_kwargs": {"timeout": timeout}, "skip_instance_cache": True}
