"""Cfgs of one engine's options, under another engine's name: that engine itself is the judge.

AlexeyAB's networks of one feature each (tests/data/README.md) with random weights, in the installed
darknet of pjreddie, which ignores what it does not know and makes ReLU of other activations.
"""

import pytest
from loading import GOLDENS

from yolov3.parity.engines import Limits, find_library
from yolov3.parity.examine import Case, examine

pytestmark = pytest.mark.engine

NAMES = sorted(path.name for path in GOLDENS.iterdir())

# Where not all layers agree.
EXCUSED = {
    # A section that it does not know has no forward function, and is found out by a call of NULL:
    # parser.c:838, network.c:203. Here it is refused with its line.
    **dict.fromkeys(
        ("contrastive", "conv_lstm", "conv_lstm_peephole", "conv_lstm_xnor", "gaussian_yolo",
         "implicit_add", "local_avgpool_s1"),
        "refused here",
    ),
    # The same before a [convolutional], which finds no image before it (parser.c:197).
    **dict.fromkeys(
        ("empty", "reorg3d", "sam", "scale_channels", "scale_channels_wh"), "refused by both"
    ),
    # SIGSEGV: forward_batchnorm_layer reads l.x, which make_batchnorm_layer does not allocate:
    # batchnorm_layer.c:138, :6.
    "batchnorm": "refused by the engine",
    "batchnorm_after_max": "refused by the engine",
    # Its im2col is left out for 1x1 kernels, whatever the stride (convolutional_layer.c:468), and
    # flipped kernels are transposed as if there were no groups (parser.c:1206): the only layer is
    # one that is excused (yolov3/parity/engine_bugs.py).
    **dict.fromkeys(
        ("conv_flipped_groups", "conv_groups_1x1_s2", "conv_k1_s2_pad", "conv_k1_s3_pad"),
        "no answer",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_every_layer_agrees_but_for_what_is_excused(name):
    path = GOLDENS / name / "net.cfg"
    case = Case(path=path, name=name, dialect="pjreddie", library=find_library(), full=True)
    verdict = examine(case, Limits(seconds=60))
    assert verdict.result == EXCUSED.get(name, "exact"), verdict
    assert verdict.same_file is not False


def test_what_is_excused_is_there():
    assert EXCUSED.keys() <= set(NAMES)
