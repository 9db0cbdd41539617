"""[conv_lstm] and [history]: arrays, order of pictures, and what only GPU code does."""

import torch
from one_feature import network, section

from converter.darknet.network import parse_network
from tests.converter.darknet.layers.small_networks import kinds_in_file_order, obstacle
from yolov3.darknet import DarknetModel


def test_arrays_in_file_order():
    # AB parser.c:1953-2056
    layer = section("conv_lstm", peephole=1, pad=1)
    assert kinds_in_file_order(layer, "alexeyab") == "vf vi vo wf wi wg wo uf ui ug uo"


def test_what_only_gpu_code_does_converts_but_does_not_run():
    layer = section("conv_lstm", pad=1, bottleneck=1)
    assert "bottleneck=1, which only AlexeyAB's GPU" in obstacle(layer)


def test_history_puts_the_newest_picture_first():
    cfg = network(section("history", history_size=3)).replace("[net]\n", "[net]\ntime_steps=4\n")
    model = DarknetModel(parse_network(cfg), "alexeyab")
    steps = torch.arange(1.0, 5.0)[:, None, None, None].expand(4, 3, 10, 13)
    (found,) = model(steps)
    # AB conv_lstm_layer.c:303-318: the older ones move up by one, and zeros come first.
    assert found[:, ::3, 0, 0].tolist() == [[1, 0, 0], [2, 1, 0], [3, 2, 1], [4, 3, 2]]
