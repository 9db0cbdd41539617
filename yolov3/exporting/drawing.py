"""A Darknet network as a graph of ONNX nodes whose outputs have names.

Each layer says its nodes, in its class; what a node computes has the name of its layer.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from converter.darknet.dialects import DEFAULT, DialectName
from converter.darknet.layers import Misfit, Shape
from converter.darknet.layers.graph import Graph
from converter.darknet.layers.heads import AnchorHead
from converter.darknet.network import Network
from converter.darknet.nodes import Node
from converter.darknet.schedule import owner, require_runnable, schedule
from converter.errors import NetworkError
from converter.options import BatchNormRule

INPUT = "images"


@dataclass(frozen=True, kw_only=True)
class Drawing:
    """A network as a graph whose outputs have names.

    Attributes:
        network: what was drawn.
        graph: its nodes.
        layers: layer index -> the tensor that is its output; -1 is the picture.
        outputs: name -> tensor.
        shapes: name of an output -> its shape for one picture.
    """

    network: Network
    graph: Graph
    layers: Mapping[int, str]
    outputs: dict[str, str] = field(default_factory=dict)
    shapes: dict[str, tuple[int, ...]] = field(default_factory=dict)


def draw(
    network: Network,
    dialect: DialectName,
    wanted: Iterable[int],
    *,
    opset: int,
    rule: BatchNormRule = "torch",
    dynamic: bool = False,
) -> Drawing:
    """The nodes that compute the layers ``wanted``; no outputs yet.

    Args:
        network: the network.
        dialect: whose engine to follow.
        wanted: indices of layers; -1 is the picture.
        opset: the ONNX operator set.
        rule: of batch norm.
        dynamic: leave the numbers of pictures, rows and columns open.

    Raises:
        NetworkError: a layer cannot be computed exactly, or not on a single picture.
    """
    require_runnable(network, dialect)
    graph = Graph(opset=opset, dialect=dialect, rule=rule, dynamic=dynamic)
    layers = {-1: INPUT}
    for node, _ in schedule(network, wanted, keep=()):
        place = graph.at(node.index, owner(network, node))
        try:
            layers[node.index] = node.layer.onnx(
                place, node.inputs, *(layers[source] for source in node.sources)
            )
        except Misfit as error:
            raise NetworkError(f"cannot be exported: {error}", place=node.place) from error
    return Drawing(network=network, graph=graph, layers=layers)


def draw_maps(
    network: Network, dialect: DialectName, layers: Iterable[int] | None = None, **options: Any
) -> Drawing:
    """The outputs of ``layers`` as ``map0``, ``map1``, ...

    Args:
        network: the network.
        dialect: whose engine to follow.
        layers: which; default: the raw maps that the heads get, fine to coarse, or without heads
            the last layer.
        options: those of ``draw``, whose errors these are, too.
    """
    wanted = [_map(node) for node in network.levels] if layers is None else list(layers)
    drawn = draw(network, dialect, wanted, **options)
    for number, index in enumerate(wanted):
        add_output(drawn, f"map{number}", drawn.layers[index], shape_of(network, index))
    return drawn


def draw_boxes(network: Network, dialect: DialectName, **options: Any) -> Drawing:
    """``boxes`` (N, M, 4) and ``scores`` (N, M, classes), as ``AnchorHead.decode_all`` has them.

    ``options`` and errors are those of ``draw``.

    Raises:
        NetworkError: a head that is no [yolo], and no plain [region].
    """
    heads = [(node, require_boxes(node)) for node in network.levels]
    drawn = draw(network, dialect, [_map(node) for node, _ in heads], **options)
    found: list[tuple[str, str]] = []
    for node, head in heads:
        # What one engine's [region] does with its values for others is no matter here.
        place = replace(drawn.graph.at(node.index, node.index), dialect=DEFAULT)
        shape = node.inputs[0]
        stride = (network.input.w / shape.w, network.input.h / shape.h)
        found.append(head.boxes_onnx(place, shape, stride, drawn.layers[_map(node)]))
    count = sum(head.anchor_count * node.output.h * node.output.w for node, head in heads)
    for name, parts, values in zip(
        ("boxes", "scores"), zip(*found, strict=True), (4, heads[0][1].classes), strict=True
    ):
        tensor = parts[0]
        if len(parts) > 1:
            tensor = replace(drawn.graph, place="outputs").add("Concat", *parts, axis=1)
        add_output(drawn, name, tensor, (count, values))
    return drawn


def draw_logits(network: Network, dialect: DialectName, layer: int, **options: Any) -> Drawing:
    """The output of ``layer``, (N, c, 1, 1), as ``logits`` (N, c)."""
    drawn = draw(network, dialect, [layer], **options)
    shape = network.nodes[layer].output
    place = replace(drawn.graph, place="outputs")
    tensor = place.add("Flatten", drawn.layers[layer], axis=1)
    add_output(drawn, "logits", tensor, (shape.outputs,))
    return drawn


def require_boxes(node: Node) -> AnchorHead:
    """The head, which must give boxes that can be exported.

    Raises:
        NetworkError: it does not.
    """
    layer = node.layer
    if not isinstance(layer, AnchorHead) or not layer.exports_boxes:
        raise NetworkError(
            "gives no boxes that can be exported",
            place=node.place,
            remedy="export its maps, without --boxes",
        )
    return layer


def _map(node: Node) -> int:
    """The layer whose output is that of the network at ``node``."""
    return node.sources[0] if node.layer.is_head else node.index


def shape_of(network: Network, index: int) -> tuple[int, ...]:
    """Sides of a layer's output, of the picture for -1, without the batch."""
    return sides_of(network.input if index < 0 else network.nodes[index].output)


def sides_of(shape: Shape) -> tuple[int, ...]:
    """(c, h, w), or (outputs,) where Darknet knows no height and width."""
    return (shape.c, shape.h, shape.w) if shape.is_image else (shape.outputs,)


def add_output(drawn: Drawing, name: str, tensor: str, shape: tuple[int, ...]) -> None:
    """Name a tensor; one that is no node's, or has a name already, by way of a node."""
    if tensor not in drawn.graph.operations or tensor in drawn.outputs.values():
        tensor = replace(drawn.graph, place="outputs").add("Identity", tensor)
    drawn.outputs[name] = tensor
    drawn.shapes[name] = shape


def stride_of(network: Network) -> int:
    """Pixels a cell of a detector's coarsest map; 0 if the picture's size is fixed."""
    heads = [node for node in network.outputs if node.layer.is_head and node.output.is_image]
    return max((network.input.h // head.output.h for head in heads), default=0)
