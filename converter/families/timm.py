"""timm's darknet53: ``stem.conv1.conv.weight``, ..., ``head.fc.weight``.

PyPI timm 1.0 timm/models/cspnet.py: create_csp_stem, DarkStage, DarkBlock, darknet53.
"""

from collections.abc import Iterator

from converter.darknet.network import Network
from converter.families import porting, structures
from converter.families.base import Naming
from converter.families.matching import require_layers
from converter.families.template import BLOCKS

NOTE = (
    "timm's darknet53 computes the same only with Darknet's slope, which is not its default:"
    " timm.create_model('darknet53', act_layer=partial(torch.nn.LeakyReLU, negative_slope=0.1))"
)


def name_layers(network: Network) -> Naming:
    """The port's names for ``network``.

    Raises:
        FamilyError: naming the first layer that is not as in darknet53.cfg.
    """
    require_layers(network, structures.darknet53(network), "timm's darknet53")
    last, layer = list(porting.convolutions(network).items())[-1]
    linear = None if layer.has_norm else last
    places = _places(classifier=linear is not None)
    return porting.name_convolutions(FAMILY.name, network, places, linear=linear, note=NOTE)


FAMILY = porting.port("timm", "timm's darknet53", name_layers)


def _places(*, classifier: bool) -> Iterator[porting.Place]:
    yield porting.conv_module("stem.conv1")
    for stage, blocks in enumerate(BLOCKS):
        yield porting.conv_module(f"stages.{stage}.conv_down")
        for block in range(blocks):
            yield from porting.conv_modules(f"stages.{stage}.blocks.{block}", ("conv1", "conv2"))
    if classifier:
        yield "head.fc", ""
