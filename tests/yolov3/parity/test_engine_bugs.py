"""Which outputs of an engine are known to be wrong; tests/converter/layers measures that."""

import pytest

from converter.darknet.network import parse_network
from yolov3.parity.engine_bugs import excuse

NET = "[net]\nwidth=6\nheight=4\nchannels=4\n"


@pytest.mark.parametrize(
    ("section", "wrong"),
    [
        ("[convolutional]\nfilters=2\nsize=1\n", ""),
        ("[convolutional]\nfilters=2\nsize=3\nstride=2\npad=1\n", ""),
        ("[convolutional]\nfilters=2\nsize=1\nstride=2\n", "pjreddie"),
        ("[convolutional]\nfilters=2\nsize=1\npadding=1\n", "pjreddie alexeyab"),
        ("[convolutional]\nfilters=2\nsize=1\nstride_y=2\n", "pjreddie alexeyab"),
        ("[convolutional]\nfilters=2\nsize=3\nflipped=1\ngroups=2\n", "pjreddie"),
        ("[convolutional]\nfilters=2\nactivation=relu6\n", "alexeyab"),
        ("[crnn]\nhidden_filters=2\noutput_filters=2\n", "pjreddie"),
        ("[convolutional]\nfilters=4\n[convolutional]\nfilters=4\n[shortcut]\nfrom=-2\n", ""),
        ("[convolutional]\nfilters=4\n[convolutional]\nfilters=4\n[shortcut]\nfrom=-2\nbeta=2\n",
         "alexeyab"),
        ("[convolutional]\nfilters=7\n[region]\nclasses=2\nsoftmax=1\n", ""),
        ("[convolutional]\nfilters=7\n[region]\nclasses=2\nsoftmax=0\n", ""),
        ("[convolutional]\nfilters=7\n[region]\nclasses=2\nbackground=1\n", "alexeyab"),
        ("[convolutional]\nfilters=7\n[region]\nclasses=2\nsoftmax=1\ntree=t\n", "pjreddie"),
    ],
)  # fmt: skip
def test_excuses(section, wrong):
    net = parse_network(NET + section)
    found = {d for d in ("pjreddie", "alexeyab") if excuse(net, len(net.nodes) - 1, d)}
    assert found == set(wrong.split())
