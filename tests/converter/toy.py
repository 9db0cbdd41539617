"""Files to download, and the three ways in which that ends."""

import hashlib
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import numpy as np
import pytest
import reference

import converter.official
import converter.published
from converter.class_names import CLASS_NAMES
from converter.errors import DownloadError
from converter.files.target import Unfinished
from converter.official import OfficialCfg
from converter.operations.download import CHUNK, fetch
from converter.published import PublicFile
from tests.converter.http_server import Server, serving, shelf

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


# A detector of COCO's classes. Its head has 3 * (5 + 80) filters.
CFG = """\
[net]
width=32
height=32
channels=3

[convolutional]
batch_normalize=1
filters=4
size=3
stride=8
pad=1
activation=leaky

[convolutional]
filters=255
size=1
activation=linear

[yolo]
mask=0,1,2
anchors=4,4, 8,8, 16,16
classes=80
num=3
"""
# 4 filters: biases, scales, means, variances and 3 * 9 weights each; a class adds 3 * (4 + 1).
FLOATS = 4 * 4 + 4 * 27 + 3 * 5 * (4 + 1)
SLOPE = 3 * (4 + 1)
WEIGHTS = reference.random_weights(CFG)
NAMES = "".join(f"{name}\n" for name in CLASS_NAMES["coco"])
OFFICIAL = OfficialCfg(
    repository="pjreddie/darknet",
    path="cfg/toy.cfg",
    size=len(CFG),
    sha256=hashlib.sha256(CFG.encode()).hexdigest(),
    classes=80,
    floats=FLOATS,
    slope=SLOPE,
)


@contextmanager
def detector_served(monkeypatch, **files: bytes) -> Iterator[Server]:
    """A server with a published detector, its cfg and its names, which the registry knows.

    ``files`` are served in place of them: ``cfg=b"..."``.
    """
    content = {"cfg": CFG.encode(), "names": NAMES.encode(), "weights": WEIGHTS, **files}
    named = {"toy.cfg": content["cfg"], "coco.names": content["names"]}
    with serving(shelf({**named, "toy.weights": content["weights"]})) as server:
        file = published(
            server.url,
            size=len(WEIGHTS),
            hashes={"sha256:" + hashlib.sha256(WEIGHTS).hexdigest(): 1},
            cfg="toy",
            names="coco",
        )
        monkeypatch.setattr(converter.published, "PUBLISHED", (file,))
        monkeypatch.setattr(converter.official, "official_cfgs", lambda: (OFFICIAL,))
        monkeypatch.setattr(converter.official, "_RAW", server.url.rpartition("/")[0])
        yield server
