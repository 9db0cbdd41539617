"""Every way to read a file of some size, and what its values say to it."""

import struct

import pytest

from converter.darknet.header import Header
from converter.darknet.network import parse_network
from converter.diagnosis.candidates import are_variances, candidates, is_plausible
from converter.families import generic
from converter.files.source import opened
from converter.plan import SizeMismatch, make_plan

# 134 floats: 4 biases, 4 scales, 4 means, 4 variances, 4 * 3 * 9, then 2 + 2 * 4.
HEADER = Header(major=0, minor=2, revision=0, seen=0, size=20)


def readings(text, size):
    """What a file of ``size`` bytes may be that is not as its cfg says."""
    network = parse_network(text)
    with pytest.raises(SizeMismatch) as caught:
        make_plan(
            header=HEADER, size=size, network=network, naming=generic.name_layers(network),
            dialect="pjreddie",
        )  # fmt: skip
    return list(candidates(caught.value))


def claims(text, size):
    return [reading.claim for reading in readings(text, size)]


@pytest.mark.parametrize(
    ("size", "claim"),
    [
        (16 + 4 * 134, "the file fits a header of 16 bytes, its version 0.2.0 says 20"),
        (20 + 2 * 134, "the file fits values of 2 bytes: float16"),
        (20 + 8 * 134, "the file fits values of 8 bytes: float64"),
        # 4 * 9 floats for each channel of the picture
        (20 + 4 * (134 + 36), "the file fits channels=4, the cfg says 3"),
        (20 + 4 * 124, "ends after layer 0 of 1: a backbone"),
    ],
)
def test_one_change_that_makes_the_size_fit(toy, size, claim):
    assert claims(toy.text, size) == [claim]


def test_a_size_that_nothing_explains(toy):
    assert claims(toy.text, 20 + 4 * 134 + 1) == []


def test_two_changes_count_as_two(toy):
    (reading,) = readings(toy.text, 16 + 4 * (134 + 36))
    assert reading.changes == 2
    assert reading.claim == (
        "the file fits a header of 16 bytes, its version 0.2.0 says 20"
        " and the file fits channels=4, the cfg says 3"
    )
    assert reading.place == "layer 0 [convolutional], line 6"  # the first with another shape


@pytest.mark.parametrize(
    ("values", "possible"),
    [
        ([0, 1, 1e9], True),
        ([1, -1e-9], False),
        ([1, float("nan")], False),
        ([1, float("inf")], False),
    ],
)
def test_variances_are_finite_and_not_negative(tmp_path, values, possible):
    (tmp_path / "x.weights").write_bytes(b"\0" * 7 + struct.pack(f"<{len(values)}f", *values))
    with opened(tmp_path / "x.weights") as source:
        assert are_variances(source, 7, len(values)) is possible


@pytest.mark.parametrize(
    ("at", "plausible"),
    [
        (20 + 4 * 15, False),  # the last of four variances
        (20 + 4 * 16, True),  # the first value of the kernel may be negative
        (20 + 4 * 11, True),  # so may the last mean
    ],
)
def test_a_reading_is_as_plausible_as_its_variances(toy, at, plausible):
    data = bytearray(toy.weights.read_bytes())
    data[at : at + 4] = struct.pack("<f", -1)
    # Half of what follows is missing: the variances are not.
    toy.weights.write_bytes(data[: 20 + 4 * 124])
    (reading,) = readings(toy.text, 20 + 4 * 124)
    with opened(toy.weights) as source:
        assert is_plausible(reading, source) is plausible


def test_a_reading_without_batch_norm_is_neither(toy):
    text = toy.text.replace("batch_normalize=1\n", "")
    size = 20 + 4 * (4 + 4 * 3 * 9)
    toy.weights.write_bytes(toy.weights.read_bytes()[:size])
    (reading,) = readings(text, size)
    with opened(toy.weights) as source:
        assert is_plausible(reading, source) is None
