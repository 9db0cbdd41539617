"""ultralytics/yolov3 master, whose yolov3.yaml and yolov3-spp.yaml build on YOLOv5's modules.

models/yolov3.yaml@25379c06, models/yolov3-spp.yaml@33b81fee, models/common.py (Conv, Bottleneck,
SPP). The same 75 or 76 convolutions in the same order, but SiLU, which Darknet calls swish, a batch
norm that adds 1e-3 (utils/torch_utils.py initialize_weights), and boxes that AlexeyAB's engine
decodes with ``new_coords=1`` and ``scale_x_y=2``.
"""

from collections.abc import Iterator
from dataclasses import replace

from converter.darknet.layers import Layer
from converter.darknet.layers.convolutional import Convolutional
from converter.darknet.layers.pooling import Maxpool
from converter.darknet.layers.yolo import Yolo
from converter.darknet.network import Network
from converter.families import structures
from converter.families.base import Family, Naming
from converter.families.matching import require_layers
from converter.families.porting import Place, conv_module, name_convolutions
from converter.families.rules import ReversedGroups
from converter.families.template import BACKBONE_LAYERS, BLOCKS

EPS = 1e-3
EXTRAS = r"model\.28\.(anchors|anchor_grid|stride)"  # Detect's, which its cfg holds
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


FAMILY = Family(
    name="ultralytics-v5",
    summary="ultralytics/yolov3 master's yolov3 and yolov3-spp",
    name_layers=name_layers,
    native=False,
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
    yield conv_module(f"{path}.cv1")
    yield conv_module(f"{path}.cv2")
