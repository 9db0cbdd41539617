"""What OpenCV's importer makes of layers whose options it reads, in the order of the cfg.

The facts are from opencv/opencv@4.14.0 modules/dnn/src, ``io`` being darknet/darknet_io.cpp.
"""

from __future__ import annotations

from collections.abc import Iterator

from converter.darknet.layers import Layer
from converter.darknet.layers.combining import ScaleChannels
from converter.darknet.layers.connected import Connected
from converter.darknet.layers.convolutional import Convolutional
from converter.darknet.layers.crop import Crop
from converter.darknet.layers.pooling import Avgpool, Maxpool
from converter.darknet.layers.reorg import Reorg
from converter.darknet.layers.routing import Route, Upsample
from converter.darknet.layers.shortcut import Shortcut
from converter.darknet.layers.softmax import Softmax
from converter.darknet.network import Network
from converter.darknet.nodes import Node
from converter.darknet.remark import Remark

# Layers that need maps, (N, c, h, w), and those that need all of their inputs to be alike.
_ON_MAPS = frozenset(
    {"avgpool", "convolutional", "crop", "maxpool", "region", "reorg", "upsample", "yolo"}
)
_ALIKE = frozenset({"route", "sam", "shortcut"})
# Those that find another layer by its number: io:839, 872, 914, 922, 930.
_BY_NUMBER = frozenset({"cost", "dropout", "route", "sam", "scale_channels", "shortcut"})


def refusals(network: Network) -> Iterator[Remark]:
    """Why it does not load a network, or why that stops when it should run."""
    yield from _without_maps(network)
    yield from _miscounted(network)
    yield from _misplaced(network)
    yield from _without_parts(network)
    regions = [node for node in network.nodes if node.layer.type == "region"]
    for node in regions[1:]:
        yield _remark(node, "OpenCV does not take a second [region]")  # of the same name: io:506
    for node in network.nodes:
        yield from _refused(node)


def differences(network: Network) -> Iterator[Remark]:
    """What it computes otherwise than all engines, though the options say the same."""
    renumbered = False
    for node in network.nodes:
        kind = node.layer.type
        if node.layer.has_output and _on_boxes(network, node):
            yield _remark(node, f"OpenCV has boxes, no map, as the input of this [{kind}]")
        if renumbered and kind in _BY_NUMBER:
            text = f"OpenCV takes another layer as the input of this [{kind}], or refuses it"
            yield _remark(node, text)
        if _is_split(node):
            renumbered = True
        if _reads_beyond(node):
            yield _remark(node, f"OpenCV reads what is beyond maps of {node.inputs[0]}")
        yield from _different(node)


def doubts(network: Network) -> Iterator[Remark]:
    """What it computes now so, now otherwise: of 1 and 3 values, 3 runs of 12 were others."""
    flat = _flat(network)
    for node in network.nodes:
        if isinstance(node.layer, Shortcut) and flat.issuperset(node.sources):
            first, *others = node.inputs
            if any(shape.outputs < first.outputs for shape in others):
                yield _remark(node, "OpenCV may read beyond the smaller input of this [shortcut]")


def _flat(network: Network) -> set[int]:
    """Layers whose outputs have no height and width: of a [connected] or a head, and on these."""
    flat = set[int]()
    for node in network.nodes:
        kind, layer = node.layer.type, node.layer
        on_flat = kind not in _ON_MAPS and node.sources[-1] in flat
        if kind == "connected" or layer.is_head or on_flat:
            flat.add(node.index)
    return flat


def _without_maps(network: Network) -> Iterator[Remark]:
    """Layers on the output of a [connected], which has no height and width, or of a head."""
    flat = _flat(network)
    for node in network.nodes:
        kind, layer = node.layer.type, node.layer
        found = [source in flat for source in node.sources]
        # A part is one of four dimensions: layers/slice_layer.cpp:399.
        on_maps = kind in _ON_MAPS or (isinstance(layer, Route) and layer.groups > 1)
        if (on_maps and any(found)) or (kind in _ALIKE and len(set(found)) > 1):
            yield _remark(node, f"OpenCV has no height and width of an input of this [{kind}]")
        if kind == "connected" and _on_boxes(network, node):
            yield _remark(node, f"OpenCV has boxes, no map, as the input of this [{kind}]")


