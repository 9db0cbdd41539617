"""What the schemes of other ports have in common."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import fields

from converter.darknet.layers.convolutional import Convolutional
from converter.darknet.layers.pooling import Maxpool
from converter.darknet.network import Network
from converter.families.base import Family, Naming
from converter.families.matching import deviation
from converter.families.rules import DARKNET_EPS, Factor, Rule, Variance

# Where a port keeps a convolution, and the batch norm after it; "" where there is none.
Place = tuple[str, str]

# Section type -> the options that all ports read which build what a cfg says.
_READ_BY_ALL = {
    "convolutional": "batch_normalize filters size stride pad activation",
    "maxpool": "size stride",
    "route": "layers",
    "shortcut": "from",
    "upsample": "stride",
    "yolo": "mask anchors classes num scale_x_y nms_kind beta_nms",
}


def port(name: str, summary: str, name_layers: Callable[[Network], Naming]) -> Family:
    """The scheme of another port, whose names the models of ``yolov3`` do not have."""
    return Family(name=name, summary=summary, name_layers=name_layers, native=False)


def name_convolutions(
    family: str,
    network: Network,
    places: Iterable[Place],
    *,
    eps: float = DARKNET_EPS,
    rules: Mapping[tuple[int, str], Rule] | None = None,
    linear: int | None = None,
    extras: str = "",
    note: str = "",
) -> Naming:
    """The names of a network whose only weights are those of its convolutions.

    Args:
        family: the scheme's name.
        network: the network.
        places: of each convolution, in file order.
        eps: what the port's batch norm adds to the variance.
        rules: how other values differ, as ``Naming`` says.
        linear: the layer whose kernel the port keeps as a matrix.
        extras: the port's tensors that Darknet knows nothing like, as ``Naming`` says.
        note: likewise.
    """
    layers = convolutions(network)
    placed = dict(zip(layers, places, strict=True))
    of_norms: dict[tuple[int, str], Rule] = {}
    if eps != DARKNET_EPS:
        for index in (index for index, layer in layers.items() if layer.has_norm):
            of_norms[index, "bn.weight"] = Factor(eps)
            of_norms[index, "bn.running_var"] = Variance(eps)
    return Naming(
        family=family,
        modules={index: convolution for index, (convolution, _) in placed.items()},
        parts={index: {"conv": conv, "bn": norm} for index, (conv, norm) in placed.items()},
        rules={**of_norms, **(rules or {})},
        linear=linear,
        extras=extras,
        note=note,
    )


def conv_module(path: str) -> Place:
    """The two parts of a module that calls them ``conv`` and ``bn``."""
    return f"{path}.conv", f"{path}.bn"


def conv_modules(path: str, names: Iterable[object]) -> Iterator[Place]:
    """The parts of several such modules inside of one."""
    return (conv_module(f"{path}.{name}") for name in names)


def convolutions(network: Network) -> dict[int, Convolutional]:
    """The layers that a port has tensors for, by their indices."""
    return {n.index: n.layer for n in network.nodes if isinstance(n.layer, Convolutional)}


def pool_note(network: Network, what: str) -> str:
    """What is to be said of a port that pads pools of stride 1 and even size with zeros.

    Darknet's maximum is that of the pixels inside of the map (pj maxpool_layer.c:79-106), which may
    be negative.
    """
    pools = (node.layer for node in network.nodes if isinstance(node.layer, Maxpool))
    if not any(pool.strides == (1, 1) and pool.window % 2 == 0 for pool in pools):
        return ""
    return (
        f"{what} pads the pool of size 2 and stride 1 with zeros, so that its outputs differ from"
        " Darknet's where all values at the right or lower border are negative"
    )


def reads(**more: str) -> dict[str, str]:
    """What a port reads: section type -> options, ``more`` than all such ports do."""
    others = {kind: f"{_READ_BY_ALL.get(kind, '')} {options}" for kind, options in more.items()}
    return {**_READ_BY_ALL, **others}


def require_options(
    network: Network, read: Mapping[str, str], activations: Iterable[str], what: str
) -> None:
    """Refuse a network that a port, which builds what a cfg says, would build otherwise.

    Args:
        network: the network.
        read: section type -> the options that the port reads, separated by spaces; of others it
            takes Darknet's default.
        activations: of convolutions, which it knows.
        what: the port.

    Raises:
        FamilyError: naming the first layer that it does not have so.
    """
    what = f"one that {what} can build"
    for node in network.nodes:
        layer = node.layer
        if layer.type not in read:
            raise deviation(node, what, "it has no such layer")
        for option in fields(layer):
            value = getattr(layer, option.name)
            name = option.name.rstrip("_")
            known = not option.compare or name in read[layer.type].split()
            if not known and value != option.default:
                raise deviation(node, what, f"it does not read {name}, which is {value}")
        if isinstance(layer, Convolutional) and layer.activation not in activations:
            raise deviation(node, what, f"it has no activation={layer.activation}")
