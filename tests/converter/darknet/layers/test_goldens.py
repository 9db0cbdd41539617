"""AlexeyAB's layers and their options, against what its engine answered: tests/data/README.md."""

from pathlib import Path

import numpy as np
import pytest
from loading import GOLDENS, load, outputs

from converter.darknet.dialects import DialectName
from converter.errors import WeightsError
from yolov3.darknet import DarknetModel

NAMES = sorted(path.name for path in GOLDENS.iterdir())

# Parts of a layer's RMS. Compiler flags alone move that engine's results by up to 2.3e-5 of it.
TOLERANCE = 1e-4


@pytest.mark.parametrize("name", NAMES)
def test_every_layer_equals_the_engine(name, tmp_path):
    model, found, golden = run(name, tmp_path, "alexeyab")
    assert [f"layer_{index:02d}" for index in found] == [k for k in golden if k != "input"]
    for index, values in found.items():
        expected = golden[f"layer_{index:02d}"]
        node = model.network.nodes[index]
        assert values.shape == expected.shape, node.place
        shape = node.output
        assert values.shape == ((shape.c, shape.h, shape.w) if shape.is_image else (shape.outputs,))
        assert np.isfinite([expected, values]).all(), node.place
        assert np.abs(values - expected).max() <= TOLERANCE * rms(expected), node.place


@pytest.mark.parametrize("name", ["batchnorm", "gru", "lstm", "lstm_bn", "region"])
def test_the_comparison_sees_a_wrong_dialect(name, tmp_path):
    if name == "batchnorm":  # an array less in pjreddie's, so that the file does not even fit
        with pytest.raises(WeightsError):
            run(name, tmp_path, "pjreddie")
        return
    _, found, golden = run(name, tmp_path, "pjreddie")
    expected = [golden[f"layer_{index:02d}"] for index in found]
    errors = [np.abs(v - e).max() / rms(e) for v, e in zip(found.values(), expected, strict=True)]
    assert max(errors) > 100 * TOLERANCE


def run(
    name: str, folder: Path, dialect: DialectName
) -> tuple[DarknetModel, dict[int, np.ndarray], dict[str, np.ndarray]]:
    path = GOLDENS / name
    model = load(path / "net.cfg", path / "net.weights", folder / "net.safetensors", dialect)
    with np.load(path / "golden.npz") as golden:
        arrays = dict(golden)
    return model, outputs(model, arrays["input"]), arrays


def rms(values: np.ndarray) -> float:
    return float(np.sqrt(np.mean(np.square(values, dtype=np.float64))))
