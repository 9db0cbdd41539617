"""Where an engine's own output is known to be wrong, so that a difference is no fault of ours.

All were measured on CPU builds: Debian's package of pjreddie's darknet, AlexeyAB/darknet@59596d7,
hank-ai/darknet@f684e1d.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from converter.darknet.dialects import DialectName, alexeyab, hank_ai, pjreddie
from converter.darknet.layers.convolutional import Convolutional
from converter.darknet.layers.pooling import Maxpool
from converter.darknet.layers.recurrent import Crnn, Lstm
from converter.darknet.layers.region import Region
from converter.darknet.layers.shortcut import Shortcut
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
    if isinstance(node.layer, Convolutional) and node.layer.activation == "relu6":
        yield "darknet's relu6 is 0 on the CPU"
    if isinstance(node.layer, Shortcut) and (node.layer.alpha, node.layer.beta) != (1.0, 1.0):
        yield "darknet ignores alpha and beta"
    yield from _alexeyab_and_hank_ai(node)


def _hank_ai(node: Node) -> Iterator[str]:
    if isinstance(node.layer, Lstm):  # lstm_layer.cpp:251
        yield "darknet loses where the output of [lstm] begins"
    yield from _alexeyab_and_hank_ai(node)


def _alexeyab_and_hank_ai(node: Node) -> Iterator[str]:
    layer = node.layer
    if isinstance(layer, Convolutional):
        if layer.size == 1 and (layer.pixels or layer.strides[0] != layer.strides[1]):
            yield "darknet misreads 1x1 convolutions with padding or unequal strides"
        if layer.xnor and layer.filters > 1:  # AB convolutional_layer.c:1214
            yield "darknet takes the mean of one xnor filter over all of them"
    if isinstance(layer, Region) and layer.background:
        yield "darknet ignores background=1"
    if isinstance(layer, Maxpool) and not layer.maxpool_depth and _is_misread_by_avx(node, layer):
        yield "darknet pools wrongly at the left border if it was built with AVX"


def _is_misread_by_avx(node: Node, layer: Maxpool) -> bool:
    """AB gemm.c:1886: eight columns at once, of which the first alone is tested for the border."""
    shape = node.inputs[0]
    left, *_ = layer.margins(shape.h, shape.w, layer.strides)
    return layer.strides == (1, 1) and left > 0 and node.output.w > 7 + layer.window


_BUGS: dict[str, Callable[[Node], Iterator[str]]] = {
    pjreddie.DIALECT.name: _pjreddie,
    alexeyab.DIALECT.name: _alexeyab,
    hank_ai.DIALECT.name: _hank_ai,
}
