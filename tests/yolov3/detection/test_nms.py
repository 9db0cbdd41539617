"""Which of several overlapping boxes stay."""

import os
import resource
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from yolov3.detection import nms
from yolov3.detection.nms import iou, measure, suppress, suppress_all

ROOT = Path(__file__).parents[3]


def array(*rows):
    return np.array(rows, np.float32)


def test_intersection_over_union():
    # Squares of 2: shifted by 1 they share 2 of 6, by 2 only an edge; inside lies a quarter
    square = array([1, 1, 2, 2])[0]
    others = array([1, 1, 2, 2], [2, 1, 2, 2], [3, 1, 2, 2], [1, 1, 1, 1])
    np.testing.assert_allclose(iou(square, others), [1, 1 / 3, 0, 0.25], rtol=1e-6)
    # To the right, below, and both: pj box.c:167
    apart = array([9, 1, 2, 2], [1, 9, 2, 2], [9, 9, 2, 2])
    assert iou(square, apart).tolist() == [0, 0, 0]


def test_the_likelier_stays_class_by_class():
    boxes = array([1, 1, 2, 2], [1.2, 1, 2, 2], [9, 9, 2, 2])
    scores = array([0.5, 0.9], [0.6, 0], [0.4, 0.7])
    where, labels = suppress(boxes, scores, 0.45, iou)
    found = list(zip(where.tolist(), labels.tolist(), strict=True))
    assert found == [(0, 1), (2, 1), (1, 0), (2, 0)]  # by falling score; (0, 0) is gone


def test_the_likelier_stays_whatever_its_class():
    # The first two overlap by 1.8 / 2.2. Of the first box stays its likelier class alone, too.
    boxes = array([1, 1, 2, 2], [1.2, 1, 2, 2], [9, 9, 2, 2])
    scores = array([0.5, 0.9], [0.6, 0], [0.4, 0.7])
    where, labels = suppress_all(boxes, scores, 0.45, iou)
    assert list(zip(where.tolist(), labels.tolist(), strict=True)) == [(0, 1), (2, 1)]
    where, labels = suppress_all(boxes, scores, 0, iou)  # drops no box
    assert list(zip(where.tolist(), labels.tolist(), strict=True)) == [(0, 1), (2, 1), (1, 0)]


def test_what_was_dropped_drops_nothing():
    # Each overlaps the next by 3/5 and the one after by 1/3: the first drops the second only.
    boxes = array([1, 1, 2, 2], [1.5, 1, 2, 2], [2, 1, 2, 2])
    where, _ = suppress(boxes, array([0.9], [0.8], [0.7]), 0.45, iou)
    assert where.tolist() == [0, 2]


def test_the_overlap_must_be_above_the_threshold():
    boxes, scores = array([1, 1, 2, 2], [2, 1, 2, 2]), array([0.9], [0.8])
    overlap = float(iou(boxes[0], boxes[1:])[0])
    assert len(suppress(boxes, scores, overlap, iou)[0]) == 2
    assert len(suppress(boxes, scores, overlap - 1e-6, iou)[0]) == 1


def test_nothing_is_dropped_at_0():
    boxes, scores = array([1, 1, 2, 2], [1, 1, 2, 2]), array([0.9], [0.8])
    assert len(suppress(boxes, scores, 0, iou)[0]) == 2


def test_equal_scores_keep_their_order():
    where, _ = suppress(array(*[[i, 1, 1, 1] for i in range(5)]), array(*[[0.5]] * 5), 0.45, iou)
    assert where.tolist() == [0, 1, 2, 3, 4]


def test_boxes_without_area_drop_nothing():
    boxes = array([1, 1, 0, 0], [1, 1, 0, 0])
    assert len(suppress(boxes, array([0.9], [0.8]), 0.45, iou)[0]) == 2


def test_no_boxes():
    for rule in (suppress, suppress_all):
        where, labels = rule(array().reshape(0, 4), array().reshape(0, 3), 0.45, iou)
        assert len(where) == len(labels) == 0


def test_overlaps_that_count_the_distance():
    # Shifted by (1, 0): IoU 1 / 3, the centres are 1 apart in a common box of 3 x 1, which leaves
    # 1 / 10 of the squared diagonal; by (1, 0.5): 0.5 / 3.5, and 1.25 of 3^2 + 1.5^2.
    box, others = array([1, 1, 2, 1])[0], array([2, 1, 2, 1], [2, 1.5, 2, 1])
    for name, exponent in (("greedynms", 0.6), ("diounms", 0.5)):
        expected = [1 / 3 - (1 / 10) ** exponent, 1 / 7 - (1 / 9) ** exponent]
        for part in (np.float32(1), np.float32(1 / 8)):  # the unit plays no role
            found = measure(name, 0.5)(part * box, part * others)
            np.testing.assert_allclose(found, expected, rtol=1e-5)
    # Points in one place have no diagonal: AB box.c:221
    point = array([1, 1, 0, 0])
    assert measure("diounms", 0.5)(point[0], point).tolist() == [0]
    for name in ("default", "cornersnms", "unknown"):
        assert measure(name, 0.5) is iou


