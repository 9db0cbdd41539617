"""pjreddie's layers and their options, against real darknet, run here and now."""

from pathlib import Path

import numpy as np
import pytest
from loading import load, outputs
from one_feature import conv, network, picture, section, weights
from pjreddie_layers import CASES, Case

from yolov3.blocks import set_batch_norm
from yolov3.parity.engines import Darknet, EngineError

pytestmark = pytest.mark.engine

# Relative L2. Both sum float32 products, in another order: measured up to 6e-7.
TOLERANCE = 1e-5


# What darknet itself gets wrong, so that it must differ. All measured on Debian's build.
DIFFERENT = {
    "a 1x1 conv with a stride reads the wrong pixels: gemm without im2col": Case(
        network(conv(size=1, stride=2)), "b6 w6x3x1x1"
    ),
    "a 1x1 conv with padding reads beyond its input": Case(
        network(conv(size=1, pad=0, padding=1)), "b6 w6x3x1x1"
    ),
    "flipped with groups transposes as if there were none": Case(
        network(conv(flipped=1, groups=2), channels=4), "b6 w6x2x3x3", (4, 10, 13)
    ),
    "crnn swaps width and height": Case(
        network(conv(size=5, filters=8), section("crnn", hidden_filters=4, activation="leaky")),
        "b8 w8x3x5x5 b4 w4x8x3x3 b4 w4x4x3x3 b1 w1x4x3x3",
    ),
}
DEADLY = {
    "batchnorm has no buffer for its input": Case(network(section("batchnorm")), "s3 m3 v3"),
    "deconvolutional divides by its groups, 0, when it loads": Case(
        network(section("deconv")), "b1 w3x1x1x1"
    ),
    "iseg looks at the truth, which there is none of at inference": Case(
        network(section("iseg", classes=1, ids=2))
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_every_layer_equals_darknet(name, tmp_path):
    for place, found, expected in compared(CASES[name], tmp_path):
        assert expected.shape in (found.shape, (found.size,)), place
        assert np.isfinite([*found.ravel(), *expected.ravel()]).all(), place
        assert distance(found, expected) <= TOLERANCE, place


@pytest.mark.parametrize("name", DIFFERENT)
def test_a_bug_of_darknet_is_not_followed(name, tmp_path):
    *_, (_, found, expected) = compared(DIFFERENT[name], tmp_path)
    assert np.isfinite(found).all()
    assert not distance(found, expected) <= 1000 * TOLERANCE


@pytest.mark.parametrize("name", DEADLY)
def test_where_darknet_dies_there_is_still_an_answer(name, tmp_path):
    with pytest.raises(EngineError, match="died"):
        compared(DEADLY[name], tmp_path)


@pytest.mark.parametrize(
    "options",
    [
        {"size": 2, "stride": 2},
        {"size": 4, "stride": 2, "pad": 1, "activation": "leaky"},
        # its variances are 0 at first, so that values become large
        {"size": 3, "stride": 3, "padding": 1, "activation": "linear", "batch_normalize": 1},
    ],
)
def test_deconvolutional_with_the_weights_that_darknet_starts_with(options, tmp_path):
    cfg, file = tmp_path / "net.cfg", tmp_path / "net.weights"
    cfg.write_text(network(section("deconvolutional", filters=4, **options)))
    x = picture(3, 10, 13)
    (expected,) = Darknet(cfg).run(x, save_to=file)
    model = load(cfg, file, tmp_path / "net.safetensors", "pjreddie")
    set_batch_norm(model, "pjreddie-cpu")
    (found,) = outputs(model, x).values()
    assert found.shape == expected.shape
    assert distance(found, expected) <= TOLERANCE


@pytest.mark.parametrize("section_type", ["softmax", "region"])
def test_word_trees(section_type, tmp_path):
    tree = tmp_path / "toy.tree"
    tree.write_text("a -1\nb -1\nc 0\nd 0\ne 0\nf 1\n")
    if section_type == "softmax":
        cfg = network(conv(size=1), section("avgpool"), section("softmax", tree=tree))
        *_, (_, found, expected) = compared(Case(cfg, "b6 w6x3x1x1"), tmp_path)
        assert distance(found, expected) <= TOLERANCE
        np.testing.assert_allclose([found[:2].sum(), found[2:5].sum(), found[5]], 1, rtol=1e-6)
        return
    # pj region_layer.c:175 divides by a temperature that is 0, and gets NaN
    cfg = network(conv(filters=11, size=1), section("region", tree=tree, num=1, classes=6))
    *_, (_, found, expected) = compared(Case(cfg, "b11 w11x3x1x1"), tmp_path)
    assert not np.isfinite(expected).all()
    scores = found[5:]
    np.testing.assert_allclose([scores[:2].sum(0), scores[2:5].sum(0), scores[5]], 1, rtol=1e-6)


def compared(case: Case, folder: Path) -> list[tuple[str, np.ndarray, np.ndarray]]:
    """(place, our values, darknet's) of each layer that has an output."""
    cfg, file = folder / "net.cfg", folder / "net.weights"
    cfg.write_text(case.cfg)
    file.write_bytes(weights(case.arrays))
    x = picture(*case.x)
    saved = folder / "saved.weights"
    expected = Darknet(cfg, file).run(x, save_to=saved)
    assert saved.stat().st_size == file.stat().st_size
    if "flipped" not in case.cfg:  # a flipped kernel is not flipped back
        assert saved.read_bytes() == file.read_bytes()
    model = load(cfg, file, folder / "net.safetensors", "pjreddie")
    set_batch_norm(model, "pjreddie-cpu")
    found = outputs(model, x)
    assert list(found) == [index for index, values in enumerate(expected) if values is not None]
    places = [node.place for node in model.network.nodes]
    return [(places[index], found[index], expected[index]) for index in found]


def distance(found: np.ndarray, expected: np.ndarray) -> float:
    """Relative L2."""
    found, expected = found.ravel().astype(np.float64), expected.ravel().astype(np.float64)
    return float(np.linalg.norm(found - expected) / np.linalg.norm(expected))
