"""What no engine can be asked: layers they die of, refusals, and the arrays of each dialect."""

from pathlib import Path

import numpy as np
import pytest
import torch
from loading import GOLDENS
from one_feature import conv, network, section, sequence
from pjreddie_layers import CASES

from converter.darknet.dialects import DialectName
from converter.darknet.layers import LAYERS
from converter.darknet.network import parse_network, read_network
from converter.errors import CfgError, NetworkError
from yolov3.darknet import DarknetModel

# The tests of this file that compute by hand what no engine answers.
BY_HAND = {"batchnorm", "iseg", "history", "deconvolutional"}


def test_every_layer_type_is_compared_with_something():
    goldens = [path.read_text() for path in GOLDENS.glob("*/net.cfg")]
    seen = {
        node.layer.type
        for text in [*goldens, *(case.cfg for case in CASES.values())]
        for node in parse_network(text).nodes
    }
    assert set(LAYERS) == seen | BY_HAND


def test_batchnorm_of_pjreddie_has_no_bias():
    model = DarknetModel(parse_network(network(section("batchnorm"))), "pjreddie").eval()
    norm = {
        "weight": torch.tensor([2.0, 3.0, 4.0]),
        "running_mean": torch.tensor([1.0, 0.0, -1.0]),
        "running_var": torch.tensor([4.0, 1.0, 0.25]),
    }
    model.load_state_dict({f"layers.0.bn.{name}": value for name, value in norm.items()})
    (found,) = model(torch.full((1, 3, 10, 13), 5.0))
    # (5 - mean) / sqrt(variance) * scale: 4 / 2 * 2, 5 / 1 * 3, 6 / 0.5 * 4
    expected = torch.tensor([4.0, 15.0, 48.0])[None, :, None, None].expand_as(found)
    # the epsilon of 1e-5 beside a variance of 0.25 is 2e-5 of the result
    torch.testing.assert_close(found, expected, rtol=3e-5, atol=0)


def test_iseg_is_logistic_for_classes_and_nothing_for_ids():
    model = DarknetModel(parse_network(network(section("iseg", classes=1, ids=2))), "pjreddie")
    x = torch.zeros(1, 3, 10, 13) + torch.tensor([0.0, 5.0, -7.0])[:, None, None]
    ((_, found),) = model.forward_layers(x)
    # pj iseg_layer.c:87: logistic(0) = 1/2
    assert found.flatten(2)[0].unique(dim=1).tolist() == [[0.5], [5.0], [-7.0]]


def test_history_puts_the_newest_picture_first():
    cfg = network(section("history", history_size=3)).replace("[net]\n", "[net]\ntime_steps=4\n")
    model = DarknetModel(parse_network(cfg), "alexeyab")
    steps = torch.arange(1.0, 5.0)[:, None, None, None].expand(4, 3, 10, 13)
    (found,) = model(steps)
    # AB conv_lstm_layer.c:303-318: the older ones move up by one, and zeros come first.
    assert found[:, ::3, 0, 0].tolist() == [[1, 0, 0], [2, 1, 0], [3, 2, 1], [4, 3, 2]]


def test_a_sequence_is_as_long_as_the_steps_say():
    cfg = sequence(section("gru", output=2)).replace("[net]\n", "[net]\ntime_steps=4\n")
    model = DarknetModel(parse_network(cfg))
    for run in (model, lambda x: dict(model.forward_layers(x))):
        with pytest.raises(NetworkError) as refusal:
            run(torch.zeros(6, 9))
        assert str(refusal.value) == (
            "layer 0 [gru], line 7: cannot compute: 6 pictures are no sequences of 4 steps"
            " (give it a multiple of 4 inputs of 9)"
        )


def test_later_steps_see_the_state_of_earlier_ones():
    cfg = sequence(section("lstm", output=2))
    one = DarknetModel(parse_network(cfg))
    three = DarknetModel(parse_network(cfg.replace("[net]\n", "[net]\ntime_steps=3\n")))
    three.load_state_dict(one.state_dict())
    x = torch.randn(3, 9, generator=torch.Generator().manual_seed(0))
    (alone,), (together,) = one(x), three(x)
    torch.testing.assert_close(alone[0], together[0])
    assert not torch.allclose(alone[1:], together[1:])


