"""Which layers of a network are run for which outputs, and whether they can be run at all."""

from collections.abc import Iterable
from typing import TypeAlias

from converter.darknet.dialects import DialectName
from converter.darknet.layers.convolutional import Convolutional
from converter.darknet.network import Network
from converter.darknet.nodes import Node
from converter.errors import NetworkError

Schedule: TypeAlias = list[tuple[Node, tuple[int, ...]]]


def schedule(network: Network, wanted: Iterable[int], keep: Iterable[int]) -> Schedule:
    """The layers to run for the outputs ``wanted``, and which outputs are done with after each."""
    needed = set(wanted)
    for node in reversed(network.nodes):
        if node.index in needed:
            needed.update(node.sources)
    last_use = {index: index for index in needed}
    nodes = [node for node in network.nodes if node.index in needed]
    for node in nodes:
        last_use.update(dict.fromkeys(node.sources, node.index))
    for index in keep:
        last_use.pop(index, None)
    return [
        (node, tuple(index for index, last in last_use.items() if last == node.index))
        for node in nodes
    ]


def owner(network: Network, node: Node) -> int:
    """The layer whose arrays ``node`` computes with."""
    index = node.index
    while (target := network.nodes[index].layer.owner(index)) != index:
        index = target
    return index


def require_runnable(network: Network, dialect: DialectName) -> None:
    """Refuse a network of which a layer cannot be computed exactly.

    Raises:
        NetworkError: with the layer's name and line, and the reason.
    """
    for node in network.nodes:
        obstacle = node.layer.obstacle(node.inputs, dialect) or _reference_problem(
            network, node, dialect
        )
        if obstacle:
            raise NetworkError(
                f"does not run in PyTorch: {obstacle}",
                place=node.place,
                remedy="its weights can be converted all the same",
            )


def _reference_problem(network: Network, node: Node, dialect: DialectName) -> str | None:
    """Why a layer does not run because of the layers that it refers to."""
    silent = [i for i in node.sources if i >= 0 and not network.nodes[i].layer.has_output]
    if silent and node.layer.has_output:
        return f"it reads layer {silent[0]} [cost], which has no output at inference"
    other = network.nodes[owner(network, node)]
    if other is not node and _kernel(other, dialect) != _kernel(node, dialect):
        return f"share_index: its kernels are unlike those of {other.place}"
    return None


def _kernel(node: Node, dialect: DialectName) -> tuple[object, ...]:
    """What layers that share their arrays must have in common: AB convolutional_layer.c:546."""
    layer = node.layer
    if not isinstance(layer, Convolutional):
        return (layer.type,)
    groups = layer.groups_of(dialect)
    return (layer.size, layer.filters, groups, layer.has_norm, node.inputs[0].c)
