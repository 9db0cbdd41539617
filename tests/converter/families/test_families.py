"""The registry of schemes: which one a name gives."""

import nets
import pytest

from converter.darknet.network import parse_network
from converter.errors import FamilyError
from converter.families import name_layers


def test_naming_by_a_schemes_name_gives_that_scheme():
    network = parse_network(nets.yolov3(2, 3, size=96))
    for name in ("yolov3", "article", "generic"):
        assert name_layers(network, name).family == name


def test_what_is_no_name_is_no_scheme():
    with pytest.raises(FamilyError, match="3 is no family of tensor names"):
        name_layers(parse_network(nets.yolov3(2, 3, size=96)), 3)