@pytest.mark.parametrize(
    ("layers", "message"),
    [
        ([conv(activation="swich")], "activation=swich is unknown: Darknet would silently use"),
        (
            [conv(activation="silu")],
            "activation=silu is unknown: Darknet would silently use relu; the same function is"
            " swish there, but a network that darknet trained with this cfg has learned with relu",
        ),
        ([section("rnn", activation="sigmoid")], "the same function is logistic there"),
        ([conv(groups=4)], "groups=4 does not divide its 3 input channels"),
        ([conv(numload=3)], "numload=3 leaves some of its 6 filters unset"),
        ([conv(size=40, pad=0)], "leaves nothing"),
        ([conv(stride=0)], "stride=0 must be at least 1"),
        ([section("route")], "has no layers="),
        ([section("route", layers="-1")], "refers to layer -1"),
        ([conv(), section("route", layers=1)], "refers to layer 1, which is not before it"),
        ([conv(), section("route", layers=0, groups=4)], "groups=4 does not divide the 6 channels"),
        ([conv(), section("route", layers=0, groups=2, group_id=2)], "group_id=2 does not exist"),
        ([section("shortcut", from_=0)], "refers to layer -1"),
        (
            [conv(), conv(stride=2), section("shortcut", from_=0)],
            "ratios of height and width differ",
        ),
        (
            [conv(), conv(), section("shortcut", from_=-2, weights_type="each")],
            "weights_type=each is unknown",
        ),
        ([conv(), conv(filters=5), section("sam", from_=-2)], "multiplies 5 x 10 x 13 by 6"),
        ([conv(), conv(), section("scale_channels", from_=-2)], "not 6 x 1 x 1"),
        ([section("upsample", stride=0)], "stride=0 leaves nothing"),
        ([section("crop", crop_height=11)], "crops 11 x 1 pixels of 3 x 10 x 13"),
        ([section("softmax", groups=4)], "groups=4 does not divide its 390 values"),
        ([conv(), section("yolo", classes=2)], "needs 7 channels, the layer before it has 6"),
        ([conv(), section("region", classes=2)], "need 7 channels, the layer before it has 6"),
        ([conv(), section("detection")], "needs 147 values, the layer before it has 780"),
        ([section("softmax"), conv()], "needs an image, and gets 390 values"),
        ([section("maxpool", maxpool_depth=1, out_channels=4)], "out_channels=4 exceeds its 3"),
        ([section("crnn", output=4, hidden=4)], "must keep height and width"),
        (
            [section("crnn", output=4, hidden=4, output_filters=5, hidden_filters=4, pad=1)],
            "has other sizes in output=, hidden= than in output_filters=",
        ),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused_with_its_line(layers, message):
    with pytest.raises(NetworkError, match="line ") as refusal:
        parse_network(network(*layers))
    assert message in str(refusal.value)


def test_an_unknown_section_is_refused_with_its_line():
    with pytest.raises(CfgError, match=r"line 8: \[mish_attention\] is not a layer"):
        parse_network(network(section("mish_attention")))


@pytest.mark.parametrize("name", ["[Yolo]", "[gaussian_yolo]", "[Convolutional]"])
def test_section_names_are_compared_exactly(name):
    with pytest.raises(CfgError, match="is not a layer"):
        parse_network(network(f"{name}\n"))


@pytest.mark.parametrize(
    ("layers", "message"),
    [
        (
            [conv(), conv(rotate=1)],
            "layer 1 [convolutional], line 15: does not run in PyTorch: rotate=1 deforms",
        ),
        ([conv(dilation=2, pad=0)], "dilation=2 without padding that keeps the size"),
        ([section("connected", activation="mish")], "activation=mish: AlexeyAB's engine"),
        ([section("local", size=5, pad=1)], "size=5 with pad=1"),
        ([section("reorg", stride=2)], "stride=2 does not divide its input of 3 x 10 x 13"),
        ([section("upsample", stride=-2)], "stride=-2 does not divide"),
        ([section("local_avgpool", size=1, padding=2)], "windows without any pixel"),
        ([section("softmax", tree="no/such.tree")], "needs the file tree=no/such.tree"),
        ([section("conv_lstm", pad=1, bottleneck=1)], "bottleneck=1, which only AlexeyAB's GPU"),
        ([section("rnn", activation="mish")], "activation=mish: AlexeyAB's engine"),
        ([section("cost"), section("connected")], "reads layer 0 [cost]"),
        ([conv(), conv(filters=5, share_index=0)], "share_index: its kernels are unlike those of"),
        (
            [section("maxpool", maxpool_depth=1, antialiasing=1)],
            "does not blur with maxpool_depth",
        ),
    ],
)
def test_what_cannot_run_exactly_converts_but_does_not_run(layers, message):
    parsed = parse_network(network(*layers))
    assert parsed.floats_of("alexeyab") >= 0
    with pytest.raises(NetworkError) as refusal:
        DarknetModel(parsed, "alexeyab")
    assert message in str(refusal.value)


@pytest.mark.parametrize(
    ("layer", "dialect", "kinds"),
    [
        ("connected", "pjreddie", "biases weights scales rolling_mean rolling_variance"),
        ("batchnorm", "pjreddie", "scales rolling_mean rolling_variance"),
        ("batchnorm", "alexeyab", "biases scales rolling_mean rolling_variance"),
        ("gru", "pjreddie", "state_z state_r state_h input_z input_r input_h"),
        ("gru", "alexeyab", "input_z input_r input_h state_z state_r state_h"),
        ("lstm", "pjreddie", "wi wf wo wg ui uf uo ug"),
        ("lstm", "alexeyab", "wf wi wg wo uf ui ug uo"),
        ("rnn", "pjreddie", "input_layer self_layer output_layer"),
        ("conv_lstm", "alexeyab", "vf vi vo wf wi wg wo uf ui ug uo"),
    ],
)
def test_arrays_in_file_order(layer: str, dialect: DialectName, kinds: str):
    # pj parser.c:991-1066, AB parser.c:1953-2056
    options = {"connected": {"batch_normalize": 1}, "conv_lstm": {"peephole": 1, "pad": 1}}
    parsed = parse_network(network(section(layer, **options.get(layer, {}))))
    (node,) = parsed.nodes
    found = [array.kind for array in node.layer.arrays(node.inputs, dialect)]
    whole = [kind.split()[0] for kind in found if kind.endswith("biases") or " " not in kind]
    assert whole == kinds.split()


def norm_of(count):
    names = {"scales": "weight", "rolling_mean": "running_mean", "rolling_variance": "running_var"}
    return [f"{kind} bn.{suffix} {count}" for kind, suffix in names.items()]


# One layer on a picture of 3 x 10 x 13, and its arrays: Darknet's name, the name and the shape in
# the layer's module, and how the file holds it where that is another order.
ARRAYS = [
    # pj parser.c:1098
    (section("connected", output=2), ["biases fc.bias 2", "weights fc.weight 2x390 connected"]),
    (
        section("connected", output=2, batch_normalize=1),
        ["biases bn.bias 2", "weights fc.weight 2x390 connected", *norm_of(2)],
    ),
    # pj parser.c:1164
    (conv(filters=2), ["biases conv.bias 2", "weights conv.weight 2x3x3x3"]),
    (conv(filters=3, groups=3), ["biases conv.bias 3", "weights conv.weight 3x1x3x3"]),
    (
        conv(filters=2, batch_normalize=1, flipped=1),
        ["biases bn.bias 2", *norm_of(2), "weights conv.weight 2x3x3x3 transposed"],
    ),
    # pj deconvolutional_layer.c:222: the input's channels come first
    (
        section("deconvolutional", filters=2, size=3),
        ["biases conv.bias 2", "weights conv.weight 3x2x3x3"],
    ),
    (
        section("deconvolutional", filters=2, size=3, batch_normalize=1),
        ["biases bn.bias 2", *norm_of(2), "weights conv.weight 3x2x3x3"],
    ),
    # pj parser.c:1292: a kernel for each of 8 x 11 places
    (
        section("local", filters=2, size=3),
        ["biases bias 2x8x11", "weights weight 88x2x3x3x3"],
    ),
    # AB parser.c:2117, :2227
    (section("batchnorm"), ["biases bn.bias 3", *norm_of(3)]),
    (section("implicit", filters=2, atoms=4), ["weights weight 2x4x1"]),
    # AB shortcut_layer.c:49: a weight for each of three maps, or of their channels
    (
        conv(filters=5) + conv() + section("shortcut", from_="0,1", weights_type="per_feature"),
        ["weights weight 3"],
    ),
    (
        conv(filters=5) + conv() + section("shortcut", from_="0,1", weights_type="per_channel"),
        ["weights weight 3x6"],
    ),
    # AB parser.c:2300: each part as a layer of its own
    (
        section("rnn", output=2, hidden=4),
        [
            "input_layer biases input_layer.fc.bias 4",
            "input_layer weights input_layer.fc.weight 4x390 connected",
            "self_layer biases self_layer.fc.bias 4",
            "self_layer weights self_layer.fc.weight 4x4 connected",
            "output_layer biases output_layer.fc.bias 2",
            "output_layer weights output_layer.fc.weight 2x4 connected",
        ],
    ),
]


@pytest.mark.parametrize(("layers", "arrays"), ARRAYS)
def test_arrays_written_out(layers, arrays):
    found = [
        f"{each.kind} {each.suffix} {'x'.join(map(str, each.shape))} {each.stored}"
        for each in arrays_of_the_last(layers)
    ]
    assert [each.removesuffix(" as is") for each in found] == arrays


@pytest.mark.parametrize(
    ("options", "norm", "others"),
    [
        ("", True, True),
        ("dontload=1", False, False),
        ("dontloadscales=1", False, True),
        ("dontload=1\ndontloadscales=1", False, False),
    ],
)
@pytest.mark.parametrize("layers", [layers for layers, _ in ARRAYS])
def test_which_arrays_are_on_disk(layers, options, norm, others):
    """Pj parser.c:1248 for all, :1107 and :1173 for batch norm's; :1122 reads them always."""
    if layers.startswith("[batchnorm]"):
        norm = others
    kinds = {"scales", "rolling_mean", "rolling_variance"}
    for array in arrays_of_the_last(f"{layers.rstrip()}\n{options}\n"):
        assert array.on_disk is (norm if array.kind in kinds else others)


def arrays_of_the_last(layers):
    *_, node = parse_network(network(layers)).nodes
    return list(node.layer.arrays(node.inputs, "alexeyab"))


@pytest.mark.parametrize(("dialect", "hidden"), [("pjreddie", 6), ("alexeyab", 4)])
def test_only_alexeyab_reads_the_hidden_size_of_rnn(dialect, hidden):
    parsed = parse_network(sequence(section("rnn", output=6, hidden=4)))
    # three matrices, each with its biases: pj rnn_layer.c:44-56, AB rnn_layer.c:46-60
    expected = hidden * (9 + 1) + hidden * (hidden + 1) + 6 * (hidden + 1)
    assert parsed.floats_of(dialect) == expected


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


def test_defaults_are_darknets():
    types = {"convolutional": (1, 10, 13), "maxpool": (3, 10, 13), "upsample": (3, 20, 26)}
    for kind, shape in types.items():
        (node,) = parse_network(network(section(kind))).nodes
        assert (node.output.c, node.output.h, node.output.w) == shape
    connected = parse_network(network(section("connected"))).nodes[0].layer
    assert (connected.output, connected.activation) == (1, "logistic")


@pytest.mark.engine
def test_all_of_debians_cfgs_are_known():
    cfgs = sorted(Path("/usr/share/darknet/cfg").glob("*.cfg"))
    assert len(cfgs) == 45
    for path in cfgs:
        assert np.isfinite(read_network(path).floats)
