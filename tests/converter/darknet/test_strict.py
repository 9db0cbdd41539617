"""A cfg in hank-ai's engine: what it takes, as what, and what it refuses.

Each expectation is what hank-ai/darknet@f684e1d, built without AVX, did with that very text when it
was asked to load it; places are in its src-lib/.
"""

import pytest

from converter.darknet.dialects import DIALECTS
from converter.darknet.network import parse_network
from converter.diagnosis.engines import compare_engines
from converter.errors import CfgError, DarknetError

# [net] from line 1, the first layer from line 5, what is added to it from line 11
NET = "[net]\nwidth=32\nheight=32\nchannels=3\n"
REST = "size=3\nstride=1\npad=1\nactivation=leaky\n"
CONV = "[convolutional]\nfilters=4\n" + REST
HEAD = "[convolutional]\nfilters=18\nsize=1\nstride=1\nactivation=linear\n"
ADD = "[shortcut]\nfrom=-2\nactivation=linear\n"


def conv(filters: str) -> str:
    return NET + "[convolutional]\n" + filters + "\n" + REST


def acts(activation: str) -> str:
    return NET + "[convolutional]\nfilters=4\nsize=3\n" + activation + "\n"


def yolo(
    extra: str = "", mask: str = "mask=0,1,2", anchors: str = "anchors=10,10, 20,20, 40,40"
) -> str:
    return NET + HEAD + f"[yolo]\n{mask}\n{anchors}\nclasses=1\nnum=3\n{extra}"


def of_size(text: str, width: int, height: int) -> str:
    return text.replace("width=32\nheight=32", f"width={width}\nheight={height}")


def section(name: str) -> str:
    return NET + CONV.replace("[convolutional]", name)


TAKEN = {
    # its lines, darknet_cfg.cpp:592-612
    "a comment behind a value ends it": (conv("filters=4 # note"), "4x32x32"),
    "a comment right behind a word ends it": (acts("activation=leaky#note"), "4x30x30"),
    "a comment behind a section is none of its name": (section("[convolutional] # a"), "4x32x32"),
    "a key without a value is no line": (conv("filters="), "1x32x32"),
    "a key with a comment for its value is no line": (conv("filters=#note"), "1x32x32"),
    "a key without = is no line": (conv("filters"), "1x32x32"),
    "a key with a blank in it is no line": (conv("fil ters=8"), "1x32x32"),
    "words are no line": (NET + CONV + "hello world\n", "4x32x32"),
    "a comment with ; and a blank is no line": (NET + CONV + "; filters=8\n", "4x32x32"),
    "a comment with // and a blank is no line": (NET + CONV + "// filters=8\n", "4x32x32"),
    "blanks around = do not count": (conv("  filters \t =  \t 8  \t"), "8x32x32"),
    "lines end in CR LF": ((NET + CONV).replace("\n", "\r\n"), "4x32x32"),
    "[network] is [net]": ((NET + CONV).replace("[net]", "[network]"), "4x32x32"),
    # stof, :119, 248-286, then the fraction is cut off
    "an integer with a fraction is cut off": (conv("filters=4.7"), "4x32x32"),
    "an integer ends at its point": (conv("filters=4."), "4x32x32"),
    "a number ends at a minus sign": (conv("filters=4-2"), "4x32x32"),
    "a number ends at its second point": (conv("filters=1.2.3"), "1x32x32"),
    # lists, :418
    "a trailing comma is no item": (NET + CONV * 2 + "[route]\nlayers=-1,\n", "4x32x32 " * 3),
    "a blank separates two items": (
        NET + CONV * 2 + "[route]\nlayers=-1 -2\n",
        "4x32x32 4x32x32 8x32x32",
    ),
    "a minus sign separates no items": (NET + CONV * 2 + "[route]\nlayers=-1-2\n", "4x32x32 " * 3),
    "a point separates two items": (
        NET + CONV * 6 + "[route]\nlayers=-1.5\n",
        "4x32x32 " * 6 + "8x32x32",
    ),
    "a mask with blanks alone": (yolo(mask="mask=0 1 2"), "18x32x32 " * 2),
    "a mask with a comment that has a comma": (yolo(mask="mask=0,1,2 # 3,4"), "18x32x32 " * 2),
    "anchors with exponents": (yolo(anchors="anchors=1e1,1e1, 20,20, 40,40"), "18x32x32 " * 2),
    "anchors without a value": (yolo(anchors="anchors="), "18x32x32 " * 2),
    # which options it reads beside which policy, :1366-1400
    "steps beside policy=sgdr are optional": (
        NET + "policy=sgdr\nsgdr_cycle=1000\n" + CONV,
        "4x32x32",
    ),
    "scales with exponents": (
        NET + "policy=steps\nsteps=10,20\nscales=1e-1,1e-1\n" + CONV,
        "4x32x32",
    ),
    "gamma beside policy=exp": (NET + "policy=exp\ngamma=.99\n" + CONV, "4x32x32"),
    "B1 beside adam=1": (NET + "adam=1\nB1=.9\n" + CONV, "4x32x32"),
    # what must be a multiple of 32, :1205
    "a yolo that is not last has any size": (
        of_size(yolo(), 48, 48) + "[route]\nlayers=0\n",
        "18x48x48 " * 3,
    ),
    # what weights_type asks for, :1751
    "weights without normalization": (
        NET + CONV * 2 + ADD + "weights_type=per_feature\n",
        "4x32x32 " * 3,
    ),
    "a shortcut of other channels": (
        NET + CONV + CONV.replace("=4", "=8") + ADD,
        "4x32x32 8x32x32 8x32x32",
    ),
    "a recurrent layer is a map of one pixel": (NET + CONV + "[lstm]\noutput=5\n", "4x32x32 5x1x1"),
}


