"""Where an engine's own output is known to be wrong, so that a difference is no fault of ours.

All were measured on CPU builds: Debian's package of pjreddie's darknet, AlexeyAB/darknet@59596d7.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from converter.darknet.dialects import DialectName, alexeyab, pjreddie
from converter.darknet.layers.combining import Shortcut
from converter.darknet.layers.convolutional import Convolutional
from converter.darknet.layers.recurrent import Crnn
from converter.darknet.layers.region import Region
from converter.darknet.network import Network
from converter.darknet.nodes import Node


def excuse(network: Network, index: int, dialect: DialectName) -> str | None:
    """Why that engine's output of a layer is wrong; None if it should be right."""
    node = network.nodes[index]
    return next(_BUGS[dialect](node), None)


def _pjreddie(node: Node) -> Iterator[str]:
    layer = node.layer
    if isinstance(layer, Convolutional):
        if layer.size == 1 and (max(layer.strides) > 1 or layer.pixels):
            yield "darknet reads the wrong pixels in 1x1 convolutions with a stride or padding"
        if layer.flipped and layer.groups > 1:
            yield "darknet transposes flipped kernels as if there were no groups"
    if isinstance(layer, Crnn) and node.inputs[0].h != node.inputs[0].w:
        yield "darknet swaps width and height in [crnn]"
    if isinstance(layer, Region) and layer.tree:
        yield "darknet divides by its temperature, which is 0 in [region]"


def _alexeyab(node: Node) -> Iterator[str]:
    layer = node.layer
    if isinstance(layer, Convolutional):
        if layer.activation == "relu6":
            yield "darknet's relu6 is 0 on the CPU"
        if layer.size == 1 and (layer.pixels or layer.strides[0] != layer.strides[1]):
            yield "darknet misreads 1x1 convolutions with padding or unequal strides"
    if isinstance(layer, Shortcut) and (layer.alpha, layer.beta) != (1.0, 1.0):
        yield "darknet ignores alpha and beta"
    if isinstance(layer, Region) and layer.background:
        yield "darknet ignores background=1"


_BUGS: dict[str, Callable[[Node], Iterator[str]]] = {
    pjreddie.DIALECT.name: _pjreddie,
    alexeyab.DIALECT.name: _alexeyab,
}
