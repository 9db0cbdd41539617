"""The engines that the model is compared with."""

import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from loading import load
from one_feature import conv, network, picture, section, weights

from yolov3.parity import engines
from yolov3.parity.engines import (
    DEBIAN,
    Darknet,
    EngineError,
    Limits,
    NoAnswer,
    OpenCV,
    dialect_of,
)

DETECTOR = network(
    conv(filters=8, batch_normalize=1),
    section("maxpool", size=2, stride=2),
    conv(filters=14, size=1, activation="linear"),
    section("yolo", mask="0,1", num=2, anchors="10,14,23,27", classes=2),
    height=32,
    width=64,
)
ARRAYS = "b8 s8 m8 v8 w8x3x3x3 b14 w14x8x1x1"


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    cfg, file = tmp_path / "net.cfg", tmp_path / "net.weights"
    cfg.write_text(DETECTOR)
    file.write_bytes(weights(ARRAYS))
    return cfg, file


@pytest.mark.engine
def test_darknet_gives_every_layer_and_says_nothing(files, capfd):
    layers = Darknet(*files).run(picture(3, 32, 64))
    assert [layer.shape for layer in layers] == [
        (8, 32, 64),
        (8, 16, 32),
        (14, 16, 32),
        (14, 16, 32),
    ]
    assert all(np.isfinite(layer).all() for layer in layers)
    assert capfd.readouterr() == ("", "")


@pytest.mark.engine
def test_layers_without_height_and_width_are_given_flat(tmp_path):
    cfg = tmp_path / "net.cfg"
    cfg.write_text(
        network(section("gru", output=2), section("connected"), section("softmax"), section("cost"))
    )
    layers = Darknet(cfg).run(picture(3, 10, 13))
    assert [layer if layer is None else layer.shape for layer in layers] == [
        (2,), (1, 1, 1), (1,), None,
    ]  # fmt: skip


@pytest.mark.engine
def test_darknet_writes_its_weights(files, tmp_path):
    cfg, file = files
    Darknet(cfg, file).save_weights(tmp_path / "saved.weights")
    assert (tmp_path / "saved.weights").read_bytes() == file.read_bytes()


@pytest.mark.engine
@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[convolutional]\n", "First section must be"),
        (network(section("avgpool"), section("softmax"), conv()), "must output image"),
        (network(section("mish_attention")), "darknet died of SIGSEGV as it ran"),
        # exits with status 0
        (
            network(conv(filters=25), section("region", map="no.map")),
            "refused it (status 0): Couldn't open file: no.map",
        ),
    ],
)
def test_what_darknet_refuses_is_an_error_of_one_line(text, message, tmp_path, capfd):
    cfg = tmp_path / "net.cfg"
    cfg.write_text(text)
    with pytest.raises(EngineError) as refusal:
        Darknet(cfg).run(picture(3, 10, 13))
    assert message in str(refusal.value)
    assert "\n" not in str(refusal.value)
    assert capfd.readouterr() == ("", "")


@pytest.mark.engine
def test_darknet_can_be_let_read_a_cfg_alone(files, tmp_path):
    Darknet(files[0]).load()
    (tmp_path / "broken.cfg").write_text("[convolutional]\n")
    with pytest.raises(EngineError, match="darknet died of SIGABRT: First section must be"):
        Darknet(tmp_path / "broken.cfg").load()


@pytest.mark.engine
def test_it_is_ended_when_its_time_is_over_or_nobody_waits(files):
    with pytest.raises(NoAnswer, match="darknet had no answer after 0 s"):
        Darknet(*files, limits=Limits(seconds=0)).load()
    limits = Limits()
    limits.stop.set()
    with pytest.raises(NoAnswer):
        Darknet(*files, limits=limits).load()


@pytest.mark.engine
def test_whose_library_it_is(tmp_path):
    assert dialect_of(DEBIAN) == "pjreddie"
    with pytest.raises(EngineError, match=r"no\.so: cannot be loaded: OSError"):
        dialect_of(tmp_path / "no.so")
    with pytest.raises(EngineError, match="is no darknet: it has none of network_outputs, get_"):
        dialect_of("libm.so.6")


def test_the_library_can_be_named(monkeypatch, tmp_path):
    monkeypatch.setenv("DARKNET_LIBRARY", "/opt/libdarknet.so")
    assert Darknet(tmp_path / "net.cfg").library == Path("/opt/libdarknet.so")
    assert Darknet(tmp_path / "net.cfg", library="mine.so").library == Path("mine.so")


def test_without_a_library_it_says_what_to_install(monkeypatch, tmp_path):
    monkeypatch.delenv("DARKNET_LIBRARY", raising=False)
    monkeypatch.setattr(engines.ctypes.util, "find_library", lambda name: None)
    monkeypatch.setattr(engines, "DEBIAN", tmp_path / "libdarknet.so")
    with pytest.raises(EngineError, match="apt-get install darknet"):
        Darknet(tmp_path / "net.cfg")


def test_opencv_computes_the_same_maps(files, tmp_path):
    x = picture(3, 32, 64)
    (found,) = OpenCV(*files).run(x)
    model = load(*files, tmp_path / "net.safetensors", "pjreddie")
    with torch.no_grad():
        (expected,) = model(torch.from_numpy(x)[None])
    # OpenCV adds 1e-6 to the variances, not 1e-5: beside 0.5 and more, up to 9e-6 of the result.
    difference = np.linalg.norm(found - expected[0].numpy())
    assert difference <= 2e-5 * np.linalg.norm(found)


def test_what_opencv_refuses_is_an_error_of_one_line(tmp_path, capfd):
    cfg, file = tmp_path / "net.cfg", tmp_path / "net.weights"
    cfg.write_text(network(conv(), section("reorg3d")))
    file.write_bytes(weights("b6 w6x3x3x3"))
    with pytest.raises(EngineError, match="OpenCV refused it") as refusal:
        OpenCV(cfg, file)
    assert "\n" not in str(refusal.value)


def test_without_opencv_it_says_what_to_install(monkeypatch, files):
    monkeypatch.setitem(sys.modules, "cv2", None)
    with pytest.raises(EngineError, match="pip install"):
        OpenCV(*files)
