"""There and back, for every cfg of Debian's darknet and every golden network."""

import hashlib
from pathlib import Path

import numpy as np
import pytest

from converter import convert, revert
from converter.darknet.network import read_network

CFGS = sorted(Path("/usr/share/darknet/cfg").glob("*.cfg"))
GOLDENS = sorted((Path(__file__).parent / "data/goldens/alexeyab").glob("*/net.weights"))


def sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@pytest.mark.slow
@pytest.mark.engine
@pytest.mark.parametrize("cfg", CFGS, ids=lambda path: path.stem)
def test_official_cfgs(cfg, tmp_path):
    """All 45; that their float counts are darknet's own is checked where darknet saves them."""
    floats = read_network(cfg).floats
    # Every float another one, none of them negative (a variance) or NaN.
    values = np.arange(1, floats + 1, dtype="<u4").view("<f4")
    source = tmp_path / "source.weights"
    source.write_bytes(b"\0\0\0\0\2\0\0\0" + bytes(12) + values.tobytes())
    checkpoint = convert(source, cfg=cfg).output
    result = revert(checkpoint, tmp_path / "back.weights")
    assert result.identical
    assert result.sha256 == sha256(source) == sha256(result.output)


@pytest.mark.engine
def test_all_official_cfgs_are_there():
    assert len(CFGS) == 45


@pytest.mark.parametrize("golden", GOLDENS, ids=lambda path: path.parent.name)
def test_goldens(golden, tmp_path):
    checkpoint = convert(golden, tmp_path / "x.safetensors", dialect="alexeyab").output
    result = revert(checkpoint, tmp_path / "back.weights")
    assert result.identical
    assert result.output.read_bytes() == golden.read_bytes()


def test_all_goldens_are_there():
    assert len(GOLDENS) == 130
