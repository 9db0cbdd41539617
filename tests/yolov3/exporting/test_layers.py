"""Every layer as ONNX nodes, run by onnxruntime at old and new operator sets."""

import numpy as np
import onnx
import onnxruntime
import pjreddie_layers
import pytest
import torch
from loading import ENGINES, GOLDENS, load
from one_feature import conv, network, picture, section, weights
from torch import nn

from converter.darknet.layers import LAYERS
from converter.darknet.layers.graph import Graph
from converter.darknet.network import Network, parse_network
from yolov3.darknet import DarknetModel
from yolov3.exporting.drawing import add_output, draw, in_full, shape_of
from yolov3.exporting.export import export
from yolov3.exporting.onnx import encode

# Softmax, Squeeze and Split change at 13, reductions at 18.
OPSETS = (11, 13, 18, onnx.defs.onnx_opset_version())

# Of the largest value of a layer's output. Measured: 9e-7 from darknet, 6e-7 from PyTorch.
ROUNDING = 3e-6
# The same in float16, which has 11 bits. Measured: 2.4e-3, in an [rnn].
HALF_ROUNDING = 5e-3


def run(model: DarknetModel, x: np.ndarray, opset: int, **options) -> dict[int, np.ndarray]:
    """Every layer's output for the pictures ``x``."""
    net: Network = model.network
    indices = [node.index for node in net.nodes if node.layer.has_output]
    drawn = draw(net, Graph(opset=opset, dialect=model.dialect, **options), indices)
    for index in indices:
        tensor = in_full(drawn, drawn.layers[index])
        add_output(drawn, f"out{index}", tensor, shape_of(net, index))
    state = {name: tensor.numpy() for name, tensor in model.state_dict().items()}
    file, _ = encode(drawn, {}, "")
    chunks = file.chunks(lambda layer, suffix: state[f"layers.{layer}.{suffix}"])
    session = onnxruntime.InferenceSession(b"".join(chunks), providers=["CPUExecutionProvider"])
    return dict(zip(indices, session.run(None, {"images": x}), strict=True))


def require_equal(found: np.ndarray, wanted: np.ndarray, rounding: float = ROUNDING) -> None:
    assert found.size == wanted.size
    assert np.isfinite(found).all()
    error = np.abs(found.reshape(-1) - wanted.reshape(-1)).max(initial=0)
    assert error <= rounding * np.abs(wanted).max(initial=0)


# AlexeyAB's and hank-ai's darknet, by the name of the dialect.
COMPUTED = sorted(f"{folder.parent.name}/{folder.name}" for folder in ENGINES.glob("*/*"))

# Of layers that no engine runs, or not with these options, there is PyTorch alone; what that
# computes, the tests in converter/darknet/layers work out by hand.
UNANSWERED = {
    "batchnorm": ("pjreddie", network(section("batchnorm"))),
    "deconvolutional": (
        "pjreddie",
        network(
            section("deconvolutional", filters=4, size=3, stride=2, pad=1, batch_normalize=1),
            section("deconvolutional", filters=2, size=2, activation="leaky"),
        ),
    ),
    "history": ("alexeyab", network(conv(filters=2), section("history", history_size=3))),
    "iseg": ("pjreddie", network(section("iseg", classes=1, ids=2))),
}


def test_every_layer_type_is_run_at_every_opset():
    texts = [(ENGINES / name / "net.cfg").read_text() for name in COMPUTED]
    texts += [case.cfg for case in pjreddie_layers.CASES.values()]
    texts += [text for _, text in UNANSWERED.values()]
    assert {node.layer.type for text in texts for node in parse_network(text).nodes} == set(LAYERS)


@pytest.mark.parametrize("name", COMPUTED)
def test_what_an_engine_computed(name, tmp_path):
    folder = ENGINES / name
    dialect = folder.parent.name
    model = load(folder / "net.cfg", folder / "net.weights", tmp_path / "x.safetensors", dialect)
    with np.load(folder / "golden.npz") as file:
        golden = dict(file)
    x = golden["input"].reshape(1, *model.network.input.sides)
    for opset in OPSETS:
        outputs = run(model, x, opset)
        compared = 0
        for index, found in outputs.items():
            assert found.shape == (1, *shape_of(model.network, index))
            if f"layer_{index:02d}" in golden:
                require_equal(found, golden[f"layer_{index:02d}"])
                compared += 1
        assert compared
    for index, found in run(model, x, 13, half=True).items():
        assert found.dtype == np.float32
        if f"layer_{index:02d}" in golden:
            require_equal(found, golden[f"layer_{index:02d}"], HALF_ROUNDING)


