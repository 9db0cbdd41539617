"""Heads without anchors: values that do not fit, no classes, and what [iseg] computes."""

import torch
from one_feature import conv, network, section

from converter.darknet.network import parse_network
from tests.converter.darknet.layers.small_networks import refusal
from yolov3.darknet import DarknetModel


def test_what_does_not_fit_is_refused_with_its_line():
    message = "needs 147 values, the layer before it has 780"
    assert message in refusal(conv(), section("detection"))


def test_a_localiser_without_classes():
    text = network(
        section("connected", output=5), section("detection", classes=0, coords=4, side=1)
    )
    assert parse_network(text).classes == 0


def test_iseg_is_logistic_for_classes_and_nothing_for_ids():
    model = DarknetModel(parse_network(network(section("iseg", classes=1, ids=2))), "pjreddie")
    x = torch.zeros(1, 3, 10, 13) + torch.tensor([0.0, 5.0, -7.0])[:, None, None]
    ((_, found),) = model.forward_layers(x)
    # pj iseg_layer.c:87: logistic(0) = 1/2
    assert found.flatten(2)[0].unique(dim=1).tolist() == [[0.5], [5.0], [-7.0]]
