"""How OpenCV reads the text of a cfg: by darknet_io.cpp, and as the installed OpenCV does."""

import pytest
from one_feature import conv, network, section
from opencv_importer import require_as_judged

from converter.diagnosis.opencv_cfg import Written, parse

YOLO = {"mask": "0,1", "num": 2, "anchors": "10,14,23,27", "classes": 2}
MAP = conv(filters=14, size=1, activation="linear")


def yolo() -> str:
    return network(MAP, section("yolo", **YOLO))


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
    # :88; a C++ stream makes 0 of it. The second engine has no alpha=: it is 1.
    "a number that ends within its exponent": (
        network(conv(), conv(), section("shortcut", from_=-2, alpha="1e", activation="linear")),
        "alexeyab", "differs", [24],
    ),
    "a comma too many": (yolo() + "mask=0,1,\n", "alexeyab", "runs", []),
    "no width": (
        section("net", inputs=9) + section("connected", output=3), "pjreddie", "refuses", [1],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_a_way_to_write(name, tmp_path):
    require_as_judged(tmp_path, *CASES[name])


def parsed(text: str) -> list[Written]:
    """The sections of a cfg that nothing is wrong with."""
    problems = []
    sections = parse(text, problems)
    assert problems == []
    return sections


def values(section: Written) -> dict[str, str]:
    """The options as they are written."""
    return {key: option.value for key, option in section.options.items()}


def read(kind: str, **options: object) -> dict[str, str]:
    """The options as they are read."""
    (_, written) = parsed(section(kind, **options))
    return {option.key: option.value for option in written.read().options}


def said(kind: str, **options: object) -> list[tuple[str, int | None]]:
    """Why it is not taken, with the lines."""
    (_, written) = parsed(section(kind, **options))
    return [(remark.text, remark.line) for remark in written.refusals()]


class TestLines:
    def test_what_is_no_printed_letter_up_to_z_is_dropped(self):
        """:655: blanks anywhere, and { | } ~ behind z."""
        (net, conv) = parsed("[net]\r\n wi dth\t=\u00e9 4{1}6~\n[convo lutional]\n")
        assert values(net) == {"width": "416"}
        assert (conv.type, conv.line) == ("convolutional", 3)

    def test_comments_and_lines_without_a_key_or_a_value_count_for_nothing(self):
        """:685, :715; a # behind something is a part of it."""
        (net,) = parsed("[net]\n# a\n; b\n\n=3\nwidth=\nheight=4#16\n")
        assert values(net) == {"height": "4#16"}

    def test_what_follows_the_first_equals_sign_is_the_value(self):
        """:708."""
        (net,) = parsed("[net]\nwidth=4=16\n")
        assert values(net) == {"width": "4=16"}

    def test_the_last_of_equal_keys_counts_in_its_place(self):
        """:719."""
        (net,) = parsed("[net]\nwidth=4\nwidth=16\n")
        assert (net.options["width"].value, net.options["width"].line) == ("16", 3)

    def test_net_may_go_on_anywhere(self):
        """:691."""
        (net, conv) = parsed("[net]\nwidth=4\n[convolutional]\nsize=3\n[net]\nheight=5\n")
        assert (values(net), values(conv)) == ({"width": "4", "height": "5"}, {"size": "3"})

    def test_what_follows_a_bracket_is_no_part_of_the_type(self):
        """:698."""
        (_, conv) = parsed("[convolutional]x\n")
        assert conv.type == "convolutional"

    def test_a_line_without_equals_sign_stops_it(self):
        """:709."""
        problems = []
        parse("[net]\nwidth\n", problems)
        assert [(remark.line, "width" in remark.text) for remark in problems] == [(2, True)]


class TestValues:
    def test_a_number_ends_where_it_is_none(self):
        """A C++ stream reads it: :88."""
        found = read("convolutional", filters="6.7", size="+3x", stride="1e2", pad="x")
        assert (found["filters"], found["size"], found["stride"], found["pad"]) == (
            "6", "+3", "1", "0",
        )  # fmt: skip

    @pytest.mark.parametrize(
        ("written", "value"),
        [("1e", "0"), ("1e+", "0"), ("-1Ex", "0"), (".", "0"), ("1.5e1x", "1.5e1"), (".5d", ".5")],
    )
    def test_a_number_that_ends_within_its_exponent_is_0(self, written, value):
        """A stream takes the letter for a part of it, and then finds that it is none: :88."""
        assert read("shortcut", from_=-1, alpha=written)["alpha"] == value

    def test_a_list_has_an_item_between_commas_and_none_behind_the_last(self):
        """:670."""
        found = read("yolo", mask="0,1,", anchors="10,1.5e1,.5x,y")
        assert (found["mask"], found["anchors"]) == ("0,1", "10,1.5e1,.5,0")

    def test_an_empty_item_is_left_to_chance(self):
        """:672: the number that it should become is never set."""
        (_, head) = parsed(section("yolo", **{**YOLO, "anchors": "10,,23,27"}))
        assert [(r.line, "any number" in r.text) for r in head.doubts()] == [(4, True)]
        (_, head) = parsed(section("yolo", **{**YOLO, "anchors": "10,14,23,27,"}))
        assert list(head.doubts()) == []

    @pytest.mark.parametrize(
        ("kind", "key"), [("convolutional", "batch_normalize"), ("region", "softmax")]
    )
    @pytest.mark.parametrize(("value", "switched"), [("1", "1"), ("1x", "1"), ("2", "0")])
    def test_a_switch_is_on_at_1_alone(self, kind, key, value, switched):
        """:754, :892."""
        assert read(kind, **{key: value})[key] == switched

    def test_silu_is_swish(self):
        """:232."""
        assert read("convolutional", activation="silu") == {"activation": "swish"}

    def test_what_it_does_not_read_is_left_out(self):
        found = read("upsample", stride=2, scale=3)
        assert found == {"stride": "2"}

    @pytest.mark.parametrize(
        ("kind", "defaults"),
        [
            ("maxpool", {"size": "2", "stride": "2"}),  # :793
            ("reorg", {"stride": "2"}),  # :876
            ("upsample", {"stride": "1"}),  # :935
            ("connected", {"activation": "linear"}),  # :966
            ("softmax", {}),
        ],
    )
    def test_defaults_of_its_own(self, kind, defaults):
        assert read(kind) == defaults

    def test_a_picture_is_of_416_pixels_by_default(self):
        """:725."""
        (net,) = parsed("[net]\nheight=64\n")
        found = {option.key: option.value for option in net.read().options}
        assert found == {"channels": "3", "height": "64", "width": "416"}


class TestRefusals:
    def test_none(self):
        assert said("yolo", **YOLO) == []
        assert said("convolutional", filters=1, size=1, activation="mish") == []

    def test_a_type(self):
        """:963."""
        assert said("gru", output=3) == [("OpenCV does not know [gru]", 1)]

    @pytest.mark.parametrize("key", ["anchors", "classes", "mask", "num"])
    def test_what_a_head_needs(self, key):
        """:950, :957, all of it."""
        options = {name: value for name, value in YOLO.items() if name != key}
        assert said("yolo", **options) == [(f"OpenCV does not take [yolo] without {key}=", 1)]

    def test_anchors_that_are_not_two_numbers_for_each(self):
        """:957."""
        (found,) = said("yolo", **{**YOLO, "num": 3})
        assert found == ("OpenCV does not take num=3 with 4 values in anchors=", 3)

    def test_more_anchors_than_an_integer_counts(self):
        """:88: a stream takes the largest one, and twice that is not 4."""
        (found,) = said("yolo", **{**YOLO, "num": "9" * 400})
        assert found[1] == 3

    @pytest.mark.parametrize("mask", ["2", "0,-1", "0,9"])
    def test_an_anchor_that_is_not_there(self, mask):
        """:538."""
        (found,) = said("yolo", **{**YOLO, "mask": mask})
        index = mask.split(",")[-1]
        assert found == (f"OpenCV finds no anchor {index} in anchors=", 2)

    @pytest.mark.parametrize(
        ("kind", "key", "taken", "refused"),
        [
            ("softmax", "groups", 1, 2),  # :826
            ("upsample", "stride", 1, 0),
            ("shortcut", "beta", 0, 0.5),  # :909
            ("shortcut", "beta", "1e", "1e0"),  # :88
            ("softmax", "groups", 1.5, "2e"),  # :825: an integer ends at the point, or the e
            ("convolutional", "flipped", 2, 1),  # :756
        ],
    )
    def test_a_value(self, kind, key, taken, refused):
        needed = {"shortcut": {"from_": -1}, "convolutional": {"filters": 1, "size": 1}}
        options = needed.get(kind, {})
        assert said(kind, **options, **{key: taken}) == []
        (found,) = said(kind, **options, **{key: refused})
        assert found == (f"OpenCV does not take {key}={refused}", 2 + len(options))

    def test_an_activation_of_any_layer_but_not_of_net(self):
        """:220, :966."""
        assert said("dropout", activation="elu") == [("OpenCV does not take activation=elu", 2)]
        (net,) = parsed("[net]\nactivation=elu\n")
        assert list(net.refusals()) == []
