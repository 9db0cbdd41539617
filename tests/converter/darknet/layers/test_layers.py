"""All section types: that each is compared with something, their names, and what is on disk."""

from pathlib import Path

import numpy as np
import pytest
from loading import GOLDENS
from one_feature import network, section
from pjreddie_layers import CASES

from converter.darknet.layers import LAYERS
from converter.darknet.network import parse_network, read_network
from converter.errors import CfgError
from tests.converter.darknet.layers.small_networks import WITH_ARRAYS, arrays_of_the_last

# What no engine answers, test_simple.py, test_detection.py and test_conv_lstm.py compute by hand;
# [deconvolutional] test_pjreddie.py compares with the weights that darknet starts with.
ELSEWHERE = {"batchnorm", "iseg", "history", "deconvolutional"}


def test_every_layer_type_is_compared_with_something():
    goldens = [path.read_text() for path in GOLDENS.glob("*/net.cfg")]
    seen = {
        node.layer.type
        for text in [*goldens, *(case.cfg for case in CASES.values())]
        for node in parse_network(text).nodes
    }
    assert set(LAYERS) == seen | ELSEWHERE


def test_an_unknown_section_is_refused_with_its_line():
    with pytest.raises(CfgError, match=r"line 8: \[mish_attention\] is not a layer"):
        parse_network(network(section("mish_attention")))


@pytest.mark.parametrize("name", ["[Yolo]", "[gaussian_yolo]", "[Convolutional]"])
def test_section_names_are_compared_exactly(name):
    with pytest.raises(CfgError, match="is not a layer"):
        parse_network(network(f"{name}\n"))


@pytest.mark.parametrize(
    ("options", "norm", "others"),
    [
        ("", True, True),
        ("dontload=1", False, False),
        ("dontloadscales=1", False, True),
        ("dontload=1\ndontloadscales=1", False, False),
    ],
)
@pytest.mark.parametrize("name", WITH_ARRAYS)
def test_which_arrays_are_on_disk(name, options, norm, others):
    """Pj parser.c:1248 for all, :1107 and :1173 for batch norm's; :1122 reads them always."""
    if name == "batchnorm":
        norm = others
    kinds = {"scales", "rolling_mean", "rolling_variance"}
    for array in arrays_of_the_last(f"{WITH_ARRAYS[name].rstrip()}\n{options}\n"):
        assert array.on_disk is (norm if array.kind in kinds else others)


@pytest.mark.engine
def test_all_of_debians_cfgs_are_known():
    cfgs = sorted(Path("/usr/share/darknet/cfg").glob("*.cfg"))
    assert len(cfgs) == 45
    for path in cfgs:
        assert np.isfinite(read_network(path).floats)
