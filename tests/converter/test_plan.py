"""Where every byte goes, settled in advance."""

from dataclasses import replace
from itertools import pairwise

import nets
import pytest
import reference

from converter.darknet.header import Header
from converter.darknet.network import parse_network
from converter.errors import WeightsError
from converter.families import article, generic, yolov3
from converter.families.rules import Factor, ReversedGroups, Variance
from converter.plan import SizeMismatch, make_plan

HEADER = Header(major=0, minor=2, revision=0, seen=0, size=20)


def planned(text, *, naming=generic.name_layers, **options):
    """A plan without a file: it asks for no size."""
    network = parse_network(text)
    defaults = {"header": HEADER, "size": None, "dialect": "pjreddie"}
    return make_plan(network=network, naming=naming(network), **(defaults | options))


def made(text, size=None, **options):
    """A plan of a file of ``size`` bytes; default: as many as the reference reader asks for."""
    if size is None:
        size = 20 + 4 * reference.floats(text)
    return planned(text, size=size, **options)


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


def test_rules_go_to_their_slots_with_what_they_read(toy):
    """Of layer 0: ``Factor`` reads the layer's variances, the others nothing."""
    rules = {(0, "bn.weight"): Factor(1e-3), (0, "bn.running_var"): Variance(1e-3)}
    rules[0, "conv.weight"] = ReversedGroups(3)
    plain = made(toy.text)
    ruled = made(toy.text, naming=lambda net: replace(generic.name_layers(net), rules=rules))
    found = {slot.label: slot for slot in ruled.slots}
    assert {label: slot.rule for label, slot in found.items() if slot.rule} == {
        "0 scales": Factor(1e-3),
        "0 rolling_variance": Variance(1e-3),
        "0 weights": ReversedGroups(3),
    }
    read = {label: slot.read.label for label, slot in found.items() if slot.read}
    assert read == {"0 scales": "0 rolling_variance"}
    assert [replace(slot, rule=None, read=None) for slot in ruled.slots] == list(plain.slots)
    assert (ruled.verbatim, ruled.exact) == (False, False)
    assert (plain.verbatim, plain.exact) == (True, True)


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

    @pytest.mark.parametrize("partial", [False, True])
    def test_it_knows_whether_a_part_would_do(self, toy, partial):
        with pytest.raises(SizeMismatch) as caught:
            made(toy.text, size=100, partial=partial)
        assert caught.value.partial is partial

    def test_a_network_without_weights(self):
        with pytest.raises(SizeMismatch, match="has 24 bytes, the network asks for 20"):
            made("[net]\nwidth=2\nheight=2\nchannels=1\n[maxpool]\n", size=24)


def test_the_same_file_under_other_names():
    text = nets.yolov3(2, 3, size=96)
    end = next(20 + 4 * entry.first for entry in reference.layout(text) if entry.layer == 75)
    network, header = parse_network(text), replace(HEADER, revision=5)
    plan = made(text, end, partial=True, header=header, dialect="alexeyab")
    other = plan.renamed(yolov3.name_layers(network))
    # Layer 73 is the last with weights before 75.
    assert (other.header, other.dialect, other.cutoff) == (header, "alexeyab", 74)
    assert other.network == plan.network
    assert other.naming.family == "yolov3"
    assert [slot.offset for slot in other.slots] == [slot.offset for slot in plan.slots]
    assert other.slots[0].tensor == "backbone.stem.0.bn.bias"
    assert len(other.unfilled) == len(plan.unfilled)
    assert other.renamed(generic.name_layers(network)) == plan


class TestBoundaries:
    def test_it_keeps_what_it_is_of(self, toy):
        found = planned(toy.text, dialect="alexeyab")
        assert (found.header, found.dialect, found.naming.family) == (HEADER, "alexeyab", "generic")
        assert found.network.text == toy.text

    @pytest.mark.parametrize("cutoff", [0, 2, -1, 3])
    def test_where_it_cannot_end(self, toy, cutoff):
        with pytest.raises(WeightsError) as caught:
            planned(toy.text, cutoff=cutoff)
        assert str(caught.value) == f"cannot end before layer {cutoff} of 2"

    def test_a_network_without_weights(self):
        found = planned("[net]\nwidth=2\nheight=2\nchannels=1\n[maxpool]\n", size=20)
        assert (found.slots, found.size) == ((), 20)

    def test_nothing_to_read(self, toy):
        text = toy.text.replace("[convolutional]", "[convolutional]\ndontload=1")
        with pytest.raises(WeightsError) as caught:
            planned(text)
        assert str(caught.value) == "holds no weights (check that the cfg is the right one)"

    def test_where_it_can_end(self, toy):
        assert planned(toy.text, cutoff=1).size == 516

    @pytest.mark.parametrize(
        ("major", "section", "transposed"),
        [
            (0, "[connected]\noutput=4\n", [False, False]),
            (1001, "[connected]\noutput=4\n", [False, True]),
            (1001, "[convolutional]\n", [False, False]),
            (0, "[convolutional]\nflipped=1\n", [False, True]),
            (1001, "[convolutional]\nflipped=1\n", [False, True]),
        ],
    )
    def test_which_arrays_are_transposed(self, major, section, transposed):
        """pj parser.c:1243 for connected layers, :1206 for flipped convolutions."""
        header = Header(major=major, minor=2, revision=0, seen=0, size=20)
        slots = planned(f"[net]\nwidth=2\nheight=2\nchannels=3\n{section}", header=header).slots
        assert [slot.transposed for slot in slots] == transposed

    def test_the_dialect_orders_the_arrays(self):
        """pj parser.c:1040: i f o g; AB parser.c:2031: f i g o."""
        for dialect, gates in (("pjreddie", "ifog"), ("alexeyab", "figo")):
            kinds = [
                s.kind
                for s in planned("[net]\ninputs=6\n[lstm]\noutput=2\n", dialect=dialect).slots
            ]
            assert kinds[::2][:4] == [f"w{gate} biases" for gate in gates]

    def test_the_dialect_says_how_long_it_should_be(self):
        with pytest.raises(WeightsError, match="asks for 36"):
            planned("[net]\nwidth=2\nheight=2\nchannels=1\n[batchnorm]\n[implicit]\nfilters=1\n",
                 size=1000)  # fmt: skip
        with pytest.raises(WeightsError, match="asks for 40"):
            planned("[net]\nwidth=2\nheight=2\nchannels=1\n[batchnorm]\n[implicit]\nfilters=1\n",
                 size=1000, dialect="alexeyab")  # fmt: skip

    def test_what_is_not_loaded_has_a_shape(self, toy):
        text = toy.text.replace("filters=4", "filters=4\ndontload=1")
        assert planned(text).unfilled["layers.0.conv.weight"] == (4, 3, 3, 3)

    def test_arrays_without_a_place(self):
        found = planned(nets.yolov3(2, 3, size=96), naming=article.name_layers)
        assert {slot.tensor for slot in found.left_out} == {""}
        assert {slot.node.index for slot in found.left_out} == {75, 84, 87, 96, 99}

    def test_heads_and_others(self):
        """A head's path names its convolution; generic names end with it."""
        text = nets.yolov3(2, 3, size=96)
        modular = {
            slot.node.index: slot.tensor for slot in planned(text, naming=yolov3.name_layers).slots
        }
        assert modular[81] == "heads.2.conv.weight"
        generic = {slot.node.index: slot.tensor for slot in planned(text).slots}
        assert generic[81] == "layers.81.conv.weight"
        assert generic[0] == "layers.0.conv.weight"