# Against the plain rule, on all pairs


def plain(boxes, probabilities, threshold, overlap):
    """pj box.c:58, AB box.c:812 and 868: each box that is left against all that are less likely."""
    kept = []
    for label in range(probabilities.shape[1]):
        left = probabilities[:, label].copy()
        order = np.argsort(-left, kind="stable")
        for i, box in enumerate(order):
            if left[box] == 0:
                continue
            kept.append((box, label))
            for other in order[i + 1 :]:
                if threshold and overlap(boxes[box], boxes[other]) > threshold:
                    left[other] = 0
    falling = sorted(kept, key=lambda at: -probabilities[at])
    return [int(box) for box, _ in falling], [label for _, label in falling]


def c_iou(a, b):
    """pj box.c:99 and 160, in single precision as there; a division by 0 gives NaN, or infinity."""
    w, h = (
        min(a[i] + a[i + 2] / 2, b[i] + b[i + 2] / 2)
        - max(a[i] - a[i + 2] / 2, b[i] - b[i + 2] / 2)
        for i in (0, 1)
    )
    shared = np.float32(0) if w < 0 or h < 0 else w * h
    return shared / (a[2] * a[3] + b[2] * b[3] - shared)


def c_distance(exponent):
    """AB box.c:163, 102 and 214: there the intersection over union is 0 if one of both is."""

    def overlap(a, b):
        quotient = c_iou(a, b)
        low = [min(a[i] - a[i + 2] / 2, b[i] - b[i + 2] / 2) for i in (0, 1)]
        high = [max(a[i] + a[i + 2] / 2, b[i] + b[i + 2] / 2) for i in (0, 1)]
        diagonal = (high[0] - low[0]) ** 2 + (high[1] - low[1]) ** 2
        distance = (a[0] - b[0]) ** 2 + (a[1] - b[1]) ** 2
        share = distance / diagonal if diagonal > 0 else np.float32(0)
        return (np.float32(0) if np.isnan(quotient) else quotient) - share**exponent

    return overlap


# Few values, so that boxes are equal, nested, or touch; 2^-70 squared is rounded, 2^70 is infinite;
# 1 + 2^-23 / 2 is rounded away, and 0.3 is where rounding makes an intersection too large.
PLACES = [0, 0.25, 0.3, 0.5, 1, 100, -3e38, 3e38]
SIZES = [0, 2.0**-150, 2.0**-70, 1e-8, 6e-8, 0.1, 0.25, 0.3, 0.5, 1, 2.0**70, 3e38, -0.5]
A_BOX = st.tuples(*[st.sampled_from(PLACES) | st.floats(0, 1, width=32)] * 2,
                  *[st.sampled_from(SIZES) | st.floats(0, 1, width=32)] * 2)  # fmt: skip
SCORES = st.tuples(*[st.sampled_from([0, 0, 0.25, 0.5, 0.5, 1])] * 2)


@pytest.mark.parametrize("kind", ["default", "greedynms", "diounms"])
@settings(max_examples=200, deadline=None)
@given(
    rows=st.lists(st.tuples(A_BOX, SCORES), min_size=1, max_size=12),
    threshold=st.sampled_from([0, 1e-6, 0.01, 0.3, 0.45, 0.9, 1]),
    beta=st.sampled_from([0.6, 1, 0]),
)
def test_tiles_change_nothing(kind, rows, threshold, beta):
    boxes = np.array([box for box, _ in rows], np.float32)
    scores = np.array([score for _, score in rows], np.float32)
    exponent = {"default": None, "greedynms": 0.6, "diounms": beta}[kind]
    overlap = c_iou if exponent is None else c_distance(exponent)
    with pytest.MonkeyPatch.context() as patch, np.errstate(all="ignore"):
        expected = plain(boxes, scores, threshold, overlap)
        patch.setattr(nms, "TILE", 2)
        found = suppress(boxes, scores, threshold, measure(kind, beta))
    assert [values.tolist() for values in found] == list(expected)


