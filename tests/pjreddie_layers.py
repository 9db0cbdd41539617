"""Networks for every layer of pjreddie's darknet and its options; test_pjreddie.py runs them."""

from dataclasses import dataclass

from one_feature import conv, network, section, sequence


@dataclass(frozen=True)
class Case:
    """A network, its arrays in file order (see one_feature), its input, and its own tolerance."""

    cfg: str
    arrays: str = ""
    x: tuple[int, ...] = (3, 10, 13)


def back_to(index: int, *layers: str) -> str:
    """Each of ``layers`` on the output of layer ``index``."""
    return section("route", layers=index).join(["", *layers])


ACTIVATIONS = (
    "elu", "hardtan", "leaky", "lhtan", "linear", "loggy", "logistic", "plse", "ramp", "relie",
    "relu", "selu", "stair", "tanh",
)  # fmt: skip
POOLS = [
    {"size": size, "stride": stride, **padding}
    for size in (1, 2, 3, 4)
    for stride in (1, 2, 3)
    for padding in ({}, {"padding": 0}, {"padding": 1}, {"padding": 4})
]
YOLO = {"mask": "0,2", "num": 3, "anchors": "1,2,3,4,5,6", "classes": 2}
REGION = {"num": 2, "classes": 3, "coords": 4, "anchors": "1,2,3,4"}
DETECTION = {"classes": 3, "coords": 4, "num": 2, "side": 2}

