"""What OpenCV's importer makes of a cfg, against what the installed OpenCV does with it.

Expected values are the engines' own where there are goldens, else those of the model, which other
tests compare with the engines.
"""

from pathlib import Path

import numpy as np
import pytest
from loading import ENGINES
from one_feature import conv, network, section
from opencv_importer import compared, run, shifted, what_happens

from converter.darknet.dialects import DialectName
from converter.darknet.network import read_network
from converter.diagnosis.engines import compare_engines
from converter.diagnosis.verdict import Verdict
from yolov3.parity.inputs import shrink

DEBIAN = Path("/usr/share/darknet/cfg")
GOLDENS = sorted((path.parent.name, path.name) for path in ENGINES.glob("*/*"))


def judge(text: str, dialect: DialectName | None = None) -> Verdict:
    return compare_engines(text, dialect).verdicts["opencv"]


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
SMALL = section("maxpool", size=2, stride=2)
TWO = conv() + conv()
VALUES = section("connected", output=8, **LINEAR)


def yolo(**more: object) -> str:
    return network(MAP, section("yolo", **YOLO, **more))


def region(**more: object) -> str:
    return network(MAP, section("region", **{**REGION, **more}))


# A cfg, the engine that it is for, the verdict, and the lines that make it. [net] has 6 lines and
# an empty one, conv() has 6 and an empty one.
CASES = {
    # How a line is read: darknet_io.cpp:655-720.
    "a line without =": (network(conv()) + "pad\n", "alexeyab", "refuses", [15]),
    "a line of other letters": (network(conv()) + "\u043f\u0430\u0434\n", "alexeyab", "runs", []),
    "CR LF": (network(conv()).replace("\n", "\r\n"), "alexeyab", "runs", []),
    "a comment behind a section": (
        network(conv()).replace("[convolutional]", "[convolutional] # 1"), "hank-ai", "runs", [],
    ),
    "a comment behind [net]": (
        network(conv()).replace("[net]", "[net] # 1"), "hank-ai", "refuses", [1],
    ),
    "a comment behind a number": (network(conv(filters="6 # six")), "alexeyab", "runs", []),
    "[network]": (network(conv()).replace("[net]", "[network]"), "alexeyab", "refuses", [1]),
    "the last of equal keys": (network(conv() + "filters=3\n"), "alexeyab", "differs", [15]),
    "a comma too many": (yolo() + "mask=0,1,\n", "alexeyab", "runs", []),
    "no width": (
        section("net", inputs=9) + section("connected", output=3), "pjreddie", "refuses", [1],
    ),
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
    # Fully connected layers, which leave no height and width: :775-790, :1031-1039.
    "connected": (network(conv(), SMALL, VALUES), "alexeyab", "runs", []),
    "connected with batch norm": (
        network(conv(), section("connected", output=8, batch_normalize=1, **LINEAR)),
        "alexeyab", "differs", [15],
    ),
    "connected without activation": (
        network(conv(), section("connected", output=8)), "alexeyab", "differs", [15],
    ),
    "connected of one row": (
        network(conv(), VALUES, height=1), "pjreddie", "refuses", [15],
    ),
    "connected of one column": (network(conv(), VALUES, width=1), "pjreddie", "runs", []),
    "connected of a larger map": (
        network(conv(), SMALL, section("route", layers="-2"), VALUES), "alexeyab", "refuses", [22],
    ),
    "convolution of what a connected layer had": (
        network(conv(), VALUES, section("route", layers="-2"), conv()),
        "alexeyab", "refuses", [22],
    ),
    "convolution of values": (
        network(VALUES, conv(size=1)), "pjreddie", "refuses", [12],
    ),
    "shortcut of values": (
        network(VALUES, VALUES, section("shortcut", from_=-2)), "pjreddie", "runs", [],
    ),
    "shortcut of a map and values": (
        network(
            conv(filters=8), VALUES, section("route", layers="-2"), section("avgpool"),
            section("shortcut", from_=-3),
        ),
        "alexeyab", "refuses", [24],
    ),
    "softmax of values": (network(VALUES, section("softmax")), "pjreddie", "runs", []),
    # Pooling: :791-809.
    "maxpool without anything": (
        network(conv(), section("maxpool")), "alexeyab", "differs", [15, 15],
    ),
    "maxpool of an odd padding": (
        network(conv(), section("maxpool", size=4, stride=1, padding=1)), "alexeyab", "runs", [],
    ),
    "maxpool beyond the picture": (
        network(conv(), section("maxpool", size=2, stride=1, padding=4)),
        "alexeyab", "differs", [15],
    ),
    "avgpool and softmax": (
        network(conv(), section("avgpool"), section("softmax"), section("cost")),
        "alexeyab", "runs", [],
    ),
    "softmax of a map": (network(conv(), section("softmax")), "alexeyab", "differs", [15]),
    "softmax of groups": (
        network(conv(), section("softmax", groups=2)), "alexeyab", "refuses", [16],
    ),
    "softmax with a temperature": (
        network(conv(), section("avgpool"), section("softmax", temperature=3)),
        "alexeyab", "differs", [18],
    ),
    "dropout first": (network(section("dropout"), conv()), "alexeyab", "refuses", [8]),
    "a function of cost": (
        network(conv(), section("cost", activation="elu")), "alexeyab", "refuses", [16],
    ),
    # [crop] becomes two layers: :332, :1008.
    "crop": (
        network(section("crop", crop_height=5, crop_width=6)), "pjreddie", "runs", [],
    ),
    "crop before weights": (
        network(section("crop", crop_height=5, crop_width=6), conv()), "alexeyab", "refuses", [8],
    ),
    "crop without adjustment before weights": (
        network(section("crop", crop_height=5, crop_width=6, noadjust=1), conv()),
        "alexeyab", "runs", [],
    ),
    # [route]: :830-869.
    "route of unequal maps": (
        network(conv(), SMALL, section("route", layers="-1,-2")), "alexeyab", "refuses", [19],
    ),
    "route of a part": (
        network(conv(), section("route", layers="-1", groups=3, group_id=1), conv()),
        "alexeyab", "runs", [],
    ),
    "route of a part, ignored": (
        network(conv(), section("route", layers="-1", groups=3, group_id=1)),
        "pjreddie", "differs", [17, 18],
    ),
    "route of parts": (
        network(TWO, section("route", layers="-1,-2", groups=2)), "alexeyab", "differs", [22],
    ),
    "route of parts in order": (
        network(TWO, section("route", layers="-2,-1", groups=2, group_id=1)),
        "alexeyab", "runs", [],
    ),
    "route of parts before weights": (
        network(TWO, section("route", layers="-2,-1", groups=2), conv()),
        "alexeyab", "refuses", [22],
    ),
    "route of parts before a number": (
        network(TWO, section("route", layers="-2,-1", groups=2), section("dropout")),
        "alexeyab", "differs", [26],
    ),
    # [shortcut]: :904-916.
    "shortcut of fewer channels": (
        network(conv(filters=4), conv(), section("shortcut", from_=-2)), "alexeyab", "runs", [],
    ),
    "shortcut of more channels": (
        network(conv(filters=8), conv(), section("shortcut", from_=-2)), "alexeyab", "runs", [],
    ),
    "shortcut of another size": (
        network(conv(), SMALL, section("shortcut", from_=-2), height=10, width=12),
        "pjreddie", "refuses", [19],
    ),
    "shortcut of a pixel": (
        network(conv(), section("avgpool"), section("shortcut", from_=-2), width=10),
        "pjreddie", "refuses", [17],
    ),
    "shortcut of several": (
        network(TWO, conv(), section("shortcut", from_="-2,-3")), "alexeyab", "differs", [30],
    ),
    "alpha": (network(TWO, section("shortcut", from_=-2, alpha=0.5)), "pjreddie", "runs", []),
    "alpha in another engine": (
        network(TWO, section("shortcut", from_=-2, alpha=0.5)), "alexeyab", "differs", [24],
    ),
    "alpha with fewer channels": (
        network(conv(filters=4), conv(), section("shortcut", from_=-2, alpha=0.5)),
        "pjreddie", "differs", [22],
    ),
    "beta": (network(TWO, section("shortcut", from_=-2, beta=1)), "pjreddie", "refuses", [24]),
    "no beta": (network(TWO, section("shortcut", from_=-2, beta=0)), "pjreddie", "differs", [24]),
    # [scale_channels], [sam]: :917-932.
    "sam": (network(TWO, section("sam", from_=-2)), "alexeyab", "runs", []),
    "scale_channels": (
        network(
            conv(), section("avgpool"), conv(size=1, activation="logistic"),
            section("scale_channels", from_=-3), conv(),
        ),
        "alexeyab", "runs", [],
    ),
    "scale_channels before a connected layer": (
        network(conv(), section("avgpool"), section("scale_channels", from_=-2), VALUES),
        "alexeyab", "refuses", [20],
    ),
    "scale_channels by pixels": (
        network(conv(), conv(filters=1), section("scale_channels", from_=-2, scale_wh=1)),
        "alexeyab", "refuses", [22],
    ),
    "scale_channels by pixels of one channel": (
        network(
            conv(filters=1), conv(filters=1), section("scale_channels", from_=-2, scale_wh=1)
        ),
        "alexeyab", "runs", [],
    ),
    "scale_channels by as many pixels as there are channels and rows": (
        network(conv(filters=13), conv(filters=1), section("scale_channels", from_=-2, scale_wh=1)),
        "alexeyab", "differs", [22],
    ),
    # [reorg], [upsample]: :874-884, :933-939.
    "reorg": (
        network(conv(filters=8), section("reorg", stride=2), height=8, width=12),
        "alexeyab", "runs", [],
    ),
    "reorg without stride": (
        network(conv(filters=8), section("reorg"), height=8, width=12), "alexeyab", "differs", [15],
    ),
    "reorg reversed": (
        network(conv(filters=8), section("reorg", stride=2, reverse=1), height=8, width=12),
        "alexeyab", "differs", [17],
    ),
    "upsample": (network(conv(), section("upsample", stride=3)), "alexeyab", "runs", []),
    "upsample without stride": (network(conv(), section("upsample")), "alexeyab", "differs", [15]),
    "upsample with a scale": (
        network(conv(), section("upsample", stride=2, scale=2)), "alexeyab", "differs", [17],
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
    text, engine, answer, lines = CASES[name]
    verdict = judge(text, engine)
    assert (verdict.answer, [reason.line for reason in verdict.reasons]) == (answer, lines)
    assert what_happens(tmp_path, text, engine) == answer


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
