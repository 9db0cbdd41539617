"""Which options of a cfg the loss has, and which it refuses by name."""

import pytest
from one_feature import conv, network, section

from converter.darknet.network import parse_network
from converter.errors import CfgError, NetworkError
from yolov3.training.options import head_losses


def read(dialect, *, net="", classes=4, **yolo):
    """The options of a [yolo], behind a [net] with another line."""
    head = section("yolo", num=2, anchors="1,2, 3,4", classes=classes, **yolo)
    text = network(conv(filters=2 * (5 + classes), activation="linear"), head)
    text = text.replace("[net]\n", f"[net]\n{net}\n")
    (head,) = head_losses(parse_network(text, dialect), dialect)
    return head.options


def test_defaults_are_the_engines():
    """Pj parser.c:317-321; AB parser.c:455-509."""
    first, second = read("pjreddie"), read("alexeyab")
    assert (first.max, first.iou_normalizer) == (90, 1)
    assert (second.max, second.iou_normalizer) == (200, 0.75)
    for options in (first, second):
        assert (options.ignore_thresh, options.truth_thresh, options.iou_thresh) == (0.5, 1, 1)
        assert (options.obj_normalizer, options.cls_normalizer, options.iou_loss) == (1, 1, "mse")
        assert (options.label_smooth_eps, options.objectness_smooth) == (0, 0)
        assert options.max_delta == float("inf")
        assert options.class_weights == []


def test_an_engine_has_the_options_that_it_reads():
    """AlexeyAB's options do nothing in pjreddie's, whose parser does not look for them."""
    theirs = {"iou_normalizer": 0.07, "iou_loss": "ciou", "iou_thresh": 0.2, "max_delta": 5}
    assert read("pjreddie", ignore_thresh=0.7, **theirs) == read("pjreddie", ignore_thresh=0.7)
    options = read("alexeyab", ignore_thresh=0.7, **theirs)
    assert (options.iou_normalizer, options.iou_loss, options.iou_thresh) == (0.07, "ciou", 0.2)
    assert (options.max_delta, options.ignore_thresh) == (5, 0.7)


def test_a_rarer_class_weighs_more():
    """The largest counter divided by each, none of which is below 1: AB parser.c:429-438."""
    options = read("alexeyab", counters_per_class="100, 50, 0, 40", max_delta=7)
    assert options.class_weights == [1, 2, 7, 2.5]


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"focal_loss": 1}, "focal_loss=1 changes the loss in a way that is not here"),
        ({"iou_thresh_kind": "giou"}, "iou_thresh_kind=giou changes"),
        ({"map": "x.map"}, "map=x.map changes"),
        ({"onlyforward": 1}, "onlyforward=1 changes"),
        ({"stopbackward": 1}, "stopbackward=1 changes"),
        ({"net": "badlabels_rejection_percentage=.2"}, "badlabels_rejection_percentage=.2 changes"),
        ({"net": "equidistant_point=100"}, "equidistant_point=100 changes"),
        ({"net": "num_sigmas_reject_badlabels=3"}, "num_sigmas_reject_badlabels=3 changes"),
        ({"iou_loss": "diou"}, "iou_loss=diou is a loss that is not here (use one of mse, giou, c"),
        ({"iou_loss": "iou"}, "iou_loss=iou is a loss that is not here"),
        ({"counters_per_class": "1,2,3"}, "counters_per_class=1,2,3 has 3 values for classes=4"),
        ({"ignore_thresh": "half"}, "ignore_thresh=half is not a number"),
    ],
)
def test_what_is_not_here_is_refused_with_its_line(options, problem):
    with pytest.raises(CfgError) as refusal:
        read("alexeyab", **options)
    assert problem in str(refusal.value)
    assert refusal.value.place.startswith("line ")


def test_what_does_nothing_is_no_reason_to_refuse():
    harmless = {"focal_loss": 0, "iou_thresh_kind": "iou", "net": "equidistant_point=0"}
    assert read("alexeyab", **harmless) == read("alexeyab")
    unread = {"focal_loss": 1, "iou_loss": "diou", "net": "equidistant_point=100"}
    assert read("pjreddie", **unread) == read("pjreddie")
    with pytest.raises(CfgError, match=r"map=x\.map changes"):
        read("pjreddie", map="x.map")


@pytest.mark.parametrize(
    ("layers", "problem"),
    [
        (
            [section("region", num=2, anchors="1,2, 3,4", classes=4)],
            r"layer 1 \[region\], line \d+",
        ),
        (
            [
                section("yolo", num=2, anchors="1,2, 3,4", classes=4),
                section("route", layers="0"),
                section("softmax"),
            ],
            r"layer 3 \[softmax\], line \d+",
        ),
    ],
)
def test_another_loss_is_refused_with_its_layer(layers, problem):
    text = network(conv(filters=18, activation="linear"), *layers)
    with pytest.raises(NetworkError, match=rf"{problem}: has another loss than that of \[yolo\]"):
        head_losses(parse_network(text, "pjreddie"), "pjreddie")
