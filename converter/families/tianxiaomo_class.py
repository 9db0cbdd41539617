"""Tianxiaomo/pytorch-YOLOv4's own class ``Yolov4``: models.py of that repository.

Not the names of its converter, which are ``tianxiaomo``. Fine level first, as in the file.
"""

from collections.abc import Iterator

from converter.darknet.network import Network
from converter.families import structures
from converter.families.base import Naming
from converter.families.matching import require_layers
from converter.families.porting import Place, name_convolutions, port
from converter.families.template import BLOCKS


def name_layers(network: Network) -> Naming:
    """The port's names for ``network``.

    Raises:
        FamilyError: naming the first layer that is not as in yolov4.cfg.
    """
    require_layers(network, structures.yolov4(*structures.size_of(network)), "Tianxiaomo's Yolov4")
    return name_convolutions(FAMILY.name, network, _places())


FAMILY = port("tianxiaomo-class", "Tianxiaomo/pytorch-YOLOv4's Yolov4 class", name_layers)


def _places() -> Iterator[Place]:
    yield from _numbered("down1", range(1, 9))
    for stage, blocks in enumerate(BLOCKS[1:], start=2):
        path = f"down{stage}"
        yield from _numbered(path, range(1, 4))
        for block in range(blocks):
            yield _module(f"{path}.resblock.module_list.{block}.0")
            yield _module(f"{path}.resblock.module_list.{block}.1")
        yield from _numbered(path, range(4, 6))
    yield from _numbered("neck", range(1, 21))
    for first, last in ((1, 2), (3, 10), (11, 18)):
        yield from _numbered("head", range(first, last))
        yield f"head.conv{last}.conv.0", ""


def _numbered(path: str, numbers: range) -> Iterator[Place]:
    for number in numbers:
        yield _module(f"{path}.conv{number}")


def _module(path: str) -> Place:
    return f"{path}.conv.0", f"{path}.conv.1"
