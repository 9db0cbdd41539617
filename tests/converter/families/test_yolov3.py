"""The modular scheme, as Darknet wires it: what fits, and why another network does not."""

import nets
import pytest

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
