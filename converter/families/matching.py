"""Whether a network is the one that a scheme has names for, layer by layer."""

from collections.abc import Sequence

from converter.darknet.layers import Layer
from converter.darknet.network import Network
from converter.darknet.nodes import Node
from converter.errors import FamilyError, argument


def remedy() -> str:
    """What to do about a network of another shape."""
    return f"{argument('--family', 'generic')} converts it"


def require_layers(network: Network, expected: Sequence[Layer], what: str) -> None:
    """Refuse a network that does not compute what ``expected`` does.

    Args:
        network: a cfg's.
        expected: the layers that it should have.
        what: their network, in a few words.

    Raises:
        FamilyError: naming the first layer that deviates.
    """
    for node, (index, layer) in zip(network.nodes, enumerate(expected), strict=False):
        _compare(node, layer, layer.sources(index), what)
    if len(network.nodes) != len(expected):
        raise FamilyError(
            f"has {len(network.nodes)} layers, {what} like it has {len(expected)}", remedy=remedy()
        )


def deviation(node: Node, what: str, how: str) -> FamilyError:
    """The refusal of a network that is not ``what``, by the first layer that shows it."""
    return FamilyError(f"is not {what}: {how}", place=node.place, remedy=remedy())


def _compare(node: Node, expected: Layer, sources: tuple[int, ...], what: str) -> None:
    if type(node.layer) is not type(expected):
        raise deviation(node, what, f"{what} has [{expected.type}] there")
    if node.sources != sources:
        how = f"it reads layers {_list(node.sources)}, not {_list(sources)}"
        raise deviation(node, what, how)
    facts, wanted = node.layer.signature(), expected.signature()
    for name, value in wanted.items():
        if facts[name] != value:
            raise deviation(node, what, f"{name} is {facts[name]}, not {value}")


def _list(indices: tuple[int, ...]) -> str:
    return ", ".join(map(str, indices))
