"""Networks that differ from a given one in one respect, for the byte ledger to try."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from converter.darknet.layers import Layer
from converter.darknet.layers.connected import Connected
from converter.darknet.layers.convolutional import Convolutional
from converter.darknet.layers.heads import AnchorHead
from converter.darknet.network import Network, build_network
from converter.darknet.nodes import Net
from converter.errors import DarknetError


def with_classes(network: Network, classes: int) -> Network | None:
    """The network for another number of classes; None if it has none to change.

    What each detection head reads, or the last layer with weights of a classifier, changes too.
    """
    layers = [node.layer for node in network.nodes]
    if any(isinstance(layer, AnchorHead) for layer in layers):
        return with_heads(network.net, layers, classes)
    return _built(network.net, layers) if _resize_classifier(network, layers, classes) else None


def with_heads(net: Net, layers: Sequence[Layer], classes: int) -> Network | None:
    """The network of ``layers`` with heads for ``classes`` and with what they read adapted.

    None if one of them reads no convolution, or the layers do not fit together otherwise.
    """
    changed = list(layers)
    for index, head in enumerate(layers):
        if isinstance(head, AnchorHead):
            conv = changed[index - 1] if index else None
            if not isinstance(conv, Convolutional):
                return None
            changed[index] = replace(head, classes=classes)
            changed[index - 1] = replace(conv, filters=head.channels(classes))
    return _built(net, changed)


def with_channels(network: Network, channels: int) -> Network | None:
    """The network for pictures of another number of channels; None if it cannot take them."""
    if not network.input.is_image:
        return None
    net = replace(network.net, channels=channels)
    return _built(net, [node.layer for node in network.nodes])


def without_repetition(network: Network) -> Network | None:
    """The first part of a network whose layers are that part two or more times; else None."""
    layers = [node.layer for node in network.nodes]
    for period in range(1, len(layers) // 2 + 1):
        if len(layers) % period == 0 and layers[period:] == layers[:-period]:
            return _built(network.net, layers[:period])
    return None


def _resize_classifier(network: Network, layers: list[Layer], classes: int) -> bool:
    if network.classes is None:
        return False
    for index in reversed(range(len(layers))):
        layer = layers[index]
        if isinstance(layer, Convolutional):
            layers[index] = replace(layer, filters=classes)
            return True
        if isinstance(layer, Connected):
            layers[index] = replace(layer, output=classes)
            return True
    return False


def _built(net: Net, layers: Sequence[Layer]) -> Network | None:
    try:
        return build_network(net, layers, "")
    except DarknetError:  # a layer wants what the one before it was
        return None
