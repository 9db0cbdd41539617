"""What the rules of a scheme do to the values of a file, counted."""

import struct

import numpy as np
import pytest

from converter.checkpoint.changes import Change, changes
from converter.darknet.header import Header
from converter.darknet.network import parse_network
from converter.families.porting import conv_module, name_convolutions
from converter.files.source import opened
from converter.plan import make_plan

# One convolution of five filters on one channel: biases, scales, means, variances, kernel.
TEXT = (
    "[net]\nwidth=2\nheight=2\nchannels=1\n"
    "[convolutional]\nbatch_normalize=1\nfilters=5\nsize=1\nactivation=linear\n"
)
BIASES, SCALES, MEANS, KERNEL = [0] * 5, [1] * 5, [0] * 5, [1] * 5


def counted(tmp_path, variances, scales=SCALES, eps=1e-4):
    path = tmp_path / "x.weights"
    values = np.array([*BIASES, *scales, *MEANS, *variances, *KERNEL], "<f4")
    path.write_bytes(struct.pack("<3iQ", 0, 2, 0, 0) + values.tobytes())
    network = parse_network(TEXT)
    plan = make_plan(
        header=Header(major=0, minor=2, revision=0, seen=0, size=20), size=path.stat().st_size,
        network=network, dialect="pjreddie",
        naming=name_convolutions("port", network, [conv_module("a")], eps=eps),
    )  # fmt: skip
    with opened(path) as source:
        return changes(source, plan)


def test_values_that_are_changed_and_those_that_do_not_come_back(tmp_path):
    # 1e-4 - 1e-5 is taken from each variance; from 2e-5 and 3e-5 that is too much, so they become
    # 0, and both they and their scales come back as others.
    scales, variances = counted(tmp_path, [1, 2e-5, 4, 3e-5, 2])
    assert (scales.tensors, scales.changed, scales.lost) == (1, 2, 2)
    assert (variances.tensors, variances.changed, variances.lost) == (1, 5, 2)


def test_values_that_all_come_back(tmp_path):
    scales, variances = counted(tmp_path, [1, 2, 3, 4, 5])
    assert (scales.changed, scales.lost) == (0, 0)
    assert (variances.changed, variances.lost) == (5, 0)


def test_no_number_is_no_change(tmp_path):
    """NaN is equal to itself here."""
    scales, variances = counted(tmp_path, [np.nan] * 5, scales=[np.nan] * 5)
    assert (scales.changed, scales.lost, variances.changed, variances.lost) == (0, 0, 0, 0)


def test_without_rules_there_is_nothing_to_say(tmp_path):
    assert counted(tmp_path, [1, 2, 3, 4, 5], eps=1e-5) == ()


@pytest.mark.parametrize(
    ("lost", "rest"),
    [(0, "all come back bit for bit"), (1234, "1,234 of them do not come back bit for bit")],
)
def test_in_words(lost, rest):
    change = Change(rule="less by 1", tensors=3, changed=5678, lost=lost)
    assert str(change) == f"5,678 values of 3 tensors are changed (less by 1); {rest}"


def test_for_programs():
    change = Change(rule="less by 1", tensors=3, changed=2, lost=1)
    assert change.as_dict() == {"rule": "less by 1", "tensors": 3, "changed": 2, "lost": 1}
