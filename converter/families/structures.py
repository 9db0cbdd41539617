"""The networks that ports have classes for, at any width: YOLOv3, YOLOv3-tiny, YOLOv4, Darknet-53.

Layer by layer as in the official cfgs of these names (pjreddie/darknet, AlexeyAB/darknet cfg/).
"""

from collections.abc import Iterator
from dataclasses import replace

from converter.darknet.layers import Layer
from converter.darknet.layers.convolutional import Convolutional
from converter.darknet.layers.pooling import Maxpool
from converter.darknet.layers.routing import Route, Upsample
from converter.darknet.layers.shortcut import Shortcut
from converter.darknet.layers.yolo import Yolo
from converter.darknet.network import Network
from converter.families.template import BLOCKS, Spec, leaky, pools, template
from converter.families.yolov3 import guess_backbone


def size_of(network: Network) -> tuple[int, int]:
    """The filters of its first convolution, and the classes of its first head."""
    stem = network.nodes[0].layer
    width = stem.filters if isinstance(stem, Convolutional) else 32
    heads = (node.layer for node in network.nodes if isinstance(node.layer, Yolo))
    return width, next((head.classes for head in heads), 80)


def yolov3(width: int, classes: int, *, spp: bool = False) -> list[Layer]:
    """yolov3.cfg, or yolov3-spp.cfg."""
    spec = Spec(width=width, classes=classes, merge_channels=(4 * width, 8 * width), spp=spp)
    return [layer for layer, _ in template(spec)]


def darknet53(network: Network) -> list[Layer]:
    """darknet53.cfg, as wide as ``network`` and with as much of the classifier as it has."""
    width, _ = size_of(network)
    return [layer for layer, _ in template(guess_backbone(network, width))]


def tiny(width: int, classes: int) -> list[Layer]:
    """yolov3-tiny.cfg: seven 3x3 convolutions with pools between, heads at strides 32 and 16."""
    layers: list[Layer] = [leaky(width, 3)]
    for doubled in (2, 4, 8, 16, 32):
        layers += [Maxpool(size=2, stride=2), leaky(doubled * width, 3)]
    layers += [Maxpool(size=2, stride=1), leaky(64 * width, 3), leaky(16 * width, 1)]
    layers += [leaky(32 * width, 3), *_head(classes, (3, 4, 5), 6)]
    layers += [Route(layers=(-4,)), leaky(8 * width, 1), Upsample(), Route(layers=(-1, 8))]
    return [*layers, leaky(16 * width, 3), *_head(classes, (0, 1, 2), 6)]


def yolov4(width: int, classes: int) -> list[Layer]:
    """yolov4.cfg: CSPDarknet-53 with mish, SPP, a neck down and up again, fine head first."""
    backbone = list(_csp_darknet53(width))
    ends = [i - 1 for i, layer in enumerate(backbone) if getattr(layer, "stride", 1) == 2]
    wide = 32 * width
    layers = [*backbone, *_pair(wide // 2), leaky(wide // 2, 1), *pools(), *_pair(wide // 2)]
    layers.append(leaky(wide // 2, 1))
    # Up: the stages that end before the last and the last but one downsampling.
    for stage in (ends[4], ends[3]):
        wide //= 2
        layers += [leaky(wide // 2, 1), Upsample(), Route(layers=(stage,)), leaky(wide // 2, 1)]
        layers += [Route(layers=(-1, -3)), *_pair(wide // 2), *_pair(wide // 2)]
        layers.append(leaky(wide // 2, 1))
    # Down: to what each level was before it went up.
    layers += [leaky(wide, 3), *_head(classes, (0, 1, 2), 9, 1.2)]
    for mask, stretch, back in (((3, 4, 5), 1.1, -16), ((6, 7, 8), 1.05, -37)):
        layers += [Route(layers=(-4,)), leaky(wide, 3, stride=2), Route(layers=(-1, back))]
        wide *= 2
        layers += [*_pair(wide // 2), *_pair(wide // 2), leaky(wide // 2, 1)]
        layers += [leaky(wide, 3), *_head(classes, mask, 9, stretch)]
    return layers


def _csp_darknet53(width: int) -> Iterator[Layer]:
    """Layers 0 to 104: each stage is split in two, of which one has the residual blocks."""
    yield _mish(width, 3)
    for blocks in BLOCKS:
        width *= 2
        half = width if blocks == 1 else width // 2
        yield _mish(width, 3, stride=2)
        yield _mish(half, 1)
        yield Route(layers=(-2,))
        yield _mish(half, 1)
        for _ in range(blocks):
            yield _mish(width // 2, 1)
            yield _mish(half, 3)
            yield Shortcut(from_=(-3,))
        yield _mish(half, 1)
        yield Route(layers=(-1, -4 - 3 * blocks))
        yield _mish(width, 1)


def _pair(filters: int) -> list[Layer]:
    return [leaky(filters, 1), leaky(2 * filters, 3)]


def _head(
    classes: int, mask: tuple[int, int, int], num: int, scale_x_y: float = 1.0
) -> list[Layer]:
    convolution = Convolutional(filters=3 * (5 + classes), pad=1, activation="linear")
    return [convolution, Yolo(classes=classes, num=num, mask=mask, scale_x_y=scale_x_y)]


def _mish(filters: int, size: int, stride: int = 1) -> Layer:
    return replace(leaky(filters, size, stride), activation="mish")
