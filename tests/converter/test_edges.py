"""Boundaries, defaults and sentences: what changed programs (mutants) get wrong unnoticed."""

from dataclasses import replace

import nets
import pytest
import reference

from converter.darknet.cfg import MAX_CFG_BYTES, MAX_SECTIONS, decode_cfg, parse_cfg
from converter.darknet.header import Header
from converter.darknet.network import build_network, parse_network
from converter.darknet.nodes import Net
from converter.errors import CfgError, FamilyError, WeightsError
from converter.families import FAMILIES, article, generic, name_layers, yolov3
from converter.families.template import Spec, template
from converter.plan import make_plan

HEADER = Header(major=0, minor=2, revision=0, seen=0, size=20)


def option(line):
    return parse_cfg(f"[net]\n{line}\n")[0].options[0]


def refusal(error, function, *arguments):
    with pytest.raises(error) as caught:
        function(*arguments)
    return str(caught.value)


class TestCfg:
    def test_sizes(self):
        assert decode_cfg(b" " * MAX_CFG_BYTES).isspace()
        text = "[net]\n".ljust(MAX_CFG_BYTES)
        assert len(parse_cfg(text)) == 1
        for bad in (text + " ", "[net]\0"):
            assert refusal(CfgError, parse_cfg, bad) == (
                "is no cfg text: it is too long, or holds a zero byte"
            )
        assert refusal(CfgError, decode_cfg, b" " * (MAX_CFG_BYTES + 1)) == (
            "is larger than 4,194,304 bytes (a cfg is a short text file)"
        )
        assert len(parse_cfg("[net]\n" * MAX_SECTIONS)) == MAX_SECTIONS

    def test_one_section_too_many(self):
        text = "[net]\n" * (MAX_SECTIONS + 1)
        assert refusal(CfgError, parse_cfg, text) == ("line 10001: has more than 10,000 sections")

    def test_letters_are_no_comment(self):
        assert option("X=1").key == option("Xx=1").key[0] == "X"
        assert option("x=X").value == "X"

    def test_a_form_feed_is_no_white_space(self):
        """To Darknet it is an option without a value: pj utils.c:302 strips others only."""
        (section,) = parse_cfg("[net]\n\f\nbatch=1\n")
        assert [remark.line for remark in section.remarks] == [2]
        assert [option.key for option in section.options] == ["batch"]

    def test_a_section_of_one_letter(self):
        assert parse_cfg("[net]\n[x]\n")[1].type == "x"

    def test_a_comment_after_a_section(self):
        assert parse_cfg("[net]#[x]\n")[0].type == "net"

    def test_zero_bytes(self):
        assert refusal(CfgError, decode_cfg, b"[net]\n\0\0") == (
            "byte 6: is not text: it holds zero bytes (give the .cfg, not the .weights)"
        )

    @pytest.mark.parametrize(
        ("line", "number"),
        [
            ("x=2147483647", 2**31 - 1),
            ("x=-2147483648", -(2**31)),
            ("x=00000000000000000005", 5),  # twenty digits are read, twenty-one are not
        ],
    )
    def test_integers(self, line, number):
        assert option(line).integer() == number

    def test_too_many_digits(self):
        assert refusal(CfgError, option("x=000000000000000000005").integer) == (
            "line 2: x=000000000000000000005 does not fit into 32 bits"
        )

    def test_lists(self):
        assert option("x=7").integers() == (7,)
        assert option("x=7,").integers() == (7, 0)
        assert option("x=1.5,").numbers() == (1.5, 0)
        assert len(option("x=" + "1," * 999 + "1").integers()) == 1000
        assert refusal(CfgError, option("x=" + "1," * 1000 + "1").integers) == (
            f"line 2: x={'1,' * 28}1... has more than 1,000 items"
        )

    @pytest.mark.parametrize(
        ("value", "read", "problem"),
        [
            ("1.5", "integer", "is not an integer"),
            ("one", "number", "is not a number"),
            ("1e999", "number", "is not a number"),
            ("1,x", "integers", "is not a list of integers"),
            ("#3", "integers", "is not a list of integers"),
            ("1,x", "numbers", "is not a list of numbers"),
            ("1,-1e999", "numbers", "is not a list of numbers"),
        ],
    )
    def test_values(self, value, read, problem):
        assert refusal(CfgError, getattr(option(f"x={value}"), read)) == (
            f"line 2: x={value} {problem}"
        )

    def test_a_remedy_is_told(self):
        assert str(option("x=1").error("is odd", "write 2")) == "line 2: x=1 is odd (write 2)"

    @pytest.mark.parametrize(("length", "shown"), [(60, "y" * 60), (61, "y" * 57 + "...")])
    def test_long_ones_are_cut(self, length, shown):
        long = "y" * length
        assert refusal(CfgError, option(f"x={long}").integer) == (
            f"line 2: x={shown} is not an integer"
        )
        (remark,) = parse_cfg(f"[net]\n{long}\n")[0].remarks
        assert remark.text.startswith(f"{shown} has no '='")
        section = "[" + "y" * (length - 1)
        assert refusal(CfgError, parse_cfg, f"[net]\n{section}\n") == (
            f"line 2: {section if length == 60 else section[:57] + '...'} is not a section"
            " (write [type], and each option on a line of its own)"
        )


