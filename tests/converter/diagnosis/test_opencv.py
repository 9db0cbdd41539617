"""What OpenCV's importer makes of a cfg, against what the installed OpenCV does with it.

Expected values are the engines' own where there are goldens, else those of the model, which other
tests compare with the engines. How a line is read is in test_opencv_cfg.py, what it makes of layers
whose options it reads in test_opencv_graph.py.
"""

from pathlib import Path

import numpy as np
import pytest
from loading import ENGINES
from one_feature import conv, network, section
from opencv_importer import compared, judge, require_as_judged, run, shifted, what_happens

from converter.darknet.network import read_network
from converter.diagnosis.engines import compare_engines
from yolov3.parity.inputs import shrink

DEBIAN = Path("/usr/share/darknet/cfg")
GOLDENS = sorted((path.parent.name, path.name) for path in ENGINES.glob("*/*"))


@pytest.mark.parametrize(("engine", "name"), GOLDENS)
def test_it_does_with_the_goldens_what_is_said(engine, name, tmp_path):
    path = ENGINES / engine / name
    text, net = (path / "net.cfg").read_text(), read_network(path / "net.cfg", engine)
    with np.load(path / "golden.npz") as golden:
        x = golden["input"]
        expected = {int(k.removeprefix("layer_")): golden[k] for k in golden if k != "input"}
    data = shifted((path / "net.weights").read_bytes(), net, engine)
    happened = compared(run(tmp_path, text, data, x), net, expected, x)
    assert judge(text, engine).answer == happened


LINEAR = {"activation": "linear"}
YOLO = {"mask": "0,1", "num": 2, "anchors": "10,14,23,27", "classes": 2}
REGION = {"num": 2, "anchors": "1,2,3,4", "classes": 2, "coords": 4, "softmax": 1}
MAP = conv(filters=14, size=1, **LINEAR)
VALUES = section("connected", output=8, **LINEAR)
TWO = conv() + conv()


def yolo(**more: object) -> str:
    return network(MAP, section("yolo", **YOLO, **more))


def region(**more: object) -> str:
    return network(MAP, section("region", **{**REGION, **more}))


# A cfg, the engine that it is for, the verdict, and the lines that make it. [net] has 6 lines and
# an empty one, conv() has 6 and an empty one.
CASES = {
    # Convolutions: darknet_io.cpp:746-774, activations: :220, :966.
    "no size": (network(conv()).replace("size=3\n", ""), "alexeyab", "refuses", [8]),
    "no filters": (network(conv()).replace("filters=6\n", ""), "alexeyab", "refuses", [8]),
    "no activation": (
        network(conv()).replace("activation=leaky\n", ""), "alexeyab", "differs", [8],
    ),
    "batch_normalize=2": (network(conv(batch_normalize=2)), "alexeyab", "differs", [14]),
    "cbn": (network(conv(cbn=1)), "alexeyab", "differs", [14]),
    "padding": (network(conv(pad=0, padding=3)), "alexeyab", "runs", []),
    "flipped": (network(conv(flipped=1)), "alexeyab", "refuses", [14]),
    "dilation": (network(conv(dilation=2)), "alexeyab", "differs", [14]),
    "stride_x that is stride": (network(conv(stride_x=1)), "alexeyab", "runs", []),
    "functions": (
        network(*(conv(activation=name) for name in ("swish", "mish", "tanh", "relu", "logistic"))),
        "alexeyab", "runs", [],
    ),
    "mish in the first engine": (network(conv(activation="mish")), "pjreddie", "differs", [13]),
    "elu": (network(conv(activation="elu")), "alexeyab", "refuses", [13]),
    "a function of a maxpool": (
        network(conv(**LINEAR), section("maxpool", size=2, stride=2, activation="logistic")),
        "alexeyab", "differs", [18],
    ),
    # Heads: :885-961, layers/region_layer.cpp.
    "yolo": (yolo(), "pjreddie", "runs", []),
    "yolo with scale_x_y": (yolo(scale_x_y=2), "alexeyab", "runs", []),
    "yolo with scale_x_y, ignored": (yolo(scale_x_y=2), "pjreddie", "differs", [20]),
    "yolo with new_coords": (yolo(new_coords=1), "alexeyab", "runs", []),
    "yolo with a threshold": (yolo(thresh=0.4), "alexeyab", "runs", [20]),
    "yolo without mask": (yolo().replace("mask=0,1\n", ""), "alexeyab", "refuses", [15]),
    "yolo with other anchors": (yolo().replace("num=2", "num=3"), "alexeyab", "refuses", [17]),
    "yolo as input": (network(MAP, section("yolo", **YOLO), VALUES), "alexeyab", "refuses", [21]),
    "yolo as input of a route": (
        network(MAP, section("yolo", **YOLO), section("route", layers="-1")),
        "alexeyab", "differs", [21],
    ),
    "region": (region(), "pjreddie", "runs", []),
    "region of the second engine": (region(), "alexeyab", "runs", []),
    "region without softmax": (region(softmax=0), "pjreddie", "refuses", [20]),
    "region with a background": (region(background=1), "pjreddie", "differs", [21]),
    "two regions": (
        network(
            MAP, section("region", **REGION), section("route", layers="0"),
            section("region", **REGION),
        ),
        "alexeyab", "refuses", [25],
    ),
    "a layer that it does not know": (
        network(conv(), section("local_avgpool", size=2, stride=2)), "alexeyab", "refuses", [15],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_a_feature(name, tmp_path):
    require_as_judged(tmp_path, *CASES[name])


def test_silu_is_swish_here_and_relu_in_the_engines(tmp_path):
    text = network(conv(activation="silu"))
    (reason,) = judge(text).reasons
    assert (reason.line, reason.text) == (13, "OpenCV reads activation=silu as swish, not relu")
    assert judge(text).answer == "differs"
    for name, happened in (("swish", "runs"), ("relu", "differs")):
        meant = text.replace("silu", name)
        assert what_happens(tmp_path, text, "alexeyab", meant) == happened


def test_weights_that_an_engine_does_not_load(tmp_path):
    """They stand in the file for OpenCV alone; what the engine has in their place is random."""
    verdict = judge(network(conv(), conv(dontload=1)), "alexeyab")
    assert verdict.answer == "differs"
    assert [reason.text for reason in verdict.reasons] == ["OpenCV ignores dontload=1"]


@pytest.mark.parametrize(
    ("text", "line"),
    [
        # The network twice, of which OpenCV makes one of two layers: darknet_io.cpp:691.
        (network(conv()) * 2, 1),
        # 3 x 416 x 416 then: :725.
        ("[net]\nchannels=3\n" + conv(), 1),
        # A number that is never set: :672.
        (network(MAP, section("yolo", **{**YOLO, "anchors": "10,,23,27"})), 18),
    ],
)
def test_what_cannot_be_compared_is_unknown(text, line, tmp_path):
    verdict = judge(text)
    assert verdict.answer == "unknown"
    assert line in [reason.line for reason in verdict.reasons]


@pytest.mark.engine
@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(path.stem for path in DEBIAN.glob("*.cfg")))
def test_it_does_with_debians_cfgs_what_is_said(name, tmp_path):
    text = (DEBIAN / f"{name}.cfg").read_text()
    engine = compare_engines(text).reference
    text = shrink(text, engine)
    assert judge(text, engine).answer == what_happens(tmp_path, text, engine)
