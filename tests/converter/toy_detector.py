"""A published detector with its cfg and its names, and a server that has all three."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager

import reference

import converter.official
import converter.published
from converter.class_names import CLASS_NAMES
from converter.official import OfficialCfg
from tests.converter.http_server import Server, serving, shelf
from tests.converter.toy import published

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
