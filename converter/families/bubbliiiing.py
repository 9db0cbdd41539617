"""bubbliiiing/yolo3-pytorch and yolov4-pytorch, coarse level first.

The two have different names. nets/darknet.py and nets/yolo.py of the first, nets/CSPdarknet.py and
nets/yolo.py of the second.
"""

from collections.abc import Iterator

from converter.darknet.layers.convolutional import Convolutional
from converter.darknet.network import Network
from converter.families import structures
from converter.families.base import Naming
from converter.families.matching import require_layers
from converter.families.porting import Place, conv_module, conv_modules, name_convolutions, port
from converter.families.template import BLOCKS


def name_layers(network: Network) -> Naming:
    """The port's names for ``network``.

    Raises:
        FamilyError: naming the first layer that is not as in yolov4.cfg, if it begins with mish, or
            else as in yolov3.cfg.
    """
    size, stem = structures.size_of(network), network.nodes[0].layer
    if isinstance(stem, Convolutional) and stem.activation == "mish":
        require_layers(network, structures.yolov4(*size), "bubbliiiing's YOLOv4")
        places = _yolov4()
    else:
        require_layers(network, structures.yolov3(*size), "bubbliiiing's YOLOv3")
        places = _yolov3()
    return name_convolutions(FAMILY.name, network, places)


FAMILY = port("bubbliiiing", "bubbliiiing/yolo3-pytorch and yolov4-pytorch", name_layers)


def _yolov3() -> Iterator[Place]:
    yield "backbone.conv1", "backbone.bn1"
    for stage, blocks in enumerate(BLOCKS, start=1):
        path = f"backbone.layer{stage}"
        yield f"{path}.ds_conv", f"{path}.ds_bn"
        for block in range(blocks):
            for number in (1, 2):
                residual = f"{path}.residual_{block}"
                yield f"{residual}.conv{number}", f"{residual}.bn{number}"
    for level in range(3):
        if level:
            yield conv_module(f"last_layer{level}_conv")
        yield from conv_modules(f"last_layer{level}", range(6))
        yield f"last_layer{level}.6", ""


def _yolov4() -> Iterator[Place]:
    yield conv_module("backbone.conv1")
    for stage, blocks in enumerate(BLOCKS):
        path = f"backbone.stages.{stage}"
        yield from conv_modules(path, ("downsample_conv", "split_conv0", "split_conv1"))
        for block in range(blocks):
            yield from conv_modules(f"{path}.blocks_conv.{block}.block", range(2))
        yield conv_module(f"{path}.blocks_conv.{blocks}")
        yield conv_module(f"{path}.concat_conv")
    yield from conv_modules("conv1", range(3))
    yield from conv_modules("conv2", range(3))
    for step, level in ((1, 4), (2, 3)):
        yield conv_module(f"upsample{step}.upsample.0")
        yield conv_module(f"conv_for_P{level}")
        yield from conv_modules(f"make_five_conv{step}", range(5))
    for step, head in enumerate((3, 2, 1)):
        if step:
            yield conv_module(f"down_sample{step}")
            yield from conv_modules(f"make_five_conv{step + 2}", range(5))
        yield conv_module(f"yolo_head{head}.0")
        yield f"yolo_head{head}.1", ""
