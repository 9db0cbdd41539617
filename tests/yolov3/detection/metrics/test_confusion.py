"""Which class was found for which, from boxes 1 wide and high whose IoU is (1 - d) / (1 + d)."""

import pytest

from tests.yolov3.detection.metrics.pictures import compared
from yolov3.detection.metrics.confusion import confusion


@pytest.mark.parametrize(
    ("found", "objects", "expected"),
    [
        ([(0.9, 0, 0)], [(0, 0)], {(0, 0): 1}),
        ([(0.9, 1, 0)], [(0, 0)], {(0, 1): 1}),  # another class
        ([], [(0, 0)], {(0, None): 1}),  # a miss
        ([(0.9, 1, 5)], [(0, 0)], {(0, None): 1, (None, 1): 1}),
        ([(0.25, 0, 0)], [(0, 0)], {(0, None): 1}),  # not above 0.25
        # the closer one has it, not the likelier: d 0.1 and 0.2
        ([(0.9, 1, 0.2), (0.3, 0, 0.1)], [(0, 0)], {(0, 0): 1, (None, 1): 1}),
        # the first is closest to the second object, the second detection then has the first
        ([(0.9, 0, 0.2), (0.8, 0, 0.1)], [(0, 0), (1, 0.2)], {(1, 0): 1, (0, 0): 1}),
        ([(0.9, 0, 1 / 3)], [(0, 0)], {(0, None): 1, (None, 0): 1}),  # IoU of 0.5 is too little
    ],
)
def test_pairs(found, objects, expected):
    assert confusion([compared(found, objects)]) == expected


def test_pictures_add_up():
    picture = compared([(0.9, 0, 0)], [(0, 0)])
    assert confusion([picture, picture, compared([], [])]) == {(0, 0): 2}
    assert confusion([]) == {}


def test_a_difficult_object_is_no_miss_and_what_is_on_it_no_mistake():
    assert confusion([compared([(0.9, 1, 5)], [], difficult=[(0, 5), (0, 9)])]) == {}


def test_boxes_without_area_are_on_nothing():
    picture = compared([(0.9, 0, 0)], [(0, 0)])
    picture.boxes[0, 2:] = picture.true_boxes[0, 2:] = 0
    assert confusion([picture]) == {(0, None): 1, (None, 0): 1}


def test_the_threshold_is_the_callers():
    picture = compared([(0.9, 0, 0), (0.3, 0, 5)], [(0, 0)])
    assert confusion([picture], 0.5) == {(0, 0): 1}
    assert confusion([picture], iou_threshold=1) == {(0, None): 1, (None, 0): 2}
