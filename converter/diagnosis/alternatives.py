"""Networks that differ from a given one in one respect, for the byte ledger to try."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from converter.darknet.classes import options_for, options_of_heads
from converter.darknet.layers import Layer
from converter.darknet.network import Network, build_network
from converter.darknet.nodes import Net
from converter.errors import DarknetError


def with_classes(network: Network, classes: int) -> Network | None:
    """The network for another number of classes; None if it has none to change.

    What each detection head reads, or the last layer with weights of a classifier, changes too.
    """
    layers = [node.layer for node in network.nodes]
    return _built(network.net, layers, options_for(network, classes))


def with_heads(net: Net, layers: Sequence[Layer], classes: int) -> Network | None:
    """The network of ``layers`` with heads for ``classes`` and with what they read adapted.

    None if one of them reads no convolution, or the layers do not fit together otherwise.
    """
    return _built(net, layers, options_of_heads(layers, classes))


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


def _built(
    net: Net, layers: Sequence[Layer], options: Iterable[tuple[int, str, int]] = ()
) -> Network | None:
    """The network of ``layers`` with ``options``: the index of a layer, the option, its value."""
    changed = list(layers)
    try:
        for index, key, value in options:
            changed[index] = replace(changed[index], **{key: value})
        return build_network(net, changed, "")
    except DarknetError:  # there is none to change, or a layer wants what the one before it was
        return None
