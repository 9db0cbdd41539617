"""Which outputs of an engine are known to be wrong; tests/converter/layers measures that."""

import pytest

from converter.darknet.dialects import DIALECTS
from converter.darknet.network import parse_network
from yolov3.parity.engine_bugs import excuse

NET = "[net]\nwidth=6\nheight=4\nchannels=4\n"


@pytest.mark.parametrize(
    ("section", "wrong"),
    [
        ("[convolutional]\nfilters=2\nsize=1\n", ""),
        ("[convolutional]\nfilters=2\nsize=3\nstride=2\npad=1\n", ""),
        ("[convolutional]\nfilters=2\nsize=1\nstride=2\n", "pjreddie"),
        ("[convolutional]\nfilters=2\nsize=1\npadding=1\n", "pjreddie alexeyab hank-ai"),
        ("[convolutional]\nfilters=2\nsize=1\nstride_y=2\n", "pjreddie alexeyab hank-ai"),
        ("[convolutional]\nfilters=2\nsize=3\nflipped=1\ngroups=2\n", "pjreddie"),
        ("[convolutional]\nfilters=2\nactivation=relu6\n", "alexeyab"),
        ("[convolutional]\nfilters=1\nsize=3\nxnor=1\n", ""),
        ("[convolutional]\nfilters=2\nsize=3\nxnor=1\n", "alexeyab hank-ai"),
        ("[upsample]\nstride=2\n[maxpool]\nsize=3\nstride=1\n", "alexeyab hank-ai"),
        ("[upsample]\nstride=2\n[maxpool]\nsize=2\nstride=1\n", ""),  # nothing at the left
        ("[upsample]\nstride=2\n[maxpool]\nsize=3\nstride=2\n", ""),
        ("[maxpool]\nsize=3\nstride=1\n", ""),  # too narrow for eight columns at once
        ("[lstm]\noutput=2\n", "hank-ai"),
        ("[crnn]\nhidden_filters=2\noutput_filters=2\n", "pjreddie"),
        ("[convolutional]\nfilters=4\n[convolutional]\nfilters=4\n[shortcut]\nfrom=-2\n", ""),
        ("[convolutional]\nfilters=4\n[convolutional]\nfilters=4\n[shortcut]\nfrom=-2\nbeta=2\n",
         "alexeyab"),
        ("[convolutional]\nfilters=7\n[region]\nclasses=2\nsoftmax=1\n", ""),
        ("[convolutional]\nfilters=7\n[region]\nclasses=2\nsoftmax=0\n", ""),
        ("[convolutional]\nfilters=7\n[region]\nclasses=2\nbackground=1\n", "alexeyab hank-ai"),
        ("[convolutional]\nfilters=7\n[region]\nclasses=2\nsoftmax=1\ntree=t\n", "pjreddie"),
    ],
)  # fmt: skip
def test_excuses(section, wrong):
    net = parse_network(NET + section)
    found = {d for d in DIALECTS if excuse(net, len(net.nodes) - 1, d)}
    assert found == set(wrong.split())
