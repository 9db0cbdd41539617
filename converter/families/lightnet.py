"""EAVISE/lightnet 4: Darknet53, YoloV3, TinyYoloV3 and YoloV4; ``.layers.0``, ``.layers.1``.

Modules of a backbone are called by what they are and where they stand, from 1.
"""

from collections.abc import Iterable, Iterator

from converter.darknet.layers.convolutional import Convolutional
from converter.darknet.layers.pooling import Maxpool
from converter.darknet.layers.yolo import Yolo
from converter.darknet.network import Network
from converter.families import structures
from converter.families.base import Naming
from converter.families.matching import require_layers
from converter.families.porting import Place, convolutions, name_convolutions, port
from converter.families.template import BLOCKS


def name_layers(network: Network) -> Naming:
    """The port's names for ``network``.

    Raises:
        FamilyError: naming the first layer that is not as in the cfg of the network, of those that
            the port has, that this one begins as.
    """
    size, layers = structures.size_of(network), [node.layer for node in network.nodes]
    if isinstance(layers[0], Convolutional) and layers[0].activation == "mish":
        require_layers(network, structures.yolov4(*size), "lightnet's YoloV4")
        places = _yolov4()
    elif len(layers) > 1 and isinstance(layers[1], Maxpool):
        require_layers(network, structures.tiny(*size), "lightnet's TinyYoloV3")
        places = _tiny()
    elif any(isinstance(layer, Yolo) for layer in layers):
        require_layers(network, structures.yolov3(*size), "lightnet's YoloV3")
        places = _yolov3()
    else:
        require_layers(network, structures.darknet53(network), "lightnet's Darknet53")
        last = list(convolutions(network).values())[-1]
        places = _classifier(classifier=not last.has_norm)
    return name_convolutions(FAMILY.name, network, places)


FAMILY = port("lightnet", "EAVISE/lightnet", name_layers)


def _darknet53(path: str) -> Iterator[Place]:
    yield _module(f"{path}.1_convbatch")
    number = 2
    for blocks in BLOCKS:
        yield _module(f"{path}.{number}_convbatch")
        for block in range(number + 1, number + 1 + blocks):
            yield from _modules(f"{path}.{block}_residual", range(2))
        number += 1 + blocks


def _classifier(*, classifier: bool) -> Iterator[Place]:
    yield from _darknet53("backbone")
    if classifier:
        yield "head.1", ""


def _yolov3() -> Iterator[Place]:
    """Level by level, coarse to fine; the last module of a level's neck leads to the next."""
    yield from _darknet53("backbone.module")
    for level in range(3):
        neck = f"neck.{level}.module" if level < 2 else "neck.2"
        if level:
            yield _module(f"neck.{level - 1}.module.5")
        yield from _modules(neck, range(5))
        yield from _head(level)


def _tiny() -> Iterator[Place]:
    """Its pools count as well."""
    for number in range(1, 12, 2):
        yield _module(f"backbone.module.{number}_convbatch")
    yield from _modules("neck.module", (1, 2))
    yield from _head(0)
    yield _module("neck.module.3")
    yield from _head(1)


def _yolov4() -> Iterator[Place]:
    """The heads are counted coarse to fine, and stand in the file fine to coarse."""
    path = "backbone.module"
    yield _module(f"{path}.1_convbatch")
    for stage, blocks in enumerate(BLOCKS, start=1):
        csp = f"{path}.{2 * stage + 1}_csp"
        yield _module(f"{path}.{2 * stage}_convbatch")
        yield from _modules(csp, ("split2", "split1"))
        for block in range(1, blocks + 1):
            yield from _modules(f"{csp}.residual{block}", range(2))
        yield from _modules(csp, ("conv", "post"))
    yield from _modules("neck.0", (0, 1, 2, 4, 5))  # 3 pools
    yield _module("neck.1.lateral.0")
    for step in range(2):
        yield _module(f"neck.1.upsample.{step}.0")
        yield _module(f"neck.1.lateral.{step + 1}")
        yield from _combine(step)
    yield from _head(2)
    for step in range(2):
        yield _module(f"neck.1.downsample.{step}")
        yield from _combine(step + 2)
        yield from _head(1 - step)


def _combine(number: int) -> Iterator[Place]:
    return _modules(f"neck.1.combine.{number}", range(1, 6))  # 0 concatenates


def _head(level: int) -> Iterator[Place]:
    yield _module(f"head.{level}.0")
    yield f"head.{level}.1", ""


def _module(path: str) -> Place:
    return f"{path}.layers.0", f"{path}.layers.1"


def _modules(path: str, names: Iterable[object]) -> Iterator[Place]:
    return (_module(f"{path}.{name}") for name in names)
