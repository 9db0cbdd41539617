"""A file to download, and the three ways in which that ends."""

import hashlib
import struct
from dataclasses import replace

import numpy as np
import pytest

from converter.errors import DownloadError
from converter.files.target import Unfinished
from converter.operations.download import CHUNK, fetch
from converter.published import PublicFile

# A .weights file begins with its version, 0.2.0, and what it has seen.
PAYLOAD = struct.pack("<iiiQ", 0, 2, 0, 0) + np.random.default_rng(0).bytes(5 * CHUNK)
OTHER = PAYLOAD[:-1] + b"!"
HASH = "sha256:" + hashlib.sha256(PAYLOAD).hexdigest()
SOME = 2 * CHUNK  # bytes of it
PAGE = b"<!DOCTYPE html>\n<html><title>Log in to the hotel's network</title></html>"
WAITS = (0, 0)  # three rounds at most, without pauses
PATIENCE = 10  # seconds for a server that does answer, however busy the machine is
SHORT = 0.5  # seconds for one that does not


def published(*urls: str, **changes: object) -> PublicFile:
    """The registry entry of the file, with some ``changes``."""
    file = PublicFile(
        name="toy",
        file="toy.weights",
        size=len(PAYLOAD),
        hashes={HASH: 1},
        urls=urls,
        trained_on="COCO",
    )
    return replace(file, **changes)


def bring(tmp_path, *urls, force=False, patience=PATIENCE, progress=None, **changes):
    return fetch(
        published(*urls, **changes),
        tmp_path,
        force=force,
        progress=progress,
        waits=WAITS,
        timeout=(PATIENCE, patience),
    )


def refused(tmp_path, *urls, kept=b"", **changes):
    """The message of a download that fails and leaves ``kept`` to go on from."""
    with pytest.raises(DownloadError) as caught:
        bring(tmp_path, *urls, **changes)
    assert "\n" not in str(caught.value)
    assert parts(tmp_path) == ([kept] if kept else [])
    assert len(list(tmp_path.iterdir())) == bool(kept)
    assert (f"it goes on from byte {len(kept):,}" in str(caught.value)) == bool(kept)
    return str(caught.value)


def leave_part(tmp_path, content):
    """What a run leaves that ends after ``content``."""
    work = Unfinished.make(tmp_path / "toy.weights")
    work.path.write_bytes(content)
    work.leave()


def parts(tmp_path):
    """What runs have left to go on from."""
    return [path.read_bytes() for path in tmp_path.glob(".toy.weights.*.part/content")]


def arrived(tmp_path):
    """Whether the file is there, whole, and nothing else."""
    return {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"toy.weights": PAYLOAD}