CASES = {
    "conv without options": Case(network(section("convolutional")), "b1 w1x3x1x1"),
    "conv stride and pad": Case(
        network(
            conv(size=1),
            conv(size=2),
            conv(size=3, stride=2),
            back_to(0, conv(size=5, stride=3), conv(size=7, stride=2), conv(size=4, pad=0)),
        ),
        "b6 w6x3x1x1 b6 w6x6x2x2 b6 w6x6x3x3 b6 w6x6x5x5 b6 w6x6x7x7 b6 w6x6x4x4",
    ),
    "conv any pad is half the size": Case(network(conv(size=5, pad=7)), "b6 w6x3x5x5"),
    "conv padding": Case(network(conv(pad=0, padding=2)), "b6 w6x3x3x3"),
    "conv pad beats padding": Case(network(conv(padding=5)), "b6 w6x3x3x3"),
    "conv groups": Case(network(conv(groups=2), channels=4), "b6 w6x2x3x3", (4, 10, 13)),
    "conv depthwise": Case(
        network(conv(groups=6, batch_normalize=1), channels=6), "b6 s6 m6 v6 w6x1x3x3", (6, 10, 13)
    ),
    "conv batch norm": Case(network(conv(batch_normalize=1)), "b6 s6 m6 v6 w6x3x3x3"),
    "conv flipped": Case(network(conv(flipped=1, batch_normalize=1)), "b6 s6 m6 v6 w6x3x3x3"),
    "conv binary": Case(network(conv(binary=1, batch_normalize=1)), "b6 s6 m6 v6 w6x3x3x3"),
    "conv xnor": Case(
        network(
            conv(filters=8, activation="relu"),  # its zeros count as negative
            conv(xnor=1, batch_normalize=1),
            conv(xnor=1, groups=2, bin_output=1),
            conv(xnor=1, stride=2, activation="linear"),
            conv(xnor=1, size=1),
        ),
        "b8 w8x3x3x3 b6 s6 m6 v6 w6x8x3x3 b6 w6x3x3x3 b6 w6x6x3x3 b6 w6x6x1x1",
    ),
    "activations": Case(
        network(
            conv(activation="linear"),
            back_to(0, *(section("activation", activation=name) for name in ACTIVATIONS)),
        ),
        "b6 w6x3x3x3",
    ),
    "conv activations": Case(
        network(*(conv(activation=name) for name in ACTIVATIONS)),
        "b6 w6x3x3x3 " + "b6 w6x6x3x3 " * 13,
    ),
    "maxpool": Case(
        network(section("activation"), back_to(0, *(section("maxpool", **p) for p in POOLS)))
    ),
    "maxpool without options": Case(network(section("maxpool"))),
    "avgpool": Case(network(section("avgpool"))),
    "connected": Case(
        network(
            section("connected", output=7, activation="linear"),
            section("connected", output=5, batch_normalize=1, activation="leaky"),
            section("connected", output=4),
        ),
        "b7 w7x390 b5 w5x7 s5 m5 v5 b4 w4x5",
    ),
    "local": Case(
        network(
            conv(size=5, filters=3),
            section("local", filters=3, size=3, pad=1, activation="leaky"),
            section("local", filters=2, size=2, stride=2),
        ),
        "b3 w3x3x5x5 b390 w130x3x3x3x3 b60 w30x2x3x2x2",
    ),
    "route": Case(
        network(
            conv(filters=4),
            conv(filters=5, stride=2),
            section("route", layers="-1,-2"),
            section("connected", output=2),
            section("route", layers="1,1"),
        ),
        "b4 w4x3x3x3 b5 w5x4x3x3 b2 w2x695",
    ),
    "shortcut": Case(
        network(
            conv(filters=4),
            conv(filters=6),
            section("shortcut", from_=-2, activation="leaky"),
            conv(filters=3),
            section("shortcut", from_=0, alpha=0.5, beta=2),
        ),
        "b4 w4x3x3x3 b6 w6x4x3x3 b3 w3x6x3x3",
    ),
    "shortcut of another size": Case(
        network(
            conv(filters=4),
            conv(filters=6, stride=2),
            section("shortcut", from_=0, beta=3),
            section("upsample", stride=2),
            section("shortcut", from_=1, alpha=0.5),
            height=12,
            width=8,
        ),
        "b4 w4x3x3x3 b6 w6x4x3x3",
        (3, 12, 8),
    ),
    "upsample": Case(
        network(
            section("upsample"),
            section("upsample", stride=3, scale=0.5),
            section("upsample", stride=-2),
            section("upsample", stride=-3, scale=2),
        )
    ),
    "softmax": Case(network(section("softmax"))),
    "softmax groups": Case(network(section("softmax", groups=6, temperature=2))),
    "softmax spatial": Case(network(section("softmax", spatial=1))),
    "cost": Case(network(conv(), section("softmax"), section("cost")), "b6 w6x3x3x3"),
    "dropout": Case(network(conv(), section("dropout"), section("avgpool")), "b6 w6x3x3x3"),
    "crop": Case(
        network(
            section("crop", crop_height=7, crop_width=8, flip=1, angle=7, saturation=2),
            section("crop", crop_height=4, crop_width=3, noadjust=1),
        )
    ),
    "normalization": Case(
        network(
            conv(filters=7),
            back_to(0, *(section("lrn", size=size, alpha=0.01) for size in (1, 2, 3, 5, 6))),
            section("normalization"),
        ),
        "b7 w7x3x3x3",
    ),
    "l2norm": Case(network(section("l2norm"))),
    "logistic": Case(network(section("logistic"))),
    "reorg": Case(
        network(
            section("reorg", stride=2),
            section("reorg", stride=2, reverse=1),
            section("reorg", stride=3),
            section("reorg"),
            channels=36,
            height=6,
            width=12,
        ),
        x=(36, 6, 12),
    ),
    "reorg flatten": Case(
        network(section("reorg", flatten=1), section("reorg", flatten=1, reverse=1, stride=1))
    ),
    "reorg extra": Case(network(section("reorg", extra=5))),
    "yolo": Case(
        network(conv(filters=14, activation="linear"), section("yolo", **YOLO)), "b14 w14x3x3x3"
    ),
    "region": Case(network(conv(filters=16), section("region", **REGION)), "b16 w16x3x3x3"),
    "region softmax": Case(
        network(conv(filters=16), section("region", softmax=1, **REGION)), "b16 w16x3x3x3"
    ),
    "region background": Case(
        network(conv(filters=16), section("region", softmax=1, background=1, **REGION)),
        "b16 w16x3x3x3",
    ),
    "region coords": Case(
        network(conv(filters=18), section("region", **{**REGION, "coords": 5})), "b18 w18x3x3x3"
    ),
    "detection": Case(
        network(
            section("connected", output=52, activation="linear"), section("detection", **DETECTION)
        ),
        "b52 w52x390",
    ),
    "detection softmax": Case(
        network(
            section("connected", output=52, activation="linear"),
            section("detection", softmax=1, **DETECTION),
        ),
        "b52 w52x390",
    ),
    "yolo without classes": Case(
        network(conv(filters=10), section("yolo", **{**YOLO, "classes": 0})), "b10 w10x3x3x3"
    ),
    "region without classes": Case(
        network(conv(filters=10), section("region", softmax=1, **{**REGION, "classes": 0})),
        "b10 w10x3x3x3",
    ),
    "detection without classes": Case(
        network(
            section("connected", output=40, activation="linear"),
            section("detection", softmax=1, **{**DETECTION, "classes": 0}),
        ),
        "b40 w40x390",
    ),
    "an empty item is a 0": Case(
        network(
            conv(filters=2),
            conv(filters=4),
            section("route", layers="-1,,-1,"),  # 4 + 2 + 4 + 2 channels
            conv(filters=14),
            section("yolo", **{**YOLO, "mask": "2,"}),  # two anchors of 7
        ),
        "b2 w2x3x3x3 b4 w4x2x3x3 b14 w14x12x3x3",
    ),
    "lines without a value": Case(
        # A second line is the first where that was skipped; after a line without "=" it is not.
        network(
            "[convolutional]\nfilters=\nfilters = 5\nsize\nsize=3\n=7\nactivation=leaky\nfinis\n"
        ),
        "b5 w5x3x1x1",
    ),
    "a section behind an option is none": Case(
        network("[convolutional]\nfilters=5\nactivation=leaky\nsmooth=0 [maxpool]\nsize=3\n"),
        "b5 w5x3x3x3",
    ),
    "rnn": Case(
        # hidden= is not an option of pjreddie's: the state has the output's size.
        sequence(
            section("rnn", output=6, hidden=4, activation="tanh"),
            section("rnn", output=5, batch_normalize=1, shortcut=1),
        ),
        "b6 w6x9 b6 w6x6 b6 w6x6 b5 w5x6 s5 m5 v5 b5 w5x5 s5 m5 v5 b5 w5x5 s5 m5 v5",
        (9,),
    ),
    "gru": Case(
        sequence(section("gru", output=6), section("gru", output=5, batch_normalize=1, tanh=1)),
        "b6 w6x6 b6 w6x6 b6 w6x6 b6 w6x9 b6 w6x9 b6 w6x9 "
        + "b5 w5x5 s5 m5 v5 " * 3
        + "b5 w5x6 s5 m5 v5 " * 3,
        (9,),
    ),
    "lstm": Case(
        sequence(section("lstm", output=6), section("lstm", output=5, batch_normalize=1)),
        "b6 w6x6 " * 4 + "b6 w6x9 " * 4 + "b5 w5x5 s5 m5 v5 " * 4 + "b5 w5x6 s5 m5 v5 " * 4,
        (9,),
    ),
    "crnn": Case(
        # The convolution before it reserves the workspace that [crnn] forgets.
        network(
            conv(size=5, filters=8),
            section("crnn", hidden_filters=4, output_filters=5, activation="leaky"),
            section("crnn", hidden_filters=3, batch_normalize=1, shortcut=1),
            height=7,
            width=7,
        ),
        "b8 w8x3x5x5 b4 w4x8x3x3 b4 w4x4x3x3 b5 w5x4x3x3 "
        "b3 s3 m3 v3 w3x5x3x3 b3 s3 m3 v3 w3x3x3x3 b1 s1 m1 v1 w1x3x3x3",
        (3, 7, 7),
    ),
}