def _on_boxes(network: Network, node: Node) -> bool:
    """Whether it reads a head's output: a row for each box (layers/region_layer.cpp:116)."""
    return any(source >= 0 and network.nodes[source].layer.is_head for source in node.sources)


def _miscounted(network: Network) -> Iterator[Remark]:
    """Weights of a size that does not fit: it does not follow every layer's output.

    io:730, 784, 970 and 1088.
    """
    c, h, w = network.input.c, network.input.h, network.input.w
    channels: list[int] = []
    for node in network.nodes:
        layer, shape = node.layer, node.inputs[0]
        if isinstance(layer, Connected):
            count = c * h * w if h > 1 or not channels else c
            if count != shape.outputs:
                yield _remark(node, f"OpenCV counts {count} values before it, not {shape.outputs}")
            channels[-1:] = [count] if channels else []
        elif isinstance(layer, Convolutional) and c != shape.c:
            yield _remark(node, f"OpenCV counts {c} channels before it, not {shape.c}")
        if isinstance(layer, Route):
            c = sum(channels[source] for source in node.sources) // layer.groups
        else:
            c, h, w = _followed(layer, c, h, w)
        channels.append(c)


def _followed(layer: Layer, c: int, h: int, w: int) -> tuple[int, int, int]:
    """What it takes for the shape of a layer's output, if it does for the input's: io:746-971."""
    if isinstance(layer, Convolutional):
        around, stride = 2 * layer.pixels - layer.size, layer.stride
        return layer.filters, (h + around) // stride + 1, (w + around) // stride + 1
    if isinstance(layer, Connected):
        return layer.output, 1, 1
    if isinstance(layer, Maxpool):
        around, stride = layer.pixels - layer.window, layer.stride
        return c, (h + around) // stride + 1, (w + around) // stride + 1
    if isinstance(layer, Avgpool):
        return c, 1, 1
    if isinstance(layer, Crop):
        return c, layer.crop_height, layer.crop_width
    if isinstance(layer, Reorg):
        return c * layer.stride**2, h // layer.stride, w // layer.stride
    if isinstance(layer, Upsample):
        return c, h * layer.stride, w * layer.stride
    return c, h, w


def _misplaced(network: Network) -> Iterator[Remark]:
    """Weights that go to a wrong layer: it counts a layer as one of which it makes several.

    io:332, 849 and 1008.
    """
    weighted = [n.index for n in network.nodes if isinstance(n.layer, Convolutional | Connected)]
    for node in network.nodes[: max(weighted, default=0)]:
        layer = node.layer
        adjusts = isinstance(layer, Crop) and not layer.noadjust
        if adjusts or _is_split(node):
            why = "without noadjust=1" if adjusts else "with groups= of several layers"
            yield _remark(node, f"OpenCV misplaces the weights after a [{layer.type}] {why}")


def _without_parts(network: Network) -> Iterator[Remark]:
    """Parts that are empty or do not fit together: all are of one size, whatever their layers have.

    io:839-863 and normalizeRange() of layers/slice_layer.cpp. What is joined is looked for n layers
    after the wholes.
    """
    numbered: list[tuple[int, int, int]] = []  # c, h and w
    for node in network.nodes:
        layer, n = node.layer, len(node.sources)
        if isinstance(layer, Route) and _is_split(node):
            size = sum(shape.c for shape in node.inputs) // layer.groups // n
            wholes = [numbered[source] for source in node.sources]
            start = layer.group_id * size
            # Beyond the end it is the last channel; at the end there is none.
            counts = [min(size, c - start) if start <= c else 1 for c, _, _ in wholes]
            if min(counts) < 1:
                yield _remark(node, f"OpenCV takes parts of {size} channels, and one is empty")
            numbered += [(c, h, w) for c, (_, h, w) in zip(counts, wholes, strict=True)]
            if len({numbered[source + n][1:] for source in node.sources}) > 1:
                yield _remark(node, "OpenCV joins maps of unequal size, which are not the parts")
        numbered.append((node.output.c, node.output.h, node.output.w))


