"""open-mmlab/mmdetection's YOLOV3 with Darknet-53, coarse level first.

mmdet 3.x models/backbones/darknet.py, necks/yolo_neck.py, dense_heads/yolo_head.py; a ConvModule is
``.conv`` and ``.bn``.
"""

from collections.abc import Iterator

from converter.darknet.network import Network
from converter.families import structures
from converter.families.base import Naming
from converter.families.matching import require_layers
from converter.families.porting import Place, conv_module, conv_modules, name_convolutions, port
from converter.families.template import BLOCKS


def name_layers(network: Network) -> Naming:
    """The port's names for ``network``.

    Raises:
        FamilyError: naming the first layer that is not as in yolov3.cfg.
    """
    require_layers(network, structures.yolov3(*structures.size_of(network)), "mmdet's YOLOv3")
    return name_convolutions(FAMILY.name, network, _places())


FAMILY = port("mmdet", "mmdetection's YOLOV3", name_layers)


def _places() -> Iterator[Place]:
    yield conv_module("backbone.conv1")
    for stage, blocks in enumerate(BLOCKS, start=1):
        path = f"backbone.conv_res_block{stage}"
        yield conv_module(f"{path}.conv")
        for block in range(blocks):
            yield from conv_modules(f"{path}.res{block}", ("conv1", "conv2"))
    for level in range(3):  # coarse to fine
        if level:
            yield conv_module(f"neck.conv{level}")
        for conv in range(1, 6):
            yield conv_module(f"neck.detect{level + 1}.conv{conv}")
        yield conv_module(f"bbox_head.convs_bridge.{level}")
        yield f"bbox_head.convs_pred.{level}", ""
