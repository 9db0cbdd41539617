"""Heads whose options do not fit one another: which values count, and what is reported."""

import numpy as np
import pytest
import torch

from converter.darknet.layers.cells import Cells, RawMap, in_numpy
from converter.errors import NetworkError
from tests.converter.darknet.layers.small_networks import detector, remarks_of

ABSENT = "anchors= has no pair for anchor {}: the engines fill in 0.5"
BEYOND = "num={} has no anchor {}: what anchors= has there is taken for it"
SURPLUS = "anchors={} has {} values, but num={} makes {}"


# pj yolo_layer.c:44 and region_layer.c:37 fill num pairs with 0.5; test_decode.py has real darknet
# compute with them.
@pytest.mark.parametrize(
    ("kind", "options", "sizes", "remarks"),
    [
        ("yolo", {"mask": "0,2", "num": 3, "anchors": "1,2,3,4"},
         ((1, 2), (0.5, 0.5)), [(16, ABSENT.format(2))]),
        ("yolo", {"mask": "0,1", "num": 3, "anchors": "1,2,3"},
         ((1, 2), (3, 0.5)), [(16, ABSENT.format(1))]),
        ("yolo", {"mask": "0,1", "num": 3, "anchors": "1,2,3,4"}, ((1, 2), (3, 4)), []),
        ("yolo", {"num": 2}, ((0.5, 0.5), (0.5, 0.5)), [(16, ABSENT.format("0, 1"))]),
        ("Gaussian_yolo", {"mask": "1,1", "num": 2, "anchors": "1,2"},
         ((0.5, 0.5), (0.5, 0.5)), [(16, ABSENT.format("1, 1"))]),
        ("region", {"num": 2, "anchors": "1,2"}, ((1, 2), (0.5, 0.5)), [(16, ABSENT.format(1))]),
        # AB's cspx-p7-mish.cfg has num=16, 20 pairs and mask=16,17,18,19.
        ("yolo", {"mask": "2,3", "num": 2, "anchors": "1,2,3,4,5,6,7,8"},
         ((5, 6), (7, 8)), [(16, BEYOND.format(2, "2, 3"))]),
        ("Gaussian_yolo", {"mask": "0,1", "anchors": "1,2,3,4"},
         ((1, 2), (3, 4)), [(16, BEYOND.format(1, 1))]),
        ("yolo", {"mask": "0,1", "num": 2, "anchors": "1,2,3,4,5,6"},
         ((1, 2), (3, 4)), [(18, SURPLUS.format("1,2,3,4,5,6", 6, 2, 4))]),
        ("yolo", {"mask": "0,1", "num": 2, "anchors": "1,2,3,4,5"},
         ((1, 2), (3, 4)), [(18, SURPLUS.format("1,2,3,4,5", 5, 2, 4))]),
        ("region", {"num": 2, "anchors": "1,2,3,4,5,6"},
         ((1, 2), (3, 4)), [(17, SURPLUS.format("1,2,3,4,5,6", 6, 2, 4))]),
    ],
)  # fmt: skip
def test_anchors_that_do_not_fit(kind, options, sizes, remarks):
    channels = 2 * (10 if kind == "Gaussian_yolo" else 6)
    parsed = detector(kind, channels, **options, classes=1)
    assert parsed.nodes[1].layer.sizes == sizes
    assert remarks_of(parsed) == remarks


@pytest.mark.parametrize("kind", ["yolo", "Gaussian_yolo"])
@pytest.mark.parametrize(("given", "pairs"), [({}, 0), ({"anchors": "1,2,3,4,5"}, 2)])
def test_a_mask_beyond_everything_is_refused_with_its_line(kind, given, pairs):
    options = {"classes": 1, "num": 1, "mask": 2, **given}
    with pytest.raises(NetworkError) as refusal:
        detector(kind, 10 if kind == "Gaussian_yolo" else 6, **options)
    assert str(refusal.value) == (
        f"layer 1 [{kind}], line 15: mask= names anchor 2: num=1, and anchors= has {pairs} pairs"
        " (correct the cfg)"
    )


def test_many_anchors_are_counted_not_listed():
    parsed = detector("yolo", 30, num=5, classes=1)
    assert remarks_of(parsed) == [(16, ABSENT.format("0, 1, 2, ..."))]


def test_an_empty_item_is_an_anchor():
    # pj parser.c:297: atoi("") is 0
    parsed = detector("yolo", 12, mask="1,", num=2, anchors="1,2,3,4", classes=1)
    assert parsed.nodes[1].layer.sizes == ((3, 4), (1, 2))
    assert remarks_of(parsed) == [(16, "mask=1, has an empty item, which the engines read as 0")]