def made(text, **options):
    read = parse_network(text)
    naming = options.pop("naming", generic.name_layers)(read)
    defaults = {"header": HEADER, "size": None, "dialect": "pjreddie"}
    return make_plan(network=read, naming=naming, **{**defaults, **options})


VECTORS = "[net]\ninputs=6\n"


class TestPlan:
    def test_it_keeps_what_it_is_of(self, toy):
        found = made(toy.text, dialect="alexeyab")
        assert (found.header, found.dialect, found.naming.family) == (HEADER, "alexeyab", "generic")
        assert found.network.text == toy.text

    @pytest.mark.parametrize("cutoff", [0, 2, -1, 3])
    def test_where_it_cannot_end(self, toy, cutoff):
        with pytest.raises(WeightsError) as caught:
            made(toy.text, cutoff=cutoff)
        assert str(caught.value) == f"cannot end before layer {cutoff} of 2"

    def test_a_network_without_weights(self):
        found = made("[net]\nwidth=2\nheight=2\nchannels=1\n[maxpool]\n", size=20)
        assert (found.slots, found.size) == ((), 20)

    def test_nothing_to_read(self, toy):
        text = toy.text.replace("[convolutional]", "[convolutional]\ndontload=1")
        assert refusal(WeightsError, made, text) == (
            "holds no weights (check that the cfg is the right one)"
        )

    def test_where_it_can_end(self, toy):
        assert made(toy.text, cutoff=1).size == 516

    @pytest.mark.parametrize(
        ("major", "section", "transposed"),
        [
            (0, "[connected]\noutput=4\n", [False, False]),
            (1001, "[connected]\noutput=4\n", [False, True]),
            (1001, "[convolutional]\n", [False, False]),
            (0, "[convolutional]\nflipped=1\n", [False, True]),
            (1001, "[convolutional]\nflipped=1\n", [False, True]),
        ],
    )
    def test_which_arrays_are_transposed(self, major, section, transposed):
        """pj parser.c:1243 for connected layers, :1206 for flipped convolutions."""
        header = Header(major=major, minor=2, revision=0, seen=0, size=20)
        slots = made(f"[net]\nwidth=2\nheight=2\nchannels=3\n{section}", header=header).slots
        assert [slot.transposed for slot in slots] == transposed

    def test_the_dialect_orders_the_arrays(self):
        """pj parser.c:1040: i f o g; AB parser.c:2031: f i g o."""
        for dialect, gates in (("pjreddie", "ifog"), ("alexeyab", "figo")):
            kinds = [s.kind for s in made(f"{VECTORS}[lstm]\noutput=2\n", dialect=dialect).slots]
            assert kinds[::2][:4] == [f"w{gate} biases" for gate in gates]

    def test_the_dialect_says_how_long_it_should_be(self):
        with pytest.raises(WeightsError, match="asks for 36"):
            made("[net]\nwidth=2\nheight=2\nchannels=1\n[batchnorm]\n[implicit]\nfilters=1\n",
                 size=1000)  # fmt: skip
        with pytest.raises(WeightsError, match="asks for 40"):
            made("[net]\nwidth=2\nheight=2\nchannels=1\n[batchnorm]\n[implicit]\nfilters=1\n",
                 size=1000, dialect="alexeyab")  # fmt: skip

    def test_what_is_not_loaded_has_a_shape(self, toy):
        text = toy.text.replace("filters=4", "filters=4\ndontload=1")
        assert made(text).unfilled["layers.0.conv.weight"] == (4, 3, 3, 3)

    def test_arrays_without_a_place(self):
        found = made(nets.yolov3(2, 3, size=96), naming=article.name_layers)
        assert {slot.tensor for slot in found.left_out} == {""}
        assert {slot.node.index for slot in found.left_out} == {75, 84, 87, 96, 99}

    def test_heads_and_others(self):
        """A head's path names its convolution; generic names end with it."""
        text = nets.yolov3(2, 3, size=96)
        modular = {
            slot.node.index: slot.tensor for slot in made(text, naming=yolov3.name_layers).slots
        }
        assert modular[81] == "heads.2.conv.weight"
        generic = {slot.node.index: slot.tensor for slot in made(text).slots}
        assert generic[81] == "layers.81.conv.weight"
        assert generic[0] == "layers.0.conv.weight"


