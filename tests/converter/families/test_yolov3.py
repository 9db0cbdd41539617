"""The modular scheme, as Darknet wires it: its names, what fits, and why others do not."""

import nets
import pytest
import reference
from hypothesis import given, settings
from hypothesis import strategies as st

from converter.darknet.network import parse_network
from converter.errors import FamilyError
from converter.families import yolov3
from converter.families.template import Spec

DETECTOR = nets.yolov3(2, 3, size=96)
DEVIATES = "(family='generic' converts it)"


def refusal(text):
    with pytest.raises(FamilyError) as caught:
        yolov3.name_layers(parse_network(text))
    return str(caught.value)


def spec(text):
    return yolov3.name_layers(parse_network(text)).spec


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
            f"layer 1 [convolutional], line 16: is not a YOLOv3: filters is 6, not 4 {DEVIATES}",
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
def test_the_first_deviation_is_named(text, message):
    assert refusal(text) == message


def test_every_number_of_the_spec_is_read_from_the_network():
    text = nets.yolov3(2, 3, channels=4, levels=4, repeats=1, merge=(5, 6, 7))
    assert yolov3.name_layers(parse_network(text)).spec == Spec(
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
def test_the_spec_of_a_backbone(extra, backbone, classes):
    text = "\n".join([nets.net(64, channels=1), *nets.darknet53(2), *extra])
    family = yolov3.name_layers(parse_network(text))
    assert family.spec == Spec(in_channels=1, width=2, classes=classes, levels=0, backbone=backbone)
    assert list(family.modules.values())[52:] == (["fc.2"] if extra else [])
    assert family.linear == (76 if extra else None)
    assert family.parts == ({76: {"conv": "fc.2"}} if extra else {})


def test_only_heads_and_the_classifier_name_their_convolution_themselves():
    """The others are modules of a ``conv`` and a ``bn``."""
    naming = yolov3.name_layers(parse_network(DETECTOR))
    # yolov3.cfg: the convolutions before its [yolo] layers 82, 94 and 106
    assert naming.parts == {i: {"conv": naming.modules[i]} for i in (81, 93, 105)}


def test_a_merge_that_is_no_convolution():
    """The guess must not stumble over what the comparison then names."""
    text = DETECTOR.replace("[upsample]", "[convolutional]\nfilters=4\n[dropout]\n[upsample]", 1)
    assert "layer 84 [convolutional], line 580: is not a YOLOv3: filters is 16, not" in refusal(
        text
    )
    text = DETECTOR.replace("[upsample]\nstride=2", "[reorg]\nstride=1")
    text = text.replace("layers=-1,61", "layers=-1").replace("layers=-1,36", "layers=-1")
    assert "is not a YOLOv3: filters is 16, not 1 " in refusal(text)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"classes": 20},
        {"classes": 601, "size": 608},
        {"spp": True},
        {"levels": 4},
        {"levels": 5, "merge": (128, 128, 128, 256)},
        {"width": 2, "classes": 3, "size": 192},
        {"width": 8, "repeats": 1},
        {"width": 8, "repeats": 3, "spp": True},
        {"width": 4, "channels": 1},
    ],
)
def test_names_are_in_file_order(options):
    family = yolov3.name_layers(parse_network(nets.yolov3(**options)))
    levels, repeats = options.get("levels", 3), options.get("repeats", 2)
    expected = reference.yolov3_modules(levels, repeats, spp=options.get("spp", False))
    found = [name.removesuffix(".conv") if name.startswith("heads") else name
             for name in family.modules.values()]  # fmt: skip
    assert found == expected
    assert list(family.modules) == sorted(family.modules)


def test_the_spec_of_the_five_level_net():
    found = spec(nets.yolov3(levels=5, merge=(128, 128, 128, 256)))
    assert found.levels == 5
    assert found.merge_channels == (128, 128, 128, 256)
    assert found.channels == (64, 128, 256, 512, 1024)


def test_the_backbone():
    found = spec(nets.classifier(classes=10))
    assert (found.levels, found.classes, found.backbone) == (0, 10, "classifier and softmax")
    found = spec("\n".join([nets.net(64), *nets.darknet53(4)]))
    assert (found.levels, found.width, found.backbone) == (0, 4, "features")


# One change to a net like yolov3.cfg each, and the layer at which it shows.
@pytest.mark.parametrize(
    ("old", "new", "place"),
    [
        ("filters=4\nsize=3\nstride=2", "filters=5\nsize=3\nstride=2", "layer 1 "),
        ("from=-3\nactivation=linear", "from=-3\nactivation=leaky", "layer 4 "),
        ("layers=-1,61", "layers=61,-1", "layer 86 "),
        ("layers=-1,36", "layers=-1,35", "layer 98 "),
        ("layers=-4", "layers=-2", "layer 83 "),
        ("stride=2\n\n[route]\nlayers=-1,61", "stride=2\nscale=2\n\n[route]\nlayers=-1,61",
         "layer 85 "),
        ("mask=6,7,8", "mask=5,6,7,8", "layer 81 "),
        ("mask=3,4,5\n", "mask=3,4,5\nscale_x_y=1.05\n", "layer 94 "),
        ("mask=0,1,2\n", "mask=0,1,2\nnew_coords=1\n", "layer 106 "),
    ],
)  # fmt: skip
def test_one_deviation_is_named(old, new, place):
    text = nets.yolov3(2, 3, size=96)
    assert old in text
    if "mask=5,6,7,8" in new:
        # four anchors need four thirds of the filters of that head
        text = text.replace("filters=24", "filters=32", 1)
    with pytest.raises(FamilyError, match="is not a YOLOv3") as caught:
        yolov3.name_layers(parse_network(text.replace(old, new, 1)))
    assert caught.value.place.startswith(place)


def test_layers_after_the_last_head():
    text = nets.yolov3(2, 3, size=96) + "\n" + nets.conv(4, 1)
    with pytest.raises(FamilyError, match="has 108 layers"):
        yolov3.name_layers(parse_network(text))


def test_padding_may_be_written_in_two_ways():
    text = nets.yolov3(2, 3, size=96).replace("size=3\nstride=1\npad=1", "size=3\npadding=1")
    assert yolov3.name_layers(parse_network(text)).family == "yolov3"


def test_a_route_may_be_absolute():
    text = nets.yolov3(2, 3, size=96).replace("layers=-4", "layers=79", 1)
    assert yolov3.name_layers(parse_network(text)).family == "yolov3"


@settings(max_examples=20, deadline=None)
@given(
    width=st.integers(1, 6).map(lambda n: 2 * n),
    classes=st.integers(1, 30),
    levels=st.integers(3, 5),
    repeats=st.integers(1, 3),
    spp=st.booleans(),
    data=st.data(),
)
def test_the_template_is_the_network(width, classes, levels, repeats, spp, data):
    merge = tuple(data.draw(st.lists(st.integers(1, 9), min_size=levels - 1,
                                     max_size=levels - 1)))  # fmt: skip
    text = nets.yolov3(
        width, classes, size=64, levels=levels, repeats=repeats, spp=spp, merge=merge
    )
    found = spec(text)
    assert (found.width, found.classes, found.levels) == (width, classes, levels)
    assert (found.num_repeats, found.spp, found.merge_channels) == (repeats, spp, merge)
