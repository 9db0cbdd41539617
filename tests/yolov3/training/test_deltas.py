"""What a [yolo] wants of a raw map: as the engines' own layers do, and by arithmetic."""

from math import isnan, log

import numpy as np
import pytest
import torch
from one_feature import conv, network, section

from converter.darknet.network import parse_network
from tests.yolov3.training.golden import ALEXEYAB, NAMES, Golden, require_close
from yolov3.training.deltas import Objects, delta_of
from yolov3.training.options import head_losses

DIALECTS = ["pjreddie", "alexeyab"]
# Of an object by arithmetic: some operations in float32, each to 6e-8 of values below 2.
ROUNDED = 1e-6


def objects(targets, most):
    """Rows of class, x, y, w, h for each picture, of which it takes ``most``."""
    rows = [torch.tensor(rows[:most], dtype=torch.float32).reshape(-1, 5) for rows in targets]
    joined = torch.cat(rows)
    counts = [len(each) for each in rows]
    return Objects(counts=counts, label=joined[:, 0].long(), box=joined[:, 1:].T)


def deltas(golden, targets=None):
    """Each head's, and its figures."""
    targets = golden.targets if targets is None else targets
    heads = head_losses(golden.network, golden.network.dialect)
    found = [
        delta_of(head, torch.from_numpy(raw), objects(targets, head.options.max))
        for head, raw in zip(heads, golden.maps, strict=True)
    ]
    return [delta.numpy() for delta, _ in found], [figures for _, figures in found]


@pytest.mark.parametrize("name", NAMES)
def test_they_are_the_engines(name):
    golden = Golden(name)
    for found, wanted in zip(deltas(golden)[0], golden.deltas, strict=True):
        require_close(found, wanted)


@pytest.mark.parametrize("name", ALEXEYAB)
def test_hank_ais_are_alexeyabs(name):
    """Its yolo_layer.cpp:76-1116 is AB's code; it has no show_details."""
    golden = Golden(name, "hank-ai", lambda text: text.replace("show_details=0\n", ""))
    for found, wanted in zip(deltas(golden)[0], golden.deltas, strict=True):
        require_close(found, wanted)


@pytest.mark.parametrize("name", NAMES)
def test_the_cost_is_the_engines(name):
    golden = Golden(name)
    # C adds up thousands of squares in float32.
    found = [figures.cost for figures in deltas(golden)[1]]
    assert found == pytest.approx(golden.costs, rel=1e-5)


@pytest.mark.parametrize("name", [name for name in NAMES if name not in ALEXEYAB])
def test_the_figures_are_those_that_pjreddies_prints(name):
    golden = Golden(name)
    for head, printed in zip(deltas(golden)[1], golden.printed, strict=True):
        found = (
            head.iou, head.category, head.objectness, head.no_objectness, head.recall50,
            head.recall75, head.count,
        )  # fmt: skip
        # six digits are printed, of sums in float32
        assert found == pytest.approx(printed.tolist(), abs=2e-6)


@pytest.mark.parametrize("name", ALEXEYAB)
def test_the_figures_are_those_that_alexeyabs_prints(name):
    golden = Golden(name)
    for head, (iou, count, *_) in zip(deltas(golden)[1], golden.printed.tolist(), strict=True):
        # six digits are printed, of sums in float32
        assert (head.iou, head.count) == pytest.approx((iou, count), abs=2e-6)


def test_an_anchor_that_the_cfg_lacks_is_half_a_pixel():
    """Pj yolo_layer.c:45, AB :54."""

    def found(rest):
        golden = Golden("pjreddie-thresholds", change=lambda cfg: cfg.replace("44,50, 70,46", rest))
        return deltas(golden)[0][0]

    assert np.array_equal(found("44,50"), found("44,50, .5,.5"))
    assert not np.array_equal(found("44,50"), found("44,50, 70,46"))


def test_a_picture_without_objects_asks_for_none_anywhere():
    """The delta of the objectness is minus its logistic value, and nothing else is asked for."""
    golden = Golden("pjreddie-thresholds")
    (delta,), (figures,) = deltas(golden, [[], [], []])
    delta, raw = (each.reshape(3, 3, 9, 4, 6).copy() for each in (delta, golden.maps[0]))
    require_close(delta[:, :, 4], -1 / (1 + np.exp(-raw[:, :, 4])))
    delta[:, :, 4] = 0
    assert not delta.any()
    assert figures.count == 0
    assert isnan(figures.iou)


