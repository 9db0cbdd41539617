"""The main job against the real engine, at full width.

Random weights pass through darknet once (it saves them), are converted, and the modular model's
maps are compared with darknet's. The pictures are small, since darknet takes 14 s for 608 x 608 on
a CPU.
"""

import re
from pathlib import Path

import nets
import numpy as np
import pytest
import reference
import torch
from safetensors.numpy import load_file

from converter import convert, verify
from yolov3 import Darknet53, load
from yolov3.blocks import without_tf32
from yolov3.parity.engines import Darknet

pytestmark = pytest.mark.engine

CFGS = Path("/usr/share/darknet/cfg")
SIZE = 160

# Relative L2 error that is allowed. With pj's own rule of batch norm, float32 rounding over 75
# convolutions leaves 3e-6. PyTorch's rule, sqrt(v + 1e-5), is another formula: it leaves 1e-4.
BOUNDS = {"pjreddie-cpu": 1e-5, "torch": 5e-4}


def official(name: str) -> str:
    """A cfg of Debian's package, asking for smaller pictures."""
    text = (CFGS / f"{name}.cfg").read_text()
    return re.sub(r"(?m)^(\s*)(width|height)\s*=\s*\d+", rf"\1\2={SIZE}", text)


NETS = {
    "yolov3": (lambda: official("yolov3"), 366, 62_001_757, [81, 93, 105]),
    "yolov3-spp": (lambda: official("yolov3-spp"), 371, 63_052_381, [88, 100, 112]),
    "yolov3-voc": (lambda: official("yolov3-voc"), 366, 61_678_657, [81, 93, 105]),
    "yolov3-openimages": (lambda: official("yolov3-openimages"), 366, 64_807_342, [81, 93, 105]),
    "yolov3_5l": (
        lambda: nets.yolov3(levels=5, merge=(128, 128, 128, 256), size=SIZE),
        440, 62_399_771, [81, 93, 105, 117, 129],
    ),
}  # fmt: skip


def saved_by_darknet(text: str, folder: Path) -> tuple[Path, Path]:
    cfg, raw, weights = folder / "net.cfg", folder / "raw.weights", folder / "net.weights"
    cfg.write_text(text)
    raw.write_bytes(reference.random_weights(text))
    Darknet(cfg, raw).save_weights(weights)
    raw.unlink()
    assert weights.stat().st_size == 20 + 4 * reference.floats(text)
    return cfg, weights


def assert_close(ours: torch.Tensor, theirs: np.ndarray, bound: float) -> None:
    assert ours.shape == theirs.shape
    # A comparison of NaN or of constants would prove nothing.
    assert np.isfinite(theirs).all()
    assert theirs.std() > 0
    assert 1e-2 < np.sqrt(np.mean(theirs**2)) < 1e2
    error = np.linalg.norm(ours.numpy() - theirs) / np.linalg.norm(theirs)
    assert error <= bound


def computed(model, x: np.ndarray, method=None):
    """What a model, or a method of it, gives for a picture: with all bits of float32 on a GPU."""
    pictures = torch.from_numpy(x)[None].to(next(model.parameters()).device)
    with torch.no_grad(), without_tf32():
        found = (method or model)(pictures)
    return found.cpu() if isinstance(found, torch.Tensor) else [y.cpu() for y in found]


@pytest.mark.slow
@pytest.mark.parametrize("name", NETS)
def test_detectors(name, tmp_path, device):
    text, tensors, floats, layers = NETS[name]
    cfg, weights = saved_by_darknet(text(), tmp_path)
    result = convert(weights)
    facts = result.as_dict()
    assert (facts["family"], facts["tensors"], facts["floats"]) == ("yolov3", tensors, floats)
    assert verify(weights, result.output).ok

    # Tensor by tensor, through a reader that shares nothing with the converter.
    modules = reference.yolov3_modules(len(layers), spp="spp" in name)
    expected = reference.expected_tensors(cfg.read_text(), weights, modules)
    found = load_file(result.output)
    assert found.keys() == expected.keys()
    for tensor, values in expected.items():
        assert np.array_equal(found[tensor], values), tensor

    x = np.random.default_rng(1).random((3, SIZE, SIZE), dtype=np.float32)
    theirs = Darknet(cfg, weights).run(x)
    for bn, bound in BOUNDS.items():
        maps = computed(load(result.output, bn=bn, device=device), x)
        assert len(maps) == len(layers)
        for ours, layer in zip(reversed(maps), layers, strict=True):
            assert_close(ours[0], theirs[layer], bound)


@pytest.mark.slow
def test_the_backbone(tmp_path, device):
    cfg, weights = saved_by_darknet(official("darknet53"), tmp_path)
    x = np.random.default_rng(1).random((3, SIZE, SIZE), dtype=np.float32)
    theirs = Darknet(cfg, weights).run(x)
    output = convert(weights).output
    for bn, bound in BOUNDS.items():
        model = load(output, bn=bn, device=device)
        assert isinstance(model, Darknet53)
        features, logits = computed(model, x), computed(model, x, model.classify)
        for ours, layer in zip(features, [36, 61, 74], strict=True):
            assert_close(ours[0], theirs[layer], bound)
        assert_close(logits[0, :, None, None], theirs[76], bound)

    # The same file without its cfg, and its first 75 layers, are recognised by their sizes.
    cfg.unlink()
    assert convert(weights, tmp_path / "recognised.safetensors").as_dict()["classes"] == 1000
    backbone = tmp_path / "any.name"
    backbone.write_bytes(weights.read_bytes()[: 20 + 4 * 40_620_640])
    facts = convert(backbone).as_dict()
    assert (facts["classes"], facts["tensors"], facts["complete"]) == (None, 52 * 5, True)
    assert facts["assumed"]["architecture"] == "darknet53.conv.74"
    features = computed(load(facts["output"], bn="pjreddie-cpu", device=device), x)
    for ours, layer in zip(features, [36, 61, 74], strict=True):
        assert_close(ours[0], theirs[layer], BOUNDS["pjreddie-cpu"])


def test_the_sample(sample, device):
    output = convert(sample.weights).output
    x = np.random.default_rng(1).random((3, 192, 192), dtype=np.float32)
    theirs = Darknet(sample.cfg, sample.weights).run(x)
    for bn, bound in BOUNDS.items():
        maps = computed(load(output, bn=bn, device=device), x)
        for ours, layer in zip(reversed(maps), [81, 93, 105], strict=True):
            assert_close(ours[0], theirs[layer], bound)