@pytest.mark.parametrize("name", UNANSWERED)
def test_what_pytorch_computes_of_layers_that_no_engine_runs(name):
    dialect, text = UNANSWERED[name]
    torch.manual_seed(0)
    model = DarknetModel(parse_network(text), dialect).eval()
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.running_var, 0.5, 1.5)
            nn.init.normal_(module.running_mean, std=0.1)
    x = picture(1, *model.network.input.sides)
    wanted = torch_outputs(model, x)
    for opset in OPSETS:
        found = run(model, x, opset)
        assert found.keys() == wanted.keys()
        for index in found:
            require_equal(found[index], wanted[index])


@pytest.mark.parametrize("name", sorted(folder.name for folder in GOLDENS.iterdir()))
def test_any_number_of_pictures(name, tmp_path):
    folder = GOLDENS / name
    model = load(folder / "net.cfg", folder / "net.weights", tmp_path / "x.safetensors", "alexeyab")
    x = picture(3, *model.network.input.sides)
    wanted = torch_outputs(model, x)
    for index, found in run(model, x, 13, dynamic=True).items():
        assert found.shape == wanted[index].shape
        require_equal(found, wanted[index])


@pytest.mark.parametrize(
    "layers",
    [
        [
            section("maxpool", size=2, stride=2),
            conv(filters=6),
            section("yolo", num=1, classes=1),
            section("route", layers=1),
            section("upsample", stride=2),
        ],
        [section("maxpool", size=2, stride=1), section("shortcut", from_=-2)],
        [conv(filters=8), section("reorg", stride=2)],
        [
            section("reorg3d", stride=2),
            section("implicit", filters=16),
            section("route", layers=-2),
        ],
        [section("route", layers=-1, groups=2, group_id=1), section("l2norm")],
        [section("crnn", output=4, hidden=4, pad=1), section("conv_lstm", output=4, pad=1)],
        [section("avgpool"), section("scale_channels", from_=-2)],
        [conv(filters=6), section("yolo", num=1, classes=1), section("local_avgpool", size=2)],
    ],
    ids=lambda layers: "-".join(layer[1 : layer.index("]")] for layer in layers),
)
def test_any_size_of_picture(layers, tmp_path):
    last = [conv(filters=6), section("yolo", num=1, classes=1, anchors="4,6")]
    text = network(conv(filters=4), *layers, *last, height=8, width=8)
    torch.manual_seed(0)
    model = DarknetModel(parse_network(text), "alexeyab").eval()
    export(model, tmp_path / "out.onnx", dynamic=True)
    session = onnxruntime.InferenceSession(
        tmp_path / "out.onnx", providers=["CPUExecutionProvider"]
    )
    x = picture(2, 3, 32, 24)
    with torch.no_grad():
        expected = [y.numpy() for y in model(torch.from_numpy(x))]
    for found, wanted in zip(session.run(None, {"images": x}), expected, strict=True):
        assert found.shape == wanted.shape
        require_equal(found, wanted)


@pytest.mark.parametrize("name", pjreddie_layers.CASES)
def test_what_pytorch_computes_of_pjreddies_layers(name, tmp_path):
    """Which test_pjreddie.py compares with the engine itself."""
    case = pjreddie_layers.CASES[name]
    cfg, values = tmp_path / "net.cfg", tmp_path / "net.weights"
    cfg.write_text(case.cfg)
    values.write_bytes(weights(case.arrays))
    model = load(cfg, values, tmp_path / "x.safetensors", "pjreddie")
    x = picture(1, *model.network.input.sides)
    wanted = torch_outputs(model, x)
    for opset in OPSETS:
        found = run(model, x, opset)
        assert found.keys() == wanted.keys()
        for index in found:
            assert found[index].shape == wanted[index].shape
            require_equal(found[index], wanted[index])


def torch_outputs(model: DarknetModel, x: np.ndarray) -> dict[int, np.ndarray]:
    with torch.no_grad():
        layers = model.forward_layers(torch.from_numpy(x))
        return {index: y.numpy() for index, y in layers if y is not None}