@pytest.mark.parametrize("kind", ["default", "greedynms", "diounms"])
@pytest.mark.parametrize("seed", range(3))
def test_random_boxes_in_true_tiles(kind, seed):
    """3,000 boxes of sizes over four orders, in 4 tiles, three classes of different order."""
    rng = np.random.default_rng(seed)
    boxes = np.hstack([rng.random((3000, 2)), np.exp(rng.normal(-3, 2, (3000, 2)))])
    boxes = boxes.astype(np.float32)
    scores = rng.random((3000, 3)).astype(np.float32)
    scores[scores < 0.1] = 0
    found = suppress(boxes, scores, 0.45, measure(kind, 0.6))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(nms, "TILE", len(boxes))
        expected = suppress(boxes, scores, 0.45, measure(kind, 0.6))
    np.testing.assert_array_equal(found, expected)
    assert 100 < len(found[0]) < np.count_nonzero(scores)


@pytest.fixture
def compared():
    """``iou``, and the boxes that it has compared: one, and those with which it was."""

    def overlap(box, others):
        overlap.calls.append((box.tolist(), sorted(others.tolist())))
        return iou(box, others)

    overlap.calls = []
    return overlap


@pytest.mark.parametrize(
    "other",
    [
        [1, 1, 1, 1],  # shares 1 of 4 + 1: 1 * (1 + 0.45) is not above 0.45 * (4 + 1)
        [4, 1, 2, 2],  # to the right, below, and both
        [1, 4, 2, 2],
        [9, 9, 2, 2],
    ],
)
def test_a_tile_that_cannot_overlap_enough_is_not_compared(other, compared, monkeypatch):
    monkeypatch.setattr(nms, "TILE", 1)
    box = [1, 1, 2, 2]
    where, _ = suppress(array(box, other), array([0.9], [0.8]), 0.45, compared)
    assert where.tolist() == [0, 1]
    assert compared.calls == [(box, [box]), (other, [other])]


def test_as_many_boxes_as_a_tile_has_are_all_compared(compared, monkeypatch):
    monkeypatch.setattr(nms, "TILE", 2)
    points = [[1, 1, 0, 0], [9, 9, 0, 0]]
    suppress(array(*points), array([0.9], [0.8]), 0.45, compared)
    assert compared.calls == [(point, points) for point in points]


def test_tiles_are_halves_along_the_side_that_differs_most(compared, monkeypatch):
    monkeypatch.setattr(nms, "TILE", 512)
    falling = [[i % 5, 4 * i, 2, 2] for i in range(1024)]
    boxes = np.random.default_rng(0).permutation(array(*falling))
    suppress(boxes, (boxes[:, 1:2] == 0).astype(np.float32), 0.45, compared)  # one of them
    assert compared.calls == [(falling[0], sorted(falling[:512]))]


@pytest.mark.parametrize("tile", [1, nms.TILE])
def test_huge_boxes_warn_of_nothing(tile, monkeypatch):
    monkeypatch.setattr(nms, "TILE", tile)
    # The last two share 0 of an infinite side.
    boxes = array([0, 0, 3e38, 3e38], [0, 0, 3e38, 3e38], [3e38, 0, 3e38, 1], [0.5, 0.5, 1, 1],
                  [0, 3e38, 1, 3e38], [1, 3e38, 1, 3e38])  # fmt: skip
    scores = array([0.9], [0.8], [0.7], [0.6], [0.5], [0.4])
    for kind in ("default", "greedynms", "diounms"):
        for part in (slice(None), slice(-2, None)):
            found, _ = suppress(boxes[part], scores[part], 0.45, measure(kind, 0.6))
            # An infinite area makes each quotient 0 or NaN: nothing is dropped
            assert len(found) == len(boxes[part])


MANY = """
import sys
sys.modules["torch"] = None
import numpy as np
from yolov3.detection.nms import iou, suppress
y, x = np.mgrid[:256, :256].reshape(2, -1)
side = np.ones(256 * 256)
boxes = np.stack([x, y, side, side], 1).astype(np.float32).repeat(3, 0) / 256
scores = np.random.default_rng(0).random((len(boxes), 1)).astype(np.float32)
where, _ = suppress(boxes, scores, 0.45, iou)
print(len(boxes), len(where), len(set((where // 3).tolist())))
"""


def test_many_boxes():
    """256 x 256 cells with three equal boxes each, of which one stays; without torch.

    All pairs would be 196,608^2 bytes. It takes 5 s.
    """

    def limit():
        resource.setrlimit(resource.RLIMIT_AS, (1 << 30, 1 << 30))
        resource.setrlimit(resource.RLIMIT_CPU, (60, 60))

    done = subprocess.run(
        [sys.executable, "-c", MANY],
        capture_output=True, text=True, check=False, cwd=ROOT, preexec_fn=limit,
        env={**os.environ, "OPENBLAS_NUM_THREADS": "1"},
    )  # fmt: skip
    assert done.stderr == ""
    assert done.stdout.split() == ["196608", "65536", "65536"]
