"""Any network, layer by layer as its cfg says: ``layers.{index}.conv.weight``, ..."""

from converter.darknet.network import Network
from converter.families.base import Family, Naming


def name_layers(network: Network) -> Naming:
    """The names that fit every network."""
    modules = {node.index: f"layers.{node.index}" for node in network.nodes}
    return Naming(family=FAMILY.name, modules=modules)


FAMILY = Family(
    name="generic",
    summary="layers.N, for any network",
    name_layers=name_layers,
)