@pytest.mark.parametrize(("text", "shapes"), TAKEN.values(), ids=TAKEN)
def test_it_loads_with_the_shapes_of_the_engine(text, shapes):
    nodes = parse_network(text, "hank-ai").nodes
    found = [f"{n.output.c}x{n.output.h}x{n.output.w}" for n in nodes]
    assert found == shapes.split()
    assert compare_engines(text).verdicts["hank-ai"].answer != "refuses"


# What it says, and of which line; those without a number name none.
REFUSED = {
    "a key that nothing reads": (NET + CONV + "foo=1\n", 11),  # darknet_cfg.cpp:219
    "a key in other letters": (conv("Filters=8"), 6),
    "a comment with ; and no blank": (NET + CONV + ";filters=8\n", 11),
    "a comment with // and no blank": (NET + CONV + "//filters=8\n", 11),
    "max_crop": (NET + "max_crop=32\n" + CONV, 5),
    "min_crop": (NET + "min_crop=32\n" + CONV, 5),
    "unsupervised": (NET + "unsupervised=0\n" + CONV, 5),
    "show_details": (yolo("show_details=1\n"), 15),
    "a layer's option in [net]": (NET + "clip=1\n" + CONV, 5),
    "dontsave of pjreddie's": (NET + CONV + "dontsave=1\n", 11),
    "alpha of pjreddie's": (NET + CONV * 2 + ADD + "alpha=1\n", 20),
    "noobj of pjreddie's": (NET + CONV + "[cost]\nnoobj=1\n", 12),
    "hidden_filters of pjreddie's": (
        NET + CONV + "[crnn]\nhidden_filters=4\noutput_filters=4\n",
        12,
    ),
    "scales beside another policy": (NET + "policy=constant\nsteps=10\nscales=.1\n" + CONV, 7),
    "scales without a policy": (NET + "steps=10\nscales=.1\n" + CONV, 6),
    "steps beside policy=step": (NET + "policy=step\nsteps=10\n" + CONV, 6),
    "gamma without policy=exp": (NET + "gamma=.99\n" + CONV, 5),
    "B1 beside adam=0": (NET + "adam=0\nB1=.9\n" + CONV, 6),
    "a key that stands twice with one value": (NET + CONV + "filters=4\n", 11),  # :660
    "a number with an exponent": (NET + "decay=5e-4\n" + CONV, 5),  # :313
    "a number with a plus sign": (conv("filters=+4"), 6),  # :278
    "a hexadecimal number": (conv("filters=0x4"), 6),
    "a number with a blank in it": (conv("filters=1 6"), 6),
    "a number behind two =": (conv("filters==4"), 6),
    "a number with a comment behind ;": (conv("filters=4 ; note"), 6),
    "a number with a comma": (conv("filters=4,"), 6),
    "a number in words": (conv("filters=four"), 6),
    "a number that is a point": (conv("filters=."), 6),  # :119
    "a number that is a minus sign": (conv("filters=-"), 6),
    "a number beyond float": (NET + f"max_batches={10**43 - 1}\n" + CONV, 5),
    "a function with a blank in it": (acts("activation=le aky"), 8),  # darknet_enums.cpp:125
    "a function in capitals": (acts("activation=Leaky"), 8),
    "silu": (acts("activation=silu"), 8),
    "a word with a comment behind ;": (acts("activation=leaky ; note"), 8),
    "an unknown policy": (NET + "policy=foo\n" + CONV, 5),  # :177
    "an unknown iou_loss": (yolo("iou_loss=foo\n"), 15),  # :226
    "an unknown nms_kind": (yolo("nms_kind=foo\n"), 15),  # :274
    "an unknown weights_type": (NET + CONV * 2 + ADD + "weights_type=per_layer\n", 20),  # :321
    "an unknown weights_normalization": (
        NET + CONV * 2 + ADD + "weights_normalization=foo\n",
        20,
    ),  # :369
    "an unknown cost": (NET + CONV + "[cost]\ntype=L1\n", 12),  # :422
    "a section in capitals": (section("[Convolutional]"), 5),  # :57
    "a section with blanks": (section("[ convolutional ]"), 5),
    "a section with two brackets": (section("[convolutional]]"), 5),
    "a bracket in the comment of a section": (section("[convolutional] # [x]"), 5),
    "an unknown section": (NET + CONV + "[foo]\n", 11),
    "an unknown section before the end": (NET + CONV + "[foo]\n" + CONV, 11),
    "[reorg]": (NET + CONV + "[reorg]\nstride=2\n", 11),
    "[lrn]": (NET + CONV + "[lrn]\n", 11),
    "[crop]": (NET + "[crop]\ncrop_width=28\ncrop_height=28\n" + CONV, 5),
    "[empty], which it knows and does not build": (NET + CONV + "[empty]\n", 11),  # cfg.cpp:894
    "a second [net]": (NET + CONV + NET, 11),
    "policy=steps without steps": (NET + "policy=steps\n" + CONV, 5),  # :1371
    "no size": ("[net]\nbatch=1\n" + CONV, 1),  # :1328
    "a width without a height": ("[net]\nwidth=32\nchannels=3\n" + CONV, 1),
    "a last yolo of another size": (of_size(yolo(), 48, 48), 1),  # :1213
    "a last yolo of another height": (of_size(yolo(), 32, 40), 1),
    "a last yolo that is too small": (of_size(yolo(), 16, 16), 1),
    "a route to itself": (NET + CONV + "[route]\nlayers=1\n", 11),  # :1544
    "a route without layers": (NET + CONV + "[route]\n", 11),  # :1528
    "a shortcut without from": (NET + CONV * 2 + "[shortcut]\n", 17),  # :1761
    "[sam] without from": (NET + CONV * 2 + "[sam]\n", 17),  # :241
    "[sam] with mish": (NET + CONV * 2 + "[sam]\nfrom=0\nactivation=mish\n", 17),  # :2261
    "a head that does not fit": (yolo(mask="mask=0-1-2"), 10),  # :1651
    # SIGFPE: :1247, maxpool_layer.cpp
    "subdivisions=0": (NET + "subdivisions=0\n" + CONV, 5),
    # what training asks for: SIGSEGV, :1706, :52
    "[contrastive] without a [yolo]": (yolo() + "[contrastive]\nclasses=1\n", 15),
    "embeddings that the anchors do not divide": (
        NET + CONV + yolo("embedding_layer=0\n").removeprefix(NET),
        21,
    ),
    "counters of fewer classes": (yolo("counters_per_class=3,4\n"), 15),
    "a stride of 0": (NET + CONV + "[maxpool]\nsize=2\nstride=0\n", 11),
}


