"""Sources and targets that are URLs, through fsspec: s3://, gs://, http(s)://, memory://, ...

A file is copied whole to a temporary folder, and the result from one: conversion itself needs local
files that it can read twice, and verify.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any

from converter.errors import ExtraError, OutputError, UsageError, WeightsError, install
from converter.files.source import COMPANIONS, companion_names
from converter.options import PathLike

_URL = re.compile(r"[a-zA-Z][a-zA-Z0-9+.-]+://")


def is_url(path: PathLike) -> bool:
    """Whether ``path`` is a URL and not a file's name."""
    return bool(_URL.match(os.fspath(path)))


def name_of(url: PathLike) -> str:
    """The last part of a URL's path, without query and fragment.

    Raises:
        UsageError: it has none.
    """
    path = os.fspath(url).partition("://")[2].partition("?")[0].partition("#")[0]
    name = PurePosixPath(path).name
    if not name or name == "..":
        raise UsageError("names no file", path=url)
    return name


@contextmanager
def local_source(source: PathLike) -> Iterator[Path]:
    """A local copy of ``source``, with the .cfg and .names beside it, while the block runs.

    Raises:
        WeightsError: it cannot be read.
    """
    if not is_url(source):
        yield Path(source)
        return
    from tempfile import TemporaryDirectory

    with TemporaryDirectory() as folder:
        local = Path(folder) / name_of(source)
        files, path = _filesystem(source)
        _get(files, path, local, source)
        for suffix in COMPANIONS:
            for name in companion_names(local, suffix):
                beside = path[: len(path) - len(local.name)] + name
                if files.exists(beside):
                    _get(files, beside, local.with_name(name), source)
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
    if not (force or dry_run) and files.exists(path):
        raise OutputError("exists already", path=target, remedy="replace it with --force")
    from tempfile import TemporaryDirectory

    with TemporaryDirectory() as folder:
        local = Path(folder) / name_of(target)
        yield local
        if local.exists():
            try:
                files.put_file(str(local), path)
            except Exception as error:  # what a filesystem raises is its own business
                raise OutputError(f"cannot be written: {error}", path=target) from error


def _get(files: Any, path: str, local: Path, source: PathLike) -> None:
    try:
        files.get_file(path, str(local))
    except FileNotFoundError:
        raise WeightsError("no such file", path=source, remedy="check the URL") from None
    except Exception as error:  # what a filesystem raises is its own business
        raise WeightsError(f"cannot be read: {error}", path=source) from error


def _filesystem(url: PathLike) -> tuple[Any, str]:
    try:
        from fsspec.core import url_to_fs
    except ModuleNotFoundError:
        raise ExtraError("URLs need fsspec", path=url, remedy=install("remote")) from None
    try:
        files, path = url_to_fs(os.fspath(url))
    except ImportError as error:
        raise ExtraError(
            f"cannot be opened: {error}",
            path=url,
            remedy=install("remote") + ", or what it names",
        ) from error
    except ValueError as error:
        raise UsageError(f"cannot be opened: {error}", path=url) from error
    return files, path
