"""ultralytics/yolov3 master, whose yolov3.yaml and yolov3-spp.yaml build on YOLOv5's modules.

models/yolov3.yaml@25379c06, models/yolov3-spp.yaml@33b81fee, models/common.py (Conv, Bottleneck,
SPP). The same 75 or 76 convolutions in the same order, but SiLU, which Darknet calls swish, a batch
norm that adds 1e-3 (utils/torch_utils.py initialize_weights), and boxes that AlexeyAB's engine
decodes with ``new_coords=1`` and ``scale_x_y=2``.

A checkpoint tells all of its network but the size of the picture: it was trained on several.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from math import inf

from converter.darknet.evidence import by_cfg
from converter.darknet.layers import Layer
from converter.darknet.layers.convolutional import Convolutional
from converter.darknet.layers.pooling import Maxpool
from converter.darknet.layers.yolo import Yolo
from converter.darknet.network import Network, parse_network, render_cfg
from converter.darknet.nodes import Net
from converter.errors import FamilyError
from converter.families import structures
from converter.families.base import Family, Naming, Tensors
from converter.families.matching import require_layers
from converter.families.porting import Place, conv_module, conv_modules, name_convolutions
from converter.families.rules import ReversedGroups
from converter.families.template import BACKBONE_LAYERS, BLOCKS

EPS = 1e-3
EXTRAS = r"model\.28\.(anchors|anchor_grid|stride)"  # Detect's, which its cfg holds
ANCHORS = "model.28.anchors"  # (levels, anchors, 2), fine first, in cells of the level
STRIDES = (8, 16, 32)  # models/yolo.py DetectionModel: measured when the model is built
SIZE = 640  # of the picture, in its train.py and detect.py
# Options of which OpenCV knows no default, or another: 4.x modules/dnn/src/darknet/darknet_io.cpp.
STATED = ("filters", "size", "stride", "activation", "classes", "num")
SPP_KERNEL = BACKBONE_LAYERS + 9, "conv.weight"  # layer 84, after three convolutions and the pools


def name_layers(network: Network) -> Naming:
    """The port's names for ``network``.

    Raises:
        FamilyError: naming the first layer that is not as in yolov3.cfg or, if it has pools,
            yolov3-spp.cfg, but for activations and heads as above.
    """
    spp = any(isinstance(node.layer, Maxpool) for node in network.nodes)
    layers = structures.yolov3(*structures.size_of(network), spp=spp)
    require_layers(network, [_modern(layer) for layer in layers], "ultralytics' YOLOv3")
    # Its SPP concatenates the map itself first, and the pools from small to large; Darknet's cfg
    # the other way round.
    rules = {SPP_KERNEL: ReversedGroups(4)} if spp else {}
    return name_convolutions(
        FAMILY.name, network, _places(spp=spp), eps=EPS, rules=rules, extras=EXTRAS
    )


def recognise(tensors: Tensors) -> Network | None:
    """The network of a checkpoint with the port's names, as AlexeyAB's engine takes it.

    Raises:
        FamilyError: it is one that Darknet cannot compute.
    """
    stem = next((name for name in tensors.shapes if name.endswith("model.0.conv.weight")), "")
    prefix = stem.removesuffix("model.0.conv.weight")
    shapes = {name.removeprefix(prefix): shape for name, shape in tensors.shapes.items()}
    _require_anchors(shapes)
    head, first = (shapes.get(f"{path}.weight", ()) for path in ("model.28.m.0", "model.0.conv"))
    if len(head) != 4 or len(first) != 4 or shapes.get(ANCHORS) != (3, 3, 2):
        return None
    width, channels = first[:2]
    if min(width, channels) < 1 or head[0] < 3 * 6:
        return None
    spp = "model.12.cv1.conv.weight" in shapes
    cells = tensors.array(prefix + ANCHORS).reshape(len(STRIDES), -1).tolist()
    pixels = [side * stride for level, stride in zip(cells, STRIDES, strict=True) for side in level]
    if not all(0 < side < inf for side in pixels):
        raise FamilyError("has anchors that are no sizes", place=prefix + ANCHORS)
    layers = structures.yolov3(width, head[0] // 3 - 5, spp=spp)
    found = [
        replace(layer, anchors=tuple(pixels)) if isinstance(layer, Yolo) else layer
        for layer in map(_modern, layers)
    ]
    net = Net(width=SIZE, height=SIZE, channels=channels, letter_box=1)
    text = render_cfg(net, found, STATED)
    return parse_network(text, by_cfg(text))


FAMILY = Family(
    name="ultralytics-v5",
    summary="ultralytics/yolov3 master's yolov3 and yolov3-spp",
    name_layers=name_layers,
    native=False,
    recognise=recognise,
)


def _require_anchors(shapes: Mapping[str, tuple[int, ...]]) -> None:
    """Refuse the port's networks that Darknet has no layers for.

    Raises:
        FamilyError: by their names.
    """
    remedy = "train yolov3.yaml or yolov3-spp.yaml of ultralytics/yolov3 instead"
    # PyPI ultralytics nn/modules/head.py Detect: distances to the four sides, each a distribution.
    if any(f"model.{head}.dfl.conv.weight" in shapes for head in (20, 28)):
        raise FamilyError(
            "is a YOLOv3u: its head has neither anchors nor objectness, and Darknet has none like"
            " it; only the backbone would fit",
            remedy=remedy,
        )
    # models/yolov3-tiny.yaml: nn.ZeroPad2d before the pool of stride 1. SiLU may be below zero.
    if {"model.20.m.1.weight", "model.19.conv.weight", "model.13.conv.weight"} <= shapes.keys():
        raise FamilyError(
            "is ultralytics' yolov3-tiny: it pads a pool with zeros, which are more than the"
            " negative values that SiLU leaves and Darknet's pool takes",
            remedy=remedy,
        )


def _modern(layer: Layer) -> Layer:
    if isinstance(layer, Convolutional):
        return replace(layer, activation="swish" if layer.has_norm else "logistic")
    return replace(layer, new_coords=1, scale_x_y=2.0) if isinstance(layer, Yolo) else layer


def _places(*, spp: bool) -> Iterator[Place]:
    yield conv_module("model.0")
    for stage, blocks in enumerate(BLOCKS, start=1):
        yield conv_module(f"model.{2 * stage - 1}")
        for block in range(blocks):
            yield from _bottleneck(f"model.{2 * stage}.{block}" if blocks > 1 else "model.2")
    yield from _bottleneck("model.11")
    yield from _bottleneck("model.12") if spp else [conv_module("model.12")]
    yield from map(conv_module, ("model.13", "model.14", "model.15"))
    yield "model.28.m.2", ""
    yield conv_module("model.16")
    yield from _bottleneck("model.19")
    yield from _bottleneck("model.20")
    yield from map(conv_module, ("model.21", "model.22"))
    yield "model.28.m.1", ""
    yield conv_module("model.23")
    for path in ("model.26", "model.27.0", "model.27.1"):
        yield from _bottleneck(path)
    yield "model.28.m.0", ""


def _bottleneck(path: str) -> Iterator[Place]:
    """Two convolutions of one module; an SPP has its pools between them."""
    return conv_modules(path, ("cv1", "cv2"))