def _is_split(node: Node) -> bool:
    """Whether it is a [route] of a part of each of several layers."""
    return isinstance(node.layer, Route) and node.layer.groups > 1 and len(node.sources) > 1


def _refused(node: Node) -> Iterator[Remark]:
    layer, (shape, *others) = node.layer, node.inputs
    if layer.type in ("cost", "dropout") and node.index == 0:  # io:872
        yield _remark(node, f"OpenCV does not take [{layer.type}] as the first layer")
    if isinstance(layer, Route) and len({(s.h or 1, s.w or 1) for s in node.inputs}) > 1:
        yield _remark(node, "OpenCV does not join maps of unequal size")  # layers/concat_layer.cpp
    if isinstance(layer, Shortcut) and (shape.h, shape.w) != (others[0].h, others[0].w):
        text = f"OpenCV does not add {others[0]} to {shape}"  # layers/eltwise_layer.cpp:258
        yield _remark(node, text)
    if isinstance(layer, ScaleChannels) and shape.h * shape.w > 1:
        c, h, w = others[0].sides
        if shape.h * shape.w not in (c, c * h, c * h * w):  # layers/scale_layer.cpp:146
            yield _remark(node, f"OpenCV does not scale {others[0]} by {shape}")
    if isinstance(layer, Reorg):  # layers/reorg_layer.cpp:95, 117
        s = layer.stride
        if shape.h % s or shape.w % s or shape.c * shape.h % s**2:
            yield _remark(node, f"OpenCV does not take stride={s} for maps of {shape}")


def _different(node: Node) -> Iterator[Remark]:
    layer, (shape, *others) = node.layer, node.inputs
    if isinstance(layer, Connected) and layer.batch_normalize:  # io:1048
        yield _remark(node, "OpenCV reads the weights of [connected] after those of batch norm")
    if isinstance(layer, Softmax) and shape.h * shape.w > 1:  # along axis 1: io:361
        yield _remark(node, "OpenCV takes the softmax of each pixel by itself")
    if isinstance(layer, Shortcut) and layer.alpha != 1.0 and others[0].c < shape.c:
        # layers/eltwise_layer.cpp; of darknet: pj blas.c:68
        yield _remark(node, f"OpenCV multiplies all {shape.c} channels by alpha={layer.alpha:g}")
    if isinstance(layer, ScaleChannels) and shape.h * shape.w > 1 and others[0].c > 1:
        yield _remark(node, "OpenCV takes scale_wh=1 for one value per channel")
    if isinstance(layer, Reorg) and shape.c % layer.stride**2:
        yield _remark(node, f"OpenCV moves the values of {shape.c} channels to other places")
    if isinstance(layer, Maxpool):
        out, pad = node.output, -(-layer.pixels // 2)
        ends = ((out.h - 1, shape.h + pad), (out.w - 1, shape.w + pad))
        if any(last * layer.stride >= end for last, end in ends):  # layers/pooling_layer.cpp:1376
            yield _remark(node, "OpenCV leaves out the last windows, which lie beyond the picture")
    if _is_split(node):  # io:856: the parts are looked for n layers after the wholes
        n = len(node.sources)
        same = all(other.c == shape.c for other in others)
        if not same or node.sources != tuple(range(node.index - n, node.index)):
            text = "OpenCV joins other layers than the parts of groups=, or refuses them"
            yield _remark(node, text)


def _reads_beyond(node: Node) -> bool:
    """Whether it is a convolution of each channel of a single row or column, 3x3 and padded.

    What has its own procedure (initFastConv in layers/cpu_kernels/convolution.cpp) leaves out the
    row and column on one side of the map, not on both (depthWiseBlockConv2D in conv_depthwise.cpp).
    """
    layer, shape = node.layer, node.inputs[0]
    return (
        isinstance(layer, Convolutional)
        and 1 in (shape.h, shape.w)
        and 1 < layer.groups == layer.filters == shape.c
        and (layer.size, layer.pixels) == (3, 1)
        and layer.stride <= 2
    )


def _remark(node: Node, text: str) -> Remark:
    return Remark(text=text, line=node.layer.line)