# Real darknet loads and computes these: test_pjreddie.py.
@pytest.mark.parametrize(
    ("kind", "channels", "options"),
    [
        ("yolo", 5, {"anchors": "1,2"}),
        ("Gaussian_yolo", 9, {"anchors": "1,2"}),
        ("region", 5, {"anchors": "1,2"}),
        ("iseg", 32, {}),
    ],
)
def test_a_head_without_classes(kind, channels, options):
    parsed = detector(kind, channels, classes=0, **options)
    assert parsed.classes == 0
    (remark,) = parsed.remarks
    assert not remark.serious
    assert str(remark) == (
        "cfg line 16: classes=0: what it finds has no class, and so Darknet shows nothing"
    )


@pytest.mark.parametrize("kind", ["yolo", "Gaussian_yolo", "region", "iseg", "detection"])
def test_fewer_classes_than_none(kind):
    with pytest.raises(NetworkError, match="classes=-1 must be at least 0"):
        detector(kind, 4, classes=-1)


# What is picked on a model's device, and what NumPy makes of it.

YOLO = ("yolo", 16, {"num": 2, "classes": 3, "anchors": "1,2,3,4"})
HEADS = {
    "yolo": YOLO,
    "yolo, stretched": (*YOLO[:2], {**YOLO[2], "scale_x_y": 1.2}),
    "yolo with new_coords": (*YOLO[:2], {**YOLO[2], "new_coords": 1, "scale_x_y": 2}),
    "Gaussian_yolo": ("Gaussian_yolo", 24, {**YOLO[2], "scale_x_y": 1.1}),
    "region with softmax": ("region", 16, {**YOLO[2], "softmax": 1}),
    "region with softmax and a background": (
        "region", 16, {**YOLO[2], "softmax": 1, "background": 1}
    ),
    "region": ("region", 16, YOLO[2]),
}  # fmt: skip


def layer(name):
    kind, channels, options = HEADS[name]
    return detector(kind, channels, **options).nodes[1].layer


@pytest.mark.parametrize("dialect", ["pjreddie", "alexeyab"])
@pytest.mark.parametrize("name", HEADS)
def test_numpy_computes_what_pytorch_does(name, dialect):
    """To a few units in the last place of a float32: NumPy computes in double, and rounds once."""
    head = layer(name)
    raw = np.random.default_rng(0).normal(0, 4, (2, head.channels(3), 5, 6)).astype(np.float32)
    wanted = head.values(torch.from_numpy(raw), dialect).numpy()
    cells = Cells.above(-np.inf, RawMap(raw, np.asarray), 2, head.objectness)
    found = head.activated(cells.values, dialect, in_numpy())
    assert found.dtype == np.float32
    # picture, row, column, anchor: the order in which boxes stand
    wanted = wanted.reshape(2, 2, -1, 5, 6).transpose(0, 3, 4, 1, 2).reshape(len(found), -1)
    np.testing.assert_allclose(found, wanted, rtol=1e-6, atol=2e-7)


@pytest.mark.parametrize("name", [name for name in HEADS if "background" not in name])
@pytest.mark.parametrize("threshold", [0, 1e-6, 0.005, 0.25, 0.5, 0.9, 0.9999, 0.9999999, 1])
def test_no_box_above_the_threshold_is_left_behind(name, threshold):
    """Around the threshold, every float32 whose objectness counts is picked by its raw value."""
    head = layer(name)
    least = head.least(threshold)
    near = head.least_raw(threshold if least == -np.inf else least)
    centre = np.float32(np.clip(near, -90, 90))
    raw = np.unique(np.concatenate([
        centre + np.linspace(-0.01, 0.01, 4001, dtype=np.float32),
        np.linspace(-100, 100, 4001, dtype=np.float32),
        np.linspace(0, 1, 4001, dtype=np.float32),
    ]))  # fmt: skip
    values = np.zeros((len(raw), head.channels(3) // 2), np.float32)
    values[:, head.objectness] = raw
    counts = head.activated(values, "alexeyab", in_numpy())[:, head.objectness] > np.float32(least)
    picked = raw > np.float32(head.least_raw(least))
    assert not (counts & ~picked).any()


@pytest.mark.parametrize("name", ["yolo", "yolo with new_coords", "Gaussian_yolo"])
def test_little_more_is_picked_than_counts(name):
    """A logit of 0.01 around the threshold's is more than the margin: 1e-3."""
    head = layer(name)
    least = 0.25 if "new_coords" in name else np.log(0.25 / 0.75)
    assert least - 0.01 < head.least_raw(head.least(0.25)) < least
