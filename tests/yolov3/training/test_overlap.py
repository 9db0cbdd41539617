"""IoU and its kin: by arithmetic. The engine's own numbers are in test_deltas.py."""

import pytest
import torch

from yolov3.training.overlap import ascent, giou, iou


def box(*values):
    return torch.tensor(values, dtype=torch.float32)[:, None]


UNIT = (0.5, 0.5, 0.5, 0.5)


@pytest.mark.parametrize(
    ("other", "overlap", "generalised"),
    [
        (UNIT, 1, 1),
        # moved by half its side: 1/8 of 3/8; the hull is 3/4 x 1/2, and has nothing beside them
        ((0.75, 0.5, 0.5, 0.5), 1 / 3, 1 / 3),
        # moved by half its sides: 1/16 of 7/16; the hull is 9/16
        ((0.75, 0.75, 0.5, 0.5), 1 / 7, 1 / 7 - 2 / 9),
        # beside it, at a distance of half a side: the hull 5/4 x 1/2, and 4/8 of its 5/8 are theirs
        ((1.25, 0.5, 0.5, 0.5), 0, -1 / 5),
        # touching
        ((1.0, 0.5, 0.5, 0.5), 0, 0),
        # a point in its middle: nothing in common, and nothing beside them in the hull
        ((0.5, 0.5, 0, 0), 0, 0),
    ],
)
def test_overlap_by_arithmetic(other, overlap, generalised):
    # float32, from sides and areas of about 1
    assert iou(box(*UNIT), box(*other)).item() == pytest.approx(overlap, abs=1e-6)
    assert iou(box(*other), box(*UNIT)).item() == pytest.approx(overlap, abs=1e-6)
    assert giou(box(*UNIT), box(*other)).item() == pytest.approx(generalised, abs=1e-6)


@pytest.mark.parametrize("values", [(0, 0, 0, 0), (0.5, 0.5, float("inf"), 0)])
def test_an_overlap_that_is_no_number_is_0(values):
    """0 / 0 and inf * 0: C compares a NaN in vain, as it does a 0."""
    assert iou(box(*values), box(*values)).item() == 0


@pytest.mark.parametrize(
    "other",
    [
        (0.6, 0.4, 0.5, 0.4),  # across a corner
        (0.5, 0.55, 0.3, 0.2),  # inside
        (0.45, 0.5, 0.8, 0.9),  # around
    ],
)
def test_the_ascent_of_giou_is_its_derivative_but_twice_by_the_sides(other):
    values = torch.tensor(other, dtype=torch.float64, requires_grad=True)
    giou(values[:, None], torch.tensor(UNIT).double()[:, None]).backward()
    wanted = values.grad * torch.tensor([1, 1, 2, 2])
    found = ascent(box(*other), box(*UNIT), "giou")[:, 0]
    # float32, from terms of up to 10
    torch.testing.assert_close(found.double(), wanted, atol=1e-5, rtol=0)