def read(text):
    return parse_network(text)


DETECTOR = nets.yolov3(2, 3, size=96)
DEVIATES = "(--family generic converts it)"


class TestFamilies:
    def test_names(self):
        own = [family.name for family in FAMILIES.values() if family.native]
        assert own == ["yolov3", "article", "generic"]
        for name in own:
            assert name_layers(read(DETECTOR), name).family == name

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            (
                "[net]\nwidth=8\nheight=8\nchannels=3\n[maxpool]\n[convolutional]\n",
                "layer 0 [maxpool], line 5: is not a YOLOv3: a YOLOv3 starts with [convolutional]"
                f" {DEVIATES}",
            ),
            (
                DETECTOR + "\n" + nets.conv(4, 1),
                f"has 108 layers, a YOLOv3 like it has 107 {DEVIATES}",
            ),
            (
                DETECTOR.replace("from=-3", "from=-2", 1),
                "layer 4 [shortcut], line 40: is not a YOLOv3: it reads layers 3, 2, not 3, 1"
                f" {DEVIATES}",
            ),
            (
                DETECTOR.replace("filters=4\nsize=3", "filters=6\nsize=3", 1),
                "layer 1 [convolutional], line 16: is not a YOLOv3: filters is 6, not 4"
                f" {DEVIATES}",
            ),
            (
                DETECTOR.replace("[shortcut]\nfrom=-3\nactivation=linear", "[dropout]", 1),
                "layer 4 [dropout], line 40: is not a YOLOv3: a YOLOv3 has [shortcut] there"
                f" {DEVIATES}",
            ),
            (
                nets.yolov3(2, 3, levels=3).rsplit("[route]", 4)[0],
                f"has 1 [yolo] layers, a YOLOv3 has 3 to 5 {DEVIATES}",
            ),
        ],
    )
    def test_refusals(self, text, message):
        assert refusal(FamilyError, yolov3.name_layers, read(text)) == message

    def test_refusals_of_the_article(self):
        spp = read(nets.yolov3(2, 3, spp=True))
        assert refusal(FamilyError, article.name_layers, spp) == (
            "has spatial pyramid pooling, which the article's FPN lacks"
        )
        assert refusal(FamilyError, article.name_layers, read(nets.classifier(2))) == (
            "is a backbone, and the article's wiring is about the neck"
        )

    def test_what_the_article_lacks(self):
        """Width 2: channels 16, 32, 64 fine to coarse; plain convs with bias, and a classifier."""
        family = article.name_layers(read(DETECTOR))
        assert family.unfilled == {
            "backbone.fc.2.weight": (1000, 64),
            "backbone.fc.2.bias": (1000,),
            "fpn.lateral_convs.0.weight": (8, 16, 1, 1),
            "fpn.lateral_convs.0.bias": (8,),
            "fpn.lateral_convs.1.weight": (16, 32, 1, 1),
            "fpn.lateral_convs.1.bias": (16,),
            "fpn.lateral_convs.2.weight": (32, 64, 1, 1),
            "fpn.lateral_convs.2.bias": (32,),
            "fpn.merge_convs.0.weight": (8, 16 + 16, 1, 1),
            "fpn.merge_convs.0.bias": (8,),
            "fpn.merge_convs.1.weight": (16, 32 + 32, 1, 1),
            "fpn.merge_convs.1.bias": (16,),
        }
        assert all(type(n) is int for shape in family.unfilled.values() for n in shape)
        assert family.spec == replace(yolov3.name_layers(read(DETECTOR)).spec, wiring="article")

    def test_the_whole_spec(self):
        text = nets.yolov3(2, 3, channels=4, levels=4, repeats=1, merge=(5, 6, 7))
        assert yolov3.name_layers(read(text)).spec == Spec(
            in_channels=4, width=2, classes=3, levels=4, num_repeats=1, merge_channels=(5, 6, 7)
        )

    @pytest.mark.parametrize(
        ("extra", "backbone", "classes"),
        [
            ([], "features", 1000),
            (["[avgpool]", "[convolutional]\nfilters=7\nactivation=linear"], "classifier", 7),
            (["[avgpool]", "[convolutional]\nfilters=7\nactivation=linear", "[softmax]"],
             "classifier and softmax", 7),
        ],
    )  # fmt: skip
    def test_the_spec_of_a_backbone(self, extra, backbone, classes):
        text = "\n".join([nets.net(64, channels=1), *nets.darknet53(2), *extra])
        family = yolov3.name_layers(read(text))
        assert family.spec == Spec(
            in_channels=1, width=2, classes=classes, levels=0, backbone=backbone
        )
        assert list(family.modules.values())[52:] == (["fc.2"] if extra else [])
        assert family.linear == (76 if extra else None)

    def test_the_template_is_a_network(self):
        """Not only equal to one: what a size alone recognises is built from it."""
        spec = Spec(width=2, classes=3, merge_channels=(8, 16), spp=True)
        layers = template(spec)
        built = build_network(
            Net(width=96, height=96, channels=3), [layer for layer, _ in layers], ""
        )
        assert built.floats == reference.floats(nets.yolov3(2, 3, spp=True))
        assert all(type(n.layer.filters) is int for n in built.nodes if hasattr(n.layer, "filters"))
        heads = [(layer.num, layer.mask) for layer, _ in layers if layer.type == "yolo"]
        assert heads == [(9, (6, 7, 8)), (9, (3, 4, 5)), (9, (0, 1, 2))]
        plain = [layer for layer, path in layers if path.startswith("heads")]
        assert all((layer.pad, layer.batch_normalize) == (1, 0) for layer in plain)
        assert {layer.pad for layer, _ in layers if layer.type == "convolutional"} == {1}
        without = [path for layer, path in layers if layer.type != "convolutional"]
        assert set(without) == {""}
        softmax = template(Spec(levels=0, backbone="classifier and softmax"))
        assert [path for _, path in softmax[-3:]] == ["", "fc.2", ""]

    def test_a_merge_that_is_no_convolution(self):
        """The guess must not stumble over what the comparison then names."""
        text = DETECTOR.replace(
            "[upsample]", "[convolutional]\nfilters=4\n[dropout]\n[upsample]", 1
        )
        assert "layer 84 [convolutional], line 580: is not a YOLOv3: filters is 16, not" in refusal(
            FamilyError, yolov3.name_layers, read(text)
        )
        text = DETECTOR.replace("[upsample]\nstride=2", "[reorg]\nstride=1")
        text = text.replace("layers=-1,61", "layers=-1").replace("layers=-1,36", "layers=-1")
        assert "is not a YOLOv3: filters is 16, not 1 " in refusal(
            FamilyError, yolov3.name_layers, read(text)
        )
