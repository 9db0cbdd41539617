"""Layers and their options, against what two engines answered: tests/data/README.md."""

from pathlib import Path

import numpy as np
import pytest
from loading import ENGINES, GOLDENS, load, outputs

from converter.darknet.dialects import DialectName
from converter.darknet.network import parse_network
from converter.diagnosis.engines import compare_engines
from converter.errors import WeightsError
from yolov3.darknet import DarknetModel

NAMES = sorted(path.name for path in GOLDENS.iterdir())
# hank-ai's engine was given these: of xnor it dies, by the fault that AlexeyAB's had mended.
ASKED = [name for name in NAMES if "xnor" not in name]
CASES = sorted((path.parent.name, path.name) for path in ENGINES.glob("*/*"))

# Parts of a layer's RMS. Compiler flags alone move that engine's results by up to 2.3e-5 of it.
TOLERANCE = 1e-4


@pytest.mark.parametrize(("engine", "name"), CASES)
def test_every_layer_equals_the_engine(engine, name, tmp_path, device):
    model, found, golden = run(name, tmp_path, engine, engine, device)
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


# What hank-ai's engine did with those of AlexeyAB's networks that it did not load: the line of its
# message, and where that is in src-lib/. The last five died of SIGFPE.
REFUSED = {
    "batchnorm": (15, "darknet_enums.cpp:57"),
    "batchnorm_after_max": (12, "darknet_enums.cpp:57"),
    "conv_lstm": (8, "darknet_enums.cpp:57"),
    "conv_lstm_peephole": (8, "darknet_enums.cpp:57"),
    "crnn": (19, "darknet_cfg.cpp:219"),
    "crnn_bn": (18, "darknet_cfg.cpp:219"),
    "crop": (8, "darknet_enums.cpp:57"),
    "detection": (19, "darknet_enums.cpp:57"),
    "empty": (15, "darknet_cfg.cpp:894"),
    "gru": (6, "darknet_enums.cpp:57"),
    "implicit_add": (15, "darknet_enums.cpp:57"),
    "local": (15, "darknet_enums.cpp:57"),
    "lrn": (16, "darknet_enums.cpp:57"),
    "region": (1, "darknet_cfg.cpp:1213"),
    "reorg2": (15, "darknet_enums.cpp:57"),
    "yolo": (1, "darknet_cfg.cpp:1213"),
    "yolo_new_coords": (1, "darknet_cfg.cpp:1213"),
    "yolo_scale_xy": (1, "darknet_cfg.cpp:1213"),
    **dict.fromkeys(("connected_default", "lstm", "lstm_bn", "rnn"), (1, "darknet_cfg.cpp:1149")),
    "rnn_hidden_differs": (2, "darknet_cfg.cpp:1149"),
}


@pytest.mark.parametrize("name", ASKED)
def test_hank_ais_engine_loads_the_same_network_or_refuses_it(name):
    # Those that it loaded gave AlexeyAB's values, within 1.9e-7 of each layer's norm.
    text = (GOLDENS / name / "net.cfg").read_text()
    verdict = compare_engines(text, "alexeyab").verdicts["hank-ai"]
    if name in REFUSED:
        line, _ = REFUSED[name]
        assert verdict.answer == "refuses"
        assert line in [reason.line for reason in verdict.reasons]
        return
    assert verdict.answer == "runs"
    ours, theirs = (parse_network(text, engine) for engine in ("hank-ai", "alexeyab"))
    assert ours.nodes == theirs.nodes


def test_it_loaded_all_but_23():
    assert REFUSED.keys() <= set(ASKED)
    assert (len(ASKED), len(REFUSED)) == (122, 23)


def run(
    name: str,
    folder: Path,
    dialect: DialectName,
    engine: DialectName = "alexeyab",
    device: str = "cpu",
) -> tuple[DarknetModel, dict[int, np.ndarray], dict[str, np.ndarray]]:
    path = ENGINES / engine / name
    model = load(path / "net.cfg", path / "net.weights", folder / "net.safetensors", dialect)
    with np.load(path / "golden.npz") as golden:
        arrays = dict(golden)
    return model, outputs(model, arrays["input"], device), arrays


def rms(values: np.ndarray) -> float:
    return float(np.sqrt(np.mean(np.square(values, dtype=np.float64))))
