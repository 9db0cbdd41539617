"""Checkpoints of schema 1, as version 0.1.0 wrote them: they mean what they meant.

See tests/data/README.md. What was refused then may be refused in the same words, and nothing else.
"""

import hashlib
import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from converter import DarknetError, revert, verify
from converter.checkpoint.checkpoint import Checkpoint
from converter.checkpoint.metadata import SCHEMA
from converter.errors import running
from converter.report.values import restores
from yolov3 import DarknetModel, YOLOv3, load, save

DATA = Path(__file__).parents[2] / "data" / "schema1"
ENTRIES = {entry["name"]: entry for entry in json.loads((DATA / "manifest.json").read_text())}
CLAIMS = ("family", "dialect", "dtype", "cutoff", "complete", "lossless", "classes", "names")
COMPUTED = [name for name, entry in ENTRIES.items() if "refusal" not in entry["load"]]
RUNS_NOW = {"xnor"}
REFUSED = [name for name in ENTRIES if name not in COMPUTED and name not in RUNS_NOW]

# float32 sums in another order, as other processors and versions of PyTorch add them: engines that
# do so differ by up to 3e-6 of a layer's norm (yolov3.parity), here after up to 107 layers.
TOLERANCE = 1e-5


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def refusal(function) -> str | None:
    """What a command refuses it with, as the manifest has it, from the file's name on."""
    try:
        with running():
            function()
    except DarknetError as error:
        return str(error).replace(f"{DATA}/", "")
    return None


def path_of(name: str) -> Path:
    return DATA / f"{name}.safetensors"


@pytest.mark.parametrize("name", ENTRIES)
def test_what_it_says(name):
    entry, stored = ENTRIES[name], Checkpoint.open(path_of(name))
    assert sha256(path_of(name)) == entry["checkpoint_sha256"]
    meta = stored.metadata
    for claim in CLAIMS:
        assert getattr(meta, claim) == entry[claim], claim
    assert {key: getattr(meta.header, key) for key in entry["header"]} == entry["header"]
    assert meta.source_sha256 == entry["weights_sha256"]
    assert hashlib.sha256(meta.cfg.encode()).hexdigest() == entry["cfg_sha256"]
    assert restores(stored) is (True if entry["lossless"] else None)


@pytest.mark.parametrize("name", ENTRIES)
def test_it_verifies(name):
    weights = DATA / ENTRIES[name]["weights"]
    assert sha256(weights) == ENTRIES[name]["weights_sha256"]
    assert verify(weights, path_of(name)).ok


@pytest.mark.parametrize("name", ENTRIES)
def test_it_goes_back(name, tmp_path):
    entry, back = ENTRIES[name], tmp_path / "back.weights"
    message = refusal(lambda: revert(path_of(name), back))
    assert message == entry["revert_refusal"]
    assert back.exists() == (message is None)
    if message is None:
        assert sha256(back) == entry["revert_sha256"]
    elif entry["revert_forced_sha256"]:
        revert(path_of(name), back, force=True)
        assert sha256(back) == entry["revert_forced_sha256"]


@pytest.mark.parametrize("name", COMPUTED)
def test_it_computes(name):
    wanted = ENTRIES[name]["load"]
    model = load(path_of(name), dtype=torch.float32)
    assert type(model).__name__ == wanted["class"]
    assert (model.names, model.dialect) == (wanted["names"], wanted["dialect"])
    assert list(model.input_size) == wanted["input_size"]
    assert as_then(model, model.strides) == wanted["strides"]
    anchors = [[list(pair) for pair in level] for level in model.anchors]
    assert as_then(model, anchors) == wanted["anchors"]
    assert len(model.state_dict()) == wanted["tensors"]
    # what the outputs were computed of
    x = torch.from_numpy(np.random.default_rng(0).random(wanted["input_shape"], dtype=np.float32))
    with torch.no_grad():
        require_like(as_then(model, model(x)), wanted["outputs"])
        if "classify" in wanted:
            require_like([model.classify(x)], [wanted["classify"]])
        if "layers" in wanted:
            layers = dict(model.forward_layers(x))
            assert [str(index) for index in layers] == list(wanted["layers"])
            require_like(layers.values(), wanted["layers"].values())
        if isinstance(model, YOLOv3 | DarknetModel):
            slow = load(path_of(name), bn="pjreddie-cpu", dtype=torch.float32)
            require_like(as_then(model, slow(x)), wanted["outputs_pjreddie_cpu"])


def as_then(model, levels) -> list:
    """A ``DarknetModel`` gave its levels in the order of the file; now all run fine to coarse."""
    if levels and isinstance(model, DarknetModel):
        return model.network.in_file_order(levels)
    return list(levels)


def require_like(found, wanted) -> None:
    for tensor, facts in zip(found, wanted, strict=True):
        if facts is None:
            assert tensor is None
            continue
        values = tensor.double().numpy()
        assert list(values.shape) == facts["shape"]
        assert np.isfinite(values).all()
        mean = facts["abs_sum"] / max(1, values.size)
        assert values.sum() == pytest.approx(facts["sum"], abs=TOLERANCE * facts["abs_sum"])
        assert np.abs(values).sum() == pytest.approx(facts["abs_sum"], rel=TOLERANCE)
        # written with six decimals
        np.testing.assert_allclose(
            values.ravel()[:8], facts["first"], rtol=TOLERANCE, atol=1e-6 + TOLERANCE * mean
        )


@pytest.mark.parametrize("name", RUNS_NOW)
def test_it_was_refused_and_runs_now(name):
    """What it computes, tests/converter/darknet/layers compare with the engines."""
    model = load(path_of(name))
    (y,) = model(torch.ones(1, 3, 10, 13))
    assert y.std() > 0


@pytest.mark.parametrize("name", REFUSED)
def test_it_is_refused_as_it_was(name):
    wanted = ENTRIES[name]["load"]
    # The same problem and the same tensors; how many are named, and the remedy, may change.
    found, before = (
        re.split(r" and \d+ more|, | \(", text)[:6]
        for text in (refusal(lambda: load(path_of(name))), wanted["refusal"])
    )
    assert found == before
    if "loose_refusal" in wanted:
        assert refusal(lambda: load(path_of(name), strict=False)) == wanted["loose_refusal"]
        return
    model = load(path_of(name), strict=False)
    assert type(model).__name__ == wanted["class"]
    assert len(model.missing) == wanted["missing"]
    missing = "\n".join(model.missing)
    assert hashlib.sha256(missing.encode()).hexdigest() == wanted["missing_sha256"]


@pytest.mark.parametrize("name", ["sample", "classifier", "alexeyab", "transposed-pjreddie"])
def test_it_is_saved_as_it_was(name, tmp_path):
    save(load(path_of(name)), tmp_path / "back.weights")
    assert sha256(tmp_path / "back.weights") == ENTRIES[name]["weights_sha256"]


def test_another_schema_is_refused_with_a_remedy(tmp_path):
    path = tmp_path / "x.safetensors"
    shutil.copy(path_of("plain"), path)
    data = path.read_bytes()
    path.write_bytes(data.replace(b'"schema":"1"', b'"schema":"0"'))
    assert SCHEMA == 2
    assert refusal(lambda: load(path)) == (
        f"{path}: has metadata of schema 0, this version reads 1 and 2 (update this package)"
    )
