"""Schema 2: a cfg counts as the engine reads it that the metadata names; in schema 1 it all counts.

The files of schema 1 are those of test_schema1.py: read as pjreddie's, whose engine knows no mish
(pj activations.c:61), they were written to compute it all the same, and still do.
"""

import json
import shutil
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open

from converter import convert, revert, verify
from converter.checkpoint.checkpoint import Checkpoint
from converter.errors import WeightsError
from yolov3 import DarknetModel, load, save

DATA = Path(__file__).parents[2] / "data" / "schema1"
MANIFEST = {entry["name"]: entry for entry in json.loads((DATA / "manifest.json").read_text())}
SAME_SIZE = ["pjreddie-mish", "pjreddie-mish-shortcut"]
OLD = [*SAME_SIZE, "pjreddie-mish-yolo"]


def metadata(path: Path) -> dict[str, str]:
    with safe_open(path, "np") as file:
        return file.metadata()


def answer(model: DarknetModel) -> torch.Tensor:
    c, h, w = 3, *model.input_size
    x = torch.from_numpy(np.random.default_rng(0).random((1, c, h, w), dtype=np.float32))
    with torch.no_grad():
        return model(x)[-1]


def activations(model: DarknetModel) -> set[str]:
    return {getattr(node.layer, "activation", "") for node in model.network.nodes}


@pytest.fixture
def files(tmp_path):
    """Puts an old checkpoint, its .weights file and its cfg into a folder: files(name)."""

    def put(name: str) -> tuple[Path, Path, Path]:
        old, weights = tmp_path / "old.safetensors", tmp_path / "net.weights"
        shutil.copyfile(DATA / f"{name}.safetensors", old)
        shutil.copyfile(DATA / MANIFEST[name]["weights"], weights)
        cfg = tmp_path / "net.cfg"
        cfg.write_text(metadata(old)["cfg"])
        return old, weights, cfg

    return put


@pytest.mark.parametrize("name", SAME_SIZE)
def test_the_same_file_is_relu_to_the_engine_that_is_named(name, files):
    old, weights, _ = files(name)
    new = convert(weights, dialect="pjreddie").output
    assert (metadata(old)["schema"], metadata(new)["schema"]) == ("1", "2")
    assert metadata(old)["cfg"] == metadata(new)["cfg"]
    before, now = load(old), load(new)
    assert "mish" in activations(before)
    assert "mish" not in activations(now)
    assert "relu" in activations(now)
    assert before.state_dict().keys() == now.state_dict().keys()
    assert not torch.allclose(answer(before), answer(now), atol=0.01)


def test_relu_is_what_it_computes(files):
    _, weights, cfg = files("pjreddie-mish")
    model = load(convert(weights, dialect="pjreddie").output)
    cfg.write_text(cfg.read_text().replace("activation=mish", "activation=relu"))
    plain = load(convert(weights, weights.with_name("relu.safetensors"), dialect="pjreddie").output)
    assert torch.equal(answer(model), answer(plain))


@pytest.mark.parametrize("name", OLD)
def test_what_was_written_before_stays_what_it_was(name, files, tmp_path):
    old, weights, _ = files(name)
    model, again = load(old), tmp_path / "again.safetensors"
    save(model, again)
    assert metadata(again)["schema"] == "1"
    assert activations(load(again)) == activations(model)
    assert torch.equal(answer(load(again)), answer(model))
    back = tmp_path / "back.weights"
    for checkpoint in (old, again):
        revert(checkpoint, back, force=True)
        assert sha256(back.read_bytes()).hexdigest() == MANIFEST[name]["weights_sha256"]
        assert verify(weights, checkpoint).ok


@pytest.mark.parametrize("name", SAME_SIZE)
def test_schema_2_goes_back_to_the_same_bytes(name, files, tmp_path):
    _, weights, _ = files(name)
    new, back = convert(weights, dialect="pjreddie").output, tmp_path / "back.weights"
    revert(new, back)
    assert back.read_bytes() == weights.read_bytes()
    saved = tmp_path / "saved.safetensors"
    save(load(new), saved)
    assert metadata(saved)["schema"] == "2"
    assert torch.equal(answer(load(saved)), answer(load(new)))


def test_a_file_that_the_engine_could_not_have_written_is_refused(files):
    # [route] groups=2 halves the channels, and with them the kernels behind it; pj ignores it
    _, weights, _ = files("pjreddie-mish-yolo")
    with pytest.raises(WeightsError, match="fits alexeyab's darknet, not pjreddie's"):
        convert(weights, dialect="pjreddie")


def test_alexeyabs_is_the_same_in_both(files):
    old, weights, _ = files("alexeyab-mish")
    new = convert(weights, dialect="alexeyab").output
    assert metadata(new)["schema"] == "2"
    assert torch.equal(answer(load(old)), answer(load(new)))
    assert Checkpoint.open(new).plan.network.dialect == "alexeyab"
