"""Layers with a memory: the arrays of each engine, sequences, and what does not fit or run."""

import pytest
import torch
from one_feature import section, sequence

from converter.darknet.network import parse_network
from converter.errors import NetworkError
from tests.converter.darknet.layers.small_networks import (
    kinds_in_file_order,
    obstacle,
    refusal,
    written_out,
)
from yolov3.darknet import DarknetModel


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        (section("crnn", output=4, hidden=4), "must keep height and width"),
        (
            section("crnn", output=4, hidden=4, output_filters=5, hidden_filters=4, pad=1),
            "has other sizes in output=, hidden= than in output_filters=",
        ),
    ],
)
def test_what_does_not_fit_is_refused_with_its_line(layer, message):
    assert message in refusal(layer)


def test_an_activation_that_makes_zeros_does_not_run():
    assert "activation=mish: AlexeyAB's engine" in obstacle(section("rnn", activation="mish"))


@pytest.mark.parametrize(
    ("layer", "dialect", "kinds"),
    [
        # pj parser.c:991-1066, AB parser.c:1953-2056
        ("gru", "pjreddie", "state_z state_r state_h input_z input_r input_h"),
        ("gru", "alexeyab", "input_z input_r input_h state_z state_r state_h"),
        ("lstm", "pjreddie", "wi wf wo wg ui uf uo ug"),
        ("lstm", "alexeyab", "wf wi wg wo uf ui ug uo"),
        ("rnn", "pjreddie", "input_layer self_layer output_layer"),
    ],
)
def test_arrays_in_file_order(layer, dialect, kinds):
    assert kinds_in_file_order(section(layer), dialect) == kinds


def test_arrays_written_out():
    # AB parser.c:2300: each part as a layer of its own
    assert written_out("rnn") == [
        "input_layer biases input_layer.fc.bias 4",
        "input_layer weights input_layer.fc.weight 4x390 connected",
        "self_layer biases self_layer.fc.bias 4",
        "self_layer weights self_layer.fc.weight 4x4 connected",
        "output_layer biases output_layer.fc.bias 2",
        "output_layer weights output_layer.fc.weight 2x4 connected",
    ]


@pytest.mark.parametrize(("dialect", "hidden"), [("pjreddie", 6), ("alexeyab", 4)])
def test_only_alexeyab_reads_the_hidden_size_of_rnn(dialect, hidden):
    parsed = parse_network(sequence(section("rnn", output=6, hidden=4)))
    # three matrices, each with its biases: pj rnn_layer.c:44-56, AB rnn_layer.c:46-60
    expected = hidden * (9 + 1) + hidden * (hidden + 1) + 6 * (hidden + 1)
    assert parsed.floats_of(dialect) == expected


def test_a_sequence_is_as_long_as_the_steps_say():
    cfg = sequence(section("gru", output=2)).replace("[net]\n", "[net]\ntime_steps=4\n")
    model = DarknetModel(parse_network(cfg))
    for run in (model, lambda x: dict(model.forward_layers(x))):
        with pytest.raises(NetworkError) as caught:
            run(torch.zeros(6, 9))
        assert str(caught.value) == (
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