@pytest.mark.parametrize(("text", "line"), REFUSED.values(), ids=REFUSED)
def test_it_refuses_what_the_engine_refuses(text, line):
    with pytest.raises(DarknetError) as error:
        parse_network(text, "hank-ai")
    assert error.value.remedy
    verdict = compare_engines(text).verdicts["hank-ai"]
    assert verdict.answer == "refuses"
    lines = [reason.line for reason in verdict.reasons]
    assert line in lines  # it stops at the first in the order of the alphabet
    assert error.value.place.rpartition(", ")[2] == f"line {lines[0]}"


def test_every_refusal_is_listed_with_its_line():
    text = NET + "max_crop=3\ndecay=5e-4\n" + CONV + "foo=1\nfilters=9\n[reorg]\n"
    verdict = compare_engines(text).verdicts["hank-ai"]
    # 13: foo, 14: filters again, 15: [reorg]
    assert sorted(reason.line for reason in verdict.reasons) == [5, 6, 13, 14, 15]


def test_the_list_that_splits_at_an_exponent_is_remarked_upon():
    # darknet_cfg.cpp:353: 1 and 1, then the "1" and the "1" behind the other e
    network = parse_network(yolo(anchors="anchors=1e1,1e1, 20,20, 40,40"), "hank-ai")
    assert network.nodes[-1].layer.anchors == (1, 1, 1, 1, 20, 20, 40, 40)
    assert any("anchors=1e1" in remark.text for remark in network.remarks)


@pytest.mark.parametrize("engine", ["pjreddie", "alexeyab"])
def test_the_same_texts_are_taken_by_the_other_engines(engine):
    # What they did with them: "Unused field", ReLU, atof.
    for name in ("a key that nothing reads", "max_crop", "a number with an exponent", "silu"):
        text, _ = REFUSED[name]
        assert compare_engines(text).verdicts[engine].answer == "runs"


def test_a_byte_order_mark_is_refused_by_every_engine():
    # HK darknet_cfg.cpp:644; pj and AB die of SIGSEGV
    verdicts = compare_engines("\ufeff" + NET + CONV).verdicts
    assert [verdicts[name].answer for name in DIALECTS] == ["refuses"] * 3


def test_options_before_the_first_section_are_no_cfg():
    with pytest.raises(CfgError, match="before the first section"):
        compare_engines("filters=4\n" + NET + CONV)
