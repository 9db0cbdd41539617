"""DeNA/PyTorch_YOLOv3: one list of modules, in which residual blocks are lists again.

models/yolov3.py@386c5d2d:9-116, its yolo_layer.py for the heads' ``conv``; in file order.
"""

from collections.abc import Iterator

from converter.darknet.network import Network
from converter.families import structures
from converter.families.base import Naming
from converter.families.matching import require_layers
from converter.families.porting import Place, name_convolutions, port
from converter.families.template import BLOCKS

# The pairs of a 1x1 and a 3x3 convolution that are one module of the list: the backbone's stages,
# and in the neck those that it builds as blocks without a shortcut.
PAIRS = {2 * stage: blocks for stage, blocks in enumerate(BLOCKS, start=1)} | {11: 2, 19: 1, 27: 2}
HEADS = (14, 22, 28)
UPSAMPLED = (16, 24)


def name_layers(network: Network) -> Naming:
    """The port's names for ``network``.

    Raises:
        FamilyError: naming the first layer that is not as in yolov3.cfg.
    """
    require_layers(network, structures.yolov3(*structures.size_of(network)), "DeNA's YOLOv3")
    return name_convolutions(FAMILY.name, network, _places())


FAMILY = port("dena", "DeNA/PyTorch_YOLOv3", name_layers)


def _places() -> Iterator[Place]:
    for entry in range(HEADS[-1] + 1):
        path = f"module_list.{entry}"
        if entry in HEADS:
            yield f"{path}.conv", ""
        elif entry in PAIRS:
            for block in range(PAIRS[entry]):
                yield _module(f"{path}.module_list.{block}.0")
                yield _module(f"{path}.module_list.{block}.1")
        elif entry not in UPSAMPLED:
            yield _module(path)


def _module(path: str) -> Place:
    return f"{path}.conv", f"{path}.batch_norm"
