"""What OpenCV makes of layers whose options it reads, against what the installed OpenCV does."""

import pytest
from one_feature import conv, network, section
from opencv_importer import judge, require_as_judged

LINEAR = {"activation": "linear"}
SMALL = section("maxpool", size=2, stride=2)
TWO = conv() + conv()
VALUES = section("connected", output=8, **LINEAR)

# A cfg, the engine that it is for, the verdict, and the lines that make it. [net] has 6 lines and
# an empty one, conv() has 6 and an empty one. The numbers are lines of darknet_io.cpp.
CASES = {
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
    "part of values": (
        network(conv(), SMALL, VALUES, section("route", layers="-1", groups=2)),
        "alexeyab", "refuses", [23],
    ),
    "softmax of values": (network(VALUES, section("softmax")), "pjreddie", "runs", []),
    # Of each channel, 3x3, padded: layers/cpu_kernels/conv_depthwise.cpp.
    "each channel of one pixel": (
        network(conv(filters=2), section("avgpool"), conv(filters=2, groups=2)),
        "alexeyab", "differs", [17],
    ),
    "each channel of one row": (
        network(conv(filters=2), conv(filters=2, groups=2, stride=2), height=1),
        "alexeyab", "differs", [15],
    ),
    "each channel of one column": (
        network(conv(filters=2), conv(filters=2, groups=2), width=1), "alexeyab", "differs", [15],
    ),
    "each channel of two rows": (
        network(conv(filters=2), conv(filters=2, groups=2), height=2), "alexeyab", "runs", [],
    ),
    "each channel of one row, 5x5": (
        network(conv(filters=2), conv(filters=2, groups=2, size=5), height=1),
        "alexeyab", "runs", [],
    ),
    "each channel of one row, in steps of three": (
        network(conv(filters=2), conv(filters=2, groups=2, stride=3), height=1),
        "alexeyab", "runs", [],
    ),
    "each channel of one row, twice": (
        network(conv(filters=2), conv(filters=4, groups=2), height=1), "alexeyab", "runs", [],
    ),
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
    # All parts are of (12 + 4) / 2 / 2 = 4 channels: the layer of 4 has no second one.
    "route of parts of unequal layers": (
        network(
            conv(filters=12), conv(filters=4),
            section("route", layers="-2,-1", groups=2, group_id=1),
        ),
        "alexeyab", "refuses", [22],
    ),
    # Of (20 + 4) / 2 / 2 = 6 channels, the second part of 4 begins beyond them: it is the last one.
    "route of parts beyond a layer": (
        network(
            conv(filters=20), conv(filters=4),
            section("route", layers="-2,-1", groups=2, group_id=1),
        ),
        "alexeyab", "differs", [22],
    ),
    # Layers 0 + 2 and 1 + 2 are joined: the smaller map, and the part of layer 0.
    "route of parts, looked for elsewhere": (
        network(
            conv(), conv(), SMALL, section("route", layers="0,1", groups=2)
        ),
        "alexeyab", "refuses", [26],
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
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_a_layer_among_others(name, tmp_path):
    require_as_judged(tmp_path, *CASES[name])


def test_a_shortcut_of_fewer_values_is_not_judged():
    """It gives other values in some runs, so that there is nothing to compare with."""
    few = section("connected", output=1, **LINEAR)
    many = section("connected", output=3, **LINEAR)
    verdict = judge(network(few, many, section("shortcut", from_=-2)), "alexeyab")
    assert verdict.answer == "unknown"
    (reason,) = verdict.reasons
    assert reason.text == "OpenCV may read beyond the smaller input of this [shortcut]"
    fewer = network(many, few, section("shortcut", from_=-2))
    assert judge(fewer, "alexeyab").answer == "runs"
