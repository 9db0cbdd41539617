"""The modular YOLOv3 of this package, and Darknet-53 alone: ``backbone.stem.0.conv.weight``, ...

A network is taken for one if it equals, layer by layer, the template for some width, classes,
levels, repeats, merge widths and SPP.
"""

from converter.darknet.layers.convolutional import Convolutional
from converter.darknet.layers.routing import Upsample
from converter.darknet.layers.yolo import Yolo
from converter.darknet.network import Network
from converter.errors import FamilyError
from converter.families.base import Family, Naming
from converter.families.matching import deviation, remedy, require_layers
from converter.families.template import BACKBONE_LAYERS, BLOCKS, Spec, template

_ALONE = ("heads.", "fc.")  # convolutions that are modules by themselves, without a block around


def name_layers(network: Network) -> Naming:
    """The modular model's names for ``network``.

    Raises:
        FamilyError: naming the first layer that deviates from the template.
    """
    spec = _guess(network)
    expected = template(spec)
    require_layers(network, [layer for layer, _ in expected], "a YOLOv3")
    modules = {i: path for i, (_, path) in enumerate(expected) if path}
    return Naming(
        family=FAMILY.name,
        modules=modules,
        parts={i: {"conv": path} for i, path in modules.items() if path.startswith(_ALONE)},
        linear=next((i for i, path in modules.items() if path.startswith("fc.")), None),
        spec=spec,
    )


FAMILY = Family(
    name="yolov3",
    summary="the modular YOLOv3 of this package",
    name_layers=name_layers,
)


def _guess(network: Network) -> Spec:
    """The one spec that ``network`` could be of; the comparison follows."""
    nodes = network.nodes
    stem = nodes[0].layer
    if not isinstance(stem, Convolutional):
        raise deviation(nodes[0], "a YOLOv3", "a YOLOv3 starts with [convolutional]")
    heads = [(node.index, node.layer) for node in nodes if isinstance(node.layer, Yolo)]
    if not heads:
        return guess_backbone(network, stem.filters)
    if not 3 <= len(heads) <= len(BLOCKS):
        raise FamilyError(
            f"has {len(heads)} [yolo] layers, a YOLOv3 has 3 to {len(BLOCKS)}",
            remedy=remedy(),
        )
    spp = any(node.layer.type == "maxpool" for node in nodes)
    merges = [nodes[n.sources[0]].layer for n in nodes if isinstance(n.layer, Upsample)]
    backbone = BACKBONE_LAYERS
    # The top level: lateral conv, pairs, tail, head, yolo; SPP adds seven layers.
    end, first = heads[0]
    pairs = end - backbone - 3 - (7 if spp else 0)
    return Spec(
        in_channels=network.input.c,
        width=stem.filters,
        classes=first.classes,
        levels=len(heads),
        num_repeats=max(1, pairs // 2),
        merge_channels=tuple(
            merge.filters if isinstance(merge, Convolutional) else 1 for merge in reversed(merges)
        )
        + (1,) * (len(heads) - 1 - len(merges)),
        spp=spp,
    )


def guess_backbone(network: Network, width: int) -> Spec:
    """What Darknet-53 of ``width`` is, with as much of the classifier as ``network`` has."""
    rest = [node.layer for node in network.nodes[BACKBONE_LAYERS:]]
    classes = rest[1].filters if len(rest) > 1 and isinstance(rest[1], Convolutional) else 1000
    return Spec(
        in_channels=network.input.c,
        width=width,
        classes=classes,
        levels=0,
        backbone=(
            "classifier and softmax" if len(rest) > 2 else "classifier" if rest else "features"
        ),
    )
