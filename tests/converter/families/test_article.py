"""The scheme of the article's own wiring: what it has no place for, and what it lacks."""

from dataclasses import replace

import nets
import pytest
from safetensors.numpy import load_file, save_file

from converter import CheckpointError, convert, revert
from converter.darknet.network import parse_network
from converter.errors import FamilyError
from converter.families import article, yolov3

DETECTOR = nets.yolov3(2, 3, size=96)


def refusal(text):
    with pytest.raises(FamilyError) as caught:
        article.name_layers(parse_network(text))
    return str(caught.value)


def test_what_it_has_no_place_for_is_named():
    assert refusal(nets.yolov3(2, 3, spp=True)) == (
        "has spatial pyramid pooling, which the article's FPN lacks"
    )
    assert refusal(nets.classifier(2)) == (
        "is a backbone, and the article's wiring is about the neck"
    )


def test_what_darknet_lacks_is_listed_with_its_shape():
    """Width 2: channels 16, 32, 64 fine to coarse; plain convs with bias, and a classifier."""
    family = article.name_layers(parse_network(DETECTOR))
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
    assert family.spec == replace(
        yolov3.name_layers(parse_network(DETECTOR)).spec, wiring="article"
    )


def test_lateral_and_merge_convs_have_no_place():
    family = article.name_layers(parse_network(nets.yolov3(2, 3, size=96)))
    assert not {75, 84, 87, 96, 99} & set(family.modules)
    assert family.unfilled["backbone.fc.2.weight"] == (1000, 64)
    assert family.unfilled["fpn.lateral_convs.2.weight"] == (32, 64, 1, 1)
    # 32 + 64 // 2 channels: the finer feature and half of the coarser one's
    assert family.unfilled["fpn.merge_convs.1.weight"] == (16, 64, 1, 1)


@pytest.mark.parametrize("text", [nets.yolov3(2, 3, spp=True), nets.classifier(2)])
def test_refusals(text):
    with pytest.raises(FamilyError):
        article.name_layers(parse_network(text))


def test_it_is_not_read(make):
    files = make(nets.yolov3(1, 2, size=64))
    made = convert(files.weights, family="article").output
    save_file(load_file(made), made)
    with pytest.raises(CheckpointError, match="has no place for all"):
        revert(made, cfg=files.cfg, family="article")
