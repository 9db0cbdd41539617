"""[convolutional]: defaults, arrays, signs for weights, and what does not fit or does not run."""

import pytest
import torch
from one_feature import conv, network, section

from converter.darknet.network import parse_network
from converter.errors import NetworkError
from tests.converter.darknet.layers.small_networks import norm_of, obstacle, refusal, written_out
from yolov3.darknet import DarknetModel


def test_defaults_are_darknets():
    (node,) = parse_network(network(section("convolutional"))).nodes
    assert (node.output.c, node.output.h, node.output.w) == (1, 10, 13)


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        (conv(groups=4), "groups=4 does not divide its 3 input channels"),
        (conv(numload=3), "numload=3 leaves some of its 6 filters unset"),
        (conv(size=40, pad=0), "leaves nothing"),
        (conv(stride=0), "stride=0 must be at least 1"),
    ],
)
def test_what_does_not_fit_is_refused_with_its_line(layer, message):
    assert message in refusal(layer)


@pytest.mark.parametrize(
    ("layers", "message"),
    [
        (
            [conv(), conv(rotate=1)],
            "layer 1 [convolutional], line 15: does not run in PyTorch: rotate=1 deforms",
        ),
        ([conv(dilation=2, pad=0)], "dilation=2 without padding that keeps the size"),
        ([conv(), conv(filters=5, share_index=0)], "share_index: its kernels are unlike those of"),
    ],
)
def test_what_cannot_run_exactly_converts_but_does_not_run(layers, message):
    assert message in obstacle(*layers)


# pj parser.c:1164
@pytest.mark.parametrize(
    ("name", "arrays"),
    [
        ("convolutional", ["biases conv.bias 2", "weights conv.weight 2x3x3x3"]),
        ("convolutional with groups", ["biases conv.bias 3", "weights conv.weight 3x1x3x3"]),
        (
            "convolutional, flipped",
            ["biases bn.bias 2", *norm_of(2), "weights conv.weight 2x3x3x3 transposed"],
        ),
    ],
)
def test_arrays_written_out(name, arrays):
    assert written_out(name) == arrays


def test_dontload_leaves_a_layer_and_dontloadscales_its_norm_out_of_the_file():
    norm = {"batch_normalize": 1, "filters": 2}
    parsed = parse_network(
        network(conv(dontload=1, **norm), conv(dontloadscales=1, **norm), conv(**norm))
    )
    # pj parser.c:1173, 1248: nothing; biases 2 + weights 2*2*9; the same and three times 2
    assert parsed.floats == 0 + (2 + 36) + (2 + 6 + 36)


def test_a_layer_that_shares_owns_no_bytes():
    parsed = parse_network(network(conv(filters=3), conv(filters=3, share_index=-1)))
    assert parsed.floats == 3 + 3 * 3 * 9


@pytest.mark.parametrize(("dialect", "channels"), [("pjreddie", 2), ("alexeyab", 4)])
def test_alexeyabs_signs_know_no_groups(dialect, channels):
    # pj convolutional_layer.c:196, AB :510
    (node,) = parse_network(network(conv(xnor=1, groups=2), channels=4)).nodes
    *_, weights = node.layer.arrays(node.inputs, dialect)
    assert weights.shape == (6, channels, 3, 3)
    # every pixel of every map, times its kernel
    assert node.layer.multiply_adds(node.inputs, dialect) == 6 * 10 * 13 * channels * 3 * 3


def test_kernels_of_signs_are_shared_with_undivided_ones():
    first, last = conv(xnor=1, groups=2), conv(share_index=0)
    shared = parse_network(network(first, last, channels=6))
    assert DarknetModel(shared, "alexeyab").layers[0].conv.weight.shape == (6, 6, 3, 3)
    with pytest.raises(NetworkError, match="its kernels are unlike"):
        DarknetModel(shared, "pjreddie")


def test_gradients_pass_signs_as_in_darknets_training():
    # pj convolutional_kernels.cu:195 (the filter's gradient is made of the signs), :228 (that of
    # the input is hardtan's: none beyond 1)
    layer = section("convolutional", xnor=1, activation="linear")
    model = DarknetModel(parse_network(network(layer, channels=2, height=1, width=1)))
    state = {"layers.0.conv.weight": [[[[0.5]], [[-1.5]]]], "layers.0.conv.bias": [0.25]}
    model.load_state_dict({name: torch.tensor(values) for name, values in state.items()})
    x = torch.tensor([[[[0.5]], [[-2.0]]]], requires_grad=True)
    (y,) = model.train()(x)
    y.backward()
    assert y.item() == 2.25  # 1 * 1 + -1 * -1 + 0.25, of the mean magnitude 1
    assert model.layers[0].conv.weight.grad.ravel().tolist() == [1, -1]
    assert x.grad.ravel().tolist() == [1, 0]
    (same,) = model.eval()(x)
    assert same.item() == 2.25
