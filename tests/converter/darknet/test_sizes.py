"""Maps that do not meet: where, and which sizes of the input make them."""

import re

import nets
import pytest
from one_feature import conv, network, section

from converter.darknet.network import parse_network
from converter.errors import NetworkError


def sized(text: str, height: int, width: int) -> str:
    text = re.sub(r"(?m)^height=.*$", f"height={height}", text, count=1)
    return re.sub(r"(?m)^width=.*$", f"width={width}", text, count=1)


def refusal(text: str) -> str:
    with pytest.raises(NetworkError) as caught:
        parse_network(text)
    return str(caught.value)


# YOLOv3 divides its input by 32. At this width its merge convolution has 256 / 16 filters, the map
# of the backbone 512 / 16 channels.
@pytest.mark.parametrize(
    ("height", "width", "maps", "remedy"),
    [
        # 720 / 32 is 22.5: 23 rows, upsampled 46; 720 / 16 is 45
        (720, 416, "16 x 46 x 26 and 32 x 45 x 26", "height=704 or height=736"),
        (608, 1000, "16 x 38 x 64 and 32 x 38 x 63", "width=992 or width=1024"),
        (
            720,
            1000,
            "16 x 46 x 64 and 32 x 45 x 63",
            "height=704 or height=736, and width=992 or width=1024",
        ),
        # 10 / 16 and 10 / 32 are 1 and 1 if rounded up: there is no smaller one
        (10, 32, "16 x 2 x 2 and 32 x 1 x 2", "height=32"),
    ],
)
def test_the_route_and_the_next_sizes_are_named(height, width, maps, remedy):
    text = nets.yolov3(2, 3)
    lines = sized(text, height, width).split("\n")
    route = next(i for i, line in enumerate(lines, 1) if line == "layers=-1,61") - 1
    reader = next(i for i, line in enumerate(lines, 1) if i > route and line == "[convolutional]")
    assert refusal("\n".join(lines)) == (
        f"layer 86 [route], line {route}: joins maps of unequal size, {maps},"
        f" which layer 87 [convolutional], line {reader}, cannot read"
        f" (the next sizes that fit are {remedy})"
    )


@pytest.mark.parametrize("size", [704, 736])
def test_the_sizes_that_are_named_do_fit(size):
    assert parse_network(sized(nets.yolov3(2, 3), size, 416)).input.h == size


def test_the_step_is_the_networks():
    # 40 / 2 is 20, and 20 / 3 is 7 if rounded up, upsampled 21. 36 and 42 divide by 6.
    text = network(
        conv(stride=2),
        conv(stride=3),
        section("upsample", stride=3),
        section("route", layers="-1,0"),
        conv(),
        height=40,
        width=36,
    )
    assert refusal(text).endswith("(the next sizes that fit are height=36 or height=42)")


@pytest.mark.parametrize(
    ("more", "remedy"),
    [
        (conv() * 494, "the next sizes that fit are height=10 or height=12"),  # 500 links in all
        (conv() * 495, "correct the cfg"),
        (section("route", layers=999), "correct the cfg"),  # of no size
    ],
)
def test_sizes_are_looked_for_within_bounds(more, remedy):
    # 11 / 2 is 6 if rounded up, upsampled 12
    joined = section("route", layers="-1,0")
    layers = [conv(), conv(stride=2), section("upsample"), joined, conv(), more]
    assert refusal(network(*layers, height=11, width=12)).endswith(f"({remedy})")


def test_layers_between_the_route_and_the_reader_are_looked_through():
    text = network(
        conv(stride=2),
        section("upsample"),
        section("route", layers="-1,-2"),
        section("dropout"),
        section("route", layers="-1"),
        conv(),
        height=12,
        width=12,
    )
    joins = "layer 2 [route], line 17: joins maps of unequal size, 6 x 12 x 12 and 6 x 6 x 6"
    assert joins in refusal(text)
    assert refusal(text).endswith("(correct the cfg)")  # no size makes these two equal


def test_other_maps_without_a_size_keep_their_message():
    text = network(section("softmax"), section("route", layers=-1), conv())
    assert "layer 2 [convolutional], line 13: needs an image, and gets 390 values" in refusal(text)


def test_a_route_of_unequal_maps_that_the_reader_does_not_read():
    text = network(
        conv(stride=2), section("upsample"), section("route", layers="-1,-2"),
        section("route", layers=0), section("softmax"), conv(), height=12, width=12,
    )  # fmt: skip
    assert "layer 5 [convolutional], line 25: needs an image" in refusal(text)


def test_four_of_the_maps_are_named():
    text = network(
        conv(stride=2), section("upsample"), section("route", layers="-1,-2,-1,-2,-1"), conv(),
        height=12, width=12,
    )  # fmt: skip
    small, large = "6 x 6 x 6", "6 x 12 x 12"
    assert f"unequal size, {large} and {small} and {large} and {small}, which" in refusal(text)


@pytest.mark.parametrize(
    ("height", "remedy"),
    [
        # Multiples of 256 fit, and up to 128 pixels away they are looked for.
        (384, "the next sizes that fit are height=256 or height=512"),
        (383, "the next sizes that fit are height=256"),
        (385, "the next sizes that fit are height=512"),
    ],
)
def test_how_far_sizes_are_looked_for(height, remedy):
    text = network(
        conv(), conv(stride=256), section("upsample", stride=256),
        section("route", layers="-1,0"), conv(), section("softmax"), height=height, width=256,
    )  # fmt: skip
    assert refusal(text).endswith(f"({remedy})")


def test_down_to_a_single_pixel():
    # Half of 1 pixel is 1, rounded up; of more it is less than all.
    text = network(
        conv(), section("maxpool", size=2, stride=2), section("route", layers="-1,0"), conv(),
        height=2, width=3,
    )  # fmt: skip
    assert refusal(text).endswith("(the next sizes that fit are height=1, and width=1)")


def test_unequal_maps_are_no_fault_where_only_their_values_count():
    # Darknet joins them as values, and a connected layer needs no more: pj parser.c:635
    text = network(
        conv(stride=2), section("route", layers="-1,-1"), section("upsample"),
        section("route", layers="-1,0"), section("connected", output=3),
    )  # fmt: skip
    assert parse_network(text).nodes[3].output.outputs == 12 * 10 * 14 + 6 * 5 * 7
