"""Where every byte goes, settled in advance."""

from itertools import pairwise

import nets
import pytest
import reference

from converter.darknet.header import Header
from converter.darknet.network import parse_network
from converter.errors import WeightsError
from converter.families import generic, yolov3
from converter.plan import SizeMismatch, make_plan

HEADER = Header(major=0, minor=2, revision=0, seen=0, size=20)


def made(text, size=None, **options):
    net = parse_network(text)
    if size is None:
        size = 20 + 4 * reference.floats(text)
    naming = options.pop("naming", generic.name_layers)(net)
    return make_plan(
        header=options.pop("header", HEADER), size=size, network=net, naming=naming,
        dialect="pjreddie", **options,
    )  # fmt: skip


def test_a_plan_written_out(toy):
    # biases first, then the other three of batch norm, then the kernel: pj parser.c:1164
    rows = [(s.label, s.tensor, s.shape, s.offset) for s in made(toy.text).slots]
    assert rows == [
        ("0 biases", "layers.0.bn.bias", (4,), 20),
        ("0 scales", "layers.0.bn.weight", (4,), 36),
        ("0 rolling_mean", "layers.0.bn.running_mean", (4,), 52),
        ("0 rolling_variance", "layers.0.bn.running_var", (4,), 68),
        ("0 weights", "layers.0.conv.weight", (4, 3, 3, 3), 84),  # 4 * 27 * 4 = 432 bytes
        ("1 biases", "layers.1.conv.bias", (2,), 516),
        ("1 weights", "layers.1.conv.weight", (2, 4, 1, 1), 524),  # ends at 20 + 4 * 134 = 556
    ]


@pytest.mark.parametrize("text", [nets.yolov3(2, 3, spp=True), nets.classifier(2, 7)])
def test_slots_tile_the_file(text):
    slots = made(text).slots
    assert slots[0].offset == 20
    assert all(a.end == b.offset for a, b in pairwise(slots))
    assert slots[-1].end == 20 + 4 * reference.floats(text)
    for slot, entry in zip(slots, reference.layout(text), strict=True):
        assert (slot.node.index, slot.kind, slot.shape) == (entry.layer, entry.kind, entry.shape)


def test_a_short_head_moves_everything_by_four_bytes(toy):
    short = Header(major=0, minor=1, revision=0, seen=0, size=16)
    slots = made(toy.text, size=16 + 4 * 134, header=short).slots
    assert [s.offset for s in slots] == [s.offset - 4 for s in made(toy.text).slots]


def test_the_classifier_of_a_backbone_becomes_linear():
    slots = {s.tensor: s for s in made(nets.classifier(2, 7), naming=yolov3.name_layers).slots}
    assert slots["fc.2.weight"].shape == (7, 64)
    assert slots["fc.2.bias"].shape == (7,)
    assert slots["stem.0.conv.weight"].shape == (2, 3, 3, 3)


def test_dontload_leaves_tensors_unfilled(toy):
    text = toy.text.replace("filters=4", "filters=4\ndontload=1")
    assert list(made(text, size=20 + 4 * 10).unfilled) == [
        f"layers.0.{name}"
        for name in ("bn.bias", "bn.weight", "bn.running_mean", "bn.running_var", "conv.weight")
    ]


def test_dontloadscales_skips_three_arrays(toy):
    text = toy.text.replace("filters=4", "filters=4\ndontloadscales=1")
    kinds = [s.kind for s in made(text, size=20 + 4 * (134 - 12)).slots if s.node.index == 0]
    assert kinds == ["biases", "weights"]


class TestPartial:
    def test_a_file_that_ends_after_a_layer(self, toy):
        cut = made(toy.text, size=516, partial=True)
        assert (cut.cutoff, cut.complete) == (1, False)
        assert [s.node.index for s in cut.slots] == [0] * 5
        assert list(cut.unfilled) == ["layers.1.conv.bias", "layers.1.conv.weight"]

    def test_a_whole_file_is_whole(self, toy):
        assert made(toy.text, partial=True).complete

    def test_every_other_length_is_refused(self, toy):
        ends = {516, 556}  # after layer 0, and after layer 1: the whole file
        for size in range(20, 600):
            if size not in ends:
                with pytest.raises(WeightsError):
                    made(toy.text, size=size, partial=True)


class TestSizeMismatch:
    @pytest.mark.parametrize("size", [20, 100, 516, 552, 555, 557, 560])
    def test_it_says_what_was_asked_for(self, toy, size):
        with pytest.raises(SizeMismatch) as caught:
            made(toy.text, size=size)
        error = caught.value
        assert str(error) == f"has {size} bytes, the network asks for 556"
        assert (error.size, error.plan) == (size, made(toy.text))

    def test_a_network_without_weights(self):
        with pytest.raises(SizeMismatch, match="has 24 bytes, the network asks for 20"):
            made("[net]\nwidth=2\nheight=2\nchannels=1\n[maxpool]\n", size=24)
