"""What an engine and our model are both given."""

import numpy as np
import pytest
import torch
from one_feature import conv, network, section, sequence

from converter.darknet.network import parse_network
from converter.errors import CfgError
from yolov3.darknet import DarknetModel
from yolov3.parity.inputs import noise, one_picture, randomise, shrink


class TestSmallerPictures:
    def test_the_smallest_that_the_layers_allow(self):
        # 64 pixels leave nothing of the last of these, 96 do
        layers = (section("maxpool", stride=2) * 5, conv(size=3, pad=0))
        text = shrink(network(*layers, height=416, width=608), "pjreddie")
        assert "height=96\nwidth=96\n" in text
        assert text == network(*layers, height=96, width=96)

    def test_one_that_is_small_already(self):
        assert shrink(network(conv()), "pjreddie") == network(conv())

    def test_one_that_cannot_be_smaller(self):
        text = network(section("maxpool", stride=2) * 7, conv(size=3, pad=0), height=416, width=416)
        assert shrink(text, "pjreddie") == text

    def test_one_picture_at_a_time(self):
        text = "[net]\nbatch=64\nsubdivisions=8\nwidth=8 # comment\n[convolutional]\nbatch=2\n"
        assert one_picture(text) == (
            "[net]\nbatch=1\nsubdivisions=1\nwidth=8 # comment\n[convolutional]\nbatch=2\n"
        )

    def test_what_cannot_be_read(self):
        with pytest.raises(CfgError, match="an option before the first section"):
            shrink("no cfg", "pjreddie")

    def test_a_crop_is_smaller_than_its_picture(self):
        layers = (section("crop", crop_height=400, crop_width=400), conv())
        text = shrink(network(*layers, height=416, width=416), "pjreddie")
        # eight pixels less than the smallest picture, 64
        small = (section("crop", crop_height=56, crop_width=56), conv())
        assert text == network(*small, height=64, width=64)


class TestNoise:
    def test_it_has_the_sides_of_the_input_and_both_signs(self):
        x = noise(parse_network(network(conv(), height=50, width=60)))
        assert (x.shape, x.dtype) == ((3, 50, 60), np.float32)
        # The mean of 9,000 values of deviation 1 has a deviation of 0.01, that of their squares
        # one of 0.015.
        assert abs(x.mean()) < 0.05
        assert abs(np.square(x).mean() - 1) < 0.08

    def test_without_a_picture_it_is_a_list(self):
        assert noise(parse_network(sequence(section("connected"), inputs=9))).shape == (9,)

    def test_the_seed_decides(self):
        net = parse_network(network(conv()))
        assert np.array_equal(noise(net, 7), noise(net, 7))
        assert not np.array_equal(noise(net, 7), noise(net, 8))


class TestRandomWeights:
    @pytest.fixture
    def model(self):
        """Twenty layers, after which random weights alone would leave nothing near 1."""
        layers = [conv(batch_normalize=1), conv(activation="relu", filters=12)] * 10
        text = network(*layers, section("connected", output=5, activation="linear"))
        torch.manual_seed(0)
        return DarknetModel(parse_network(text)).eval()

    def test_every_layer_stays_near_1(self, model):
        x = noise(model.network)
        randomise(model, x)
        with torch.no_grad():
            for _, output in model.forward_layers(torch.from_numpy(x)[None]):
                assert 0.5 < output.square().mean().sqrt() < 2

    def test_variances_are_positive_and_biases_small(self, model):
        randomise(model, noise(model.network))
        for name, tensor in model.state_dict().items():
            if name.endswith(("running_var", "bn.weight")):
                assert 0.5 <= tensor.min() < tensor.max() <= 1.5
            elif name.endswith(("bias", "running_mean")):
                assert 0 < tensor.abs().max() < 0.6  # six deviations of 0.1

    def test_the_seed_decides(self, model):
        x = noise(model.network)
        weights = []
        for seed in (3, 3, 4):
            randomise(model, x, seed)
            weights.append(model.layers[0].conv.weight.clone())
        assert torch.equal(weights[0], weights[1])
        assert not torch.equal(weights[0], weights[2])