def test_without_objects_the_cost_has_no_part_of_iou():
    """AB yolo_layer.c:891: obj_normalizer (0.5) times the squares of 0.5 times the objectness."""
    golden = Golden("alexeyab-giou")
    _, (figures,) = deltas(golden, [[], [], []])
    scores = torch.from_numpy(golden.maps[0]).reshape(3, 3, 9, 4, 6)[:, :, 4].sigmoid()
    wanted = 0.5 * (0.5 * scores).square().sum().item()  # a sum in float32
    assert figures.cost == pytest.approx(wanted, rel=1e-5)


def one_cell(dialect, rows, likely=0.0, **yolo):
    """Delta and figures of one cell of 8 x 8 pixels, and an anchor of that size.

    The raw map is 0 but for the classes, which are ``likely``: x, y and scores of 1/2, and a box
    that fills the picture.
    """
    options = {"mask": 0, "num": 1, "anchors": "8,8", "classes": 2, **yolo}
    text = network(
        conv(filters=7, size=1, stride=8, activation="linear"), section("yolo", **options),
        height=8, width=8,
    )  # fmt: skip
    (head,) = head_losses(parse_network(text, dialect), dialect)
    raw = torch.zeros(1, 7, 1, 1)
    raw[:, 5:] = likely
    delta, figures = delta_of(head, raw, objects([rows], head.options.max))
    return delta.flatten().tolist(), figures


@pytest.mark.parametrize("dialect", DIALECTS)
def test_an_object_is_asked_for_by_arithmetic(dialect):
    """Half as wide as the anchor: the logarithm of 1/2, by 2 - 1/4, the part that it leaves."""
    factor = {"pjreddie": 1, "alexeyab": 0.75}[dialect]  # AB parser.c:469
    side = 1.75 * log(0.5) * factor
    delta, figures = one_cell(dialect, [(1, 0.5, 0.5, 0.5, 0.5)])
    assert delta == pytest.approx([0, 0, side, side, 0.5, -0.5, 0.5], abs=ROUNDED)
    assert figures.cost == pytest.approx(2 * side**2 + 3 * 0.25, rel=ROUNDED)
    # a quarter of the box is the object's
    assert (figures.count, figures.iou) == (1, pytest.approx(0.25))
    assert (figures.recall50, figures.recall75) == (0, 0)
    assert (figures.category, figures.objectness, figures.no_objectness) == (0.5, 0.5, 0.5)


TWO = [(0, 0.5, 0.5, 0.5, 0.5), (1, 0.75, 0.25, 1, 1)]


def test_of_two_objects_of_a_box_the_second_counts_in_the_first_engine():
    """Pj yolo_layer.c:103; both classes are asked for: :114. 2 - 1 times a quarter of a cell."""
    delta, figures = one_cell("pjreddie", TWO)
    assert delta == pytest.approx([0.25, -0.25, 0, 0, 0.5, 0.5, 0.5], abs=ROUNDED)
    assert figures.count == 2
    # a quarter; and 9/16 of 23/16
    assert figures.iou == pytest.approx((1 / 4 + 9 / 23) / 2)


def test_what_two_objects_ask_of_a_box_is_added_in_the_second_engine():
    """AB yolo_layer.c:206; but for its score and its classes."""
    side = 1.75 * log(0.5)
    delta, _ = one_cell("alexeyab", TWO)
    wanted = [0.75 * each for each in (0.25, -0.25, side, side)]
    assert delta == pytest.approx([*wanted, 0.5, 0.5, 0.5], abs=ROUNDED)


ANOTHER = {"num": 2, "anchors": "8,8, 7,7", "ignore_thresh": 0.7}


@pytest.mark.parametrize(
    ("dialect", "side", "likely", "objectness"),
    [
        # 49/64 of the box are the object's, whose shape the other head's anchor has
        ("pjreddie", 7 / 8, -5, 0),
        ("alexeyab", 7 / 8, 0, 0),
        # no class is likelier than 1/4, by AB yolo_layer.c:440
        ("alexeyab", 7 / 8, -5, -0.5),
        # 36/64 are below the threshold
        ("pjreddie", 6 / 8, 0, -0.5),
        ("alexeyab", 6 / 8, 0, -0.5),
    ],
)
def test_a_box_near_an_object_of_another_head_need_not_say_no(dialect, side, likely, objectness):
    delta, figures = one_cell(dialect, [(1, 0.5, 0.5, side, side)], likely, **ANOTHER)
    assert delta == [0, 0, 0, 0, objectness, 0, 0]
    assert figures.count == 0
    assert isnan(figures.iou)
