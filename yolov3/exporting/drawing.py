"""A Darknet network as a graph of ONNX nodes whose outputs have names.

Each layer says its nodes, in its class; what a node computes has the name of its layer.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import field, replace

from converter.darknet.dialects import DEFAULT
from converter.darknet.layers import Misfit
from converter.darknet.layers.graph import Graph
from converter.darknet.layers.heads import AnchorHead, Head
from converter.darknet.network import Network
from converter.darknet.nodes import Node
from converter.darknet.schedule import owner, require_runnable, schedule
from converter.errors import NetworkError, argument
from converter.options import Layout
from converter.records import dataclass

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


def draw(network: Network, graph: Graph, wanted: Iterable[int]) -> Drawing:
    """The nodes that compute the layers ``wanted``; no outputs yet.

    Args:
        network: the network.
        graph: how to compute it, and what gets the nodes. If it is ``half``, what goes in and comes
            out, and the decoding, stay float32.
        wanted: indices of layers; -1 is the picture.

    Raises:
        NetworkError: a layer cannot be computed exactly, or not on a single picture.
    """
    require_runnable(network, graph.dialect)
    layers = {-1: INPUT}
    if graph.half:
        layers[-1] = replace(graph, place=INPUT).cast(INPUT)
    for node, _ in schedule(network, wanted, keep=()):
        place = graph.at(node.index, owner(network, node))
        try:
            layers[node.index] = node.layer.onnx(
                place, node.inputs, *(layers[source] for source in node.sources)
            )
        except Misfit as error:
            raise NetworkError(f"cannot be exported: {error}", place=node.place) from error
    return Drawing(network=network, graph=graph, layers=layers)


def draw_maps(network: Network, graph: Graph, layers: Iterable[int] | None = None) -> Drawing:
    """The outputs of ``layers`` as ``map0``, ``map1``, ...

    Args:
        network: the network.
        graph: as for ``draw``.
        layers: which; default: the raw maps that the heads get, fine to coarse, or without heads
            the last layer.

    Raises:
        NetworkError: as ``draw``.
    """
    wanted = [node.map_index for node in network.levels] if layers is None else list(layers)
    drawn = draw(network, graph, wanted)
    for number, index in enumerate(wanted):
        tensor = in_full(drawn, drawn.layers[index])
        add_output(drawn, f"map{number}", tensor, shape_of(network, index))
    return drawn


def in_full(drawn: Drawing, tensor: str) -> str:
    """A tensor of the network as float32."""
    if not drawn.graph.half:
        return tensor
    return replace(drawn.graph, place="outputs", half=False).cast(tensor)


def draw_decoded(network: Network, graph: Graph, layout: Layout) -> Drawing:
    """All boxes of a detector, as ``AnchorHead.decode_all`` has them, in a layout.

    | layout | outputs |
    | --- | --- |
    | boxes | ``boxes`` (N, M, 4): left, top, right, bottom; ``scores`` (N, M, classes) |
    | ultralytics | ``output0`` (N, 4 + classes, M): centre x, centre y, width, height, scores |
    | deepstream | ``output`` (N, M, 6): left, top, right, bottom, best score, its class |

    Coordinates are in pixels of the input. Without classes there is one, the objectness.

    Raises:
        NetworkError: a head gives no such boxes, or other classes than the rest; or as ``draw``.
    """
    heads = [(node, require_boxes(node)) for node in network.levels]
    classes = heads[0][1].classes or 1
    other = next((node for node, head in heads if (head.classes or 1) != classes), None)
    if other is not None:
        raise NetworkError(
            f"has other classes than {heads[0][0].place}, so that their boxes have no common form",
            place=other.place,
            remedy=_maps(),
        )
    drawn = draw(network, graph, [node.map_index for node, _ in heads])
    full = replace(graph, half=False)
    found: list[tuple[str, str, str]] = []
    for node, head in heads:
        # What one engine's [region] does with its values for others is no matter here.
        place = replace(full.at(node.index, node.index), dialect=DEFAULT)
        shape = node.inputs[0]
        stride = (network.input.w / shape.w, network.input.h / shape.h)
        raw = drawn.layers[node.map_index]
        raw = place.cast(raw) if graph.half else raw
        found.append(head.decode_onnx(place, shape, stride, raw))
    count = sum(head.anchor_count * node.output.h * node.output.w for node, head in heads)
    g = replace(full, place="outputs")
    centre, sides, scores = (
        g.add("Concat", *parts, axis=1) if len(parts) > 1 else parts[0]
        for parts in zip(*found, strict=True)
    )
    for name, tensor, shape_ in _in_layout(g, layout, centre, sides, scores, (count, classes)):
        add_output(drawn, name, tensor, shape_)
    return drawn


def _in_layout(
    g: Graph, layout: Layout, centre: str, sides: str, scores: str, shape: tuple[int, int]
) -> Iterator[tuple[str, str, tuple[int, ...]]]:
    """The outputs: name, tensor, and shape for one picture; ``shape`` is that of ``scores``."""
    count, classes = shape
    if layout == "ultralytics":
        rows = g.add("Concat", centre, sides, scores, axis=2)
        yield "output0", g.add("Transpose", rows, perm=[0, 2, 1]), (4 + classes, count)
        return
    half = g.add("Div", sides, 2.0)
    corners = g.add("Concat", g.add("Sub", centre, half), g.add("Add", centre, half), axis=2)
    if layout == "boxes":
        yield "boxes", corners, (count, 4)
        yield "scores", scores, shape
        return
    label = g.add("ArgMax", scores, axis=2, keepdims=1)
    label = g.cast(label)
    best = g.reduce("ReduceMax", scores, 2)
    yield "output", g.add("Concat", corners, best, label, axis=2), (count, 6)


def draw_logits(network: Network, graph: Graph, layer: int) -> Drawing:
    """The output of ``layer``, (N, c, 1, 1), as ``logits`` (N, c)."""
    drawn = draw(network, graph, [layer])
    shape = network.nodes[layer].output
    place = replace(graph, place="outputs")
    tensor = place.add("Flatten", drawn.layers[layer], axis=1)
    add_output(drawn, "logits", in_full(drawn, tensor), (shape.outputs,))
    return drawn


def require_boxes(node: Node) -> AnchorHead:
    """The head, which must give boxes that can be exported.

    Raises:
        NetworkError: it does not.
    """
    layer = node.layer
    problem = layer.export_problem() if isinstance(layer, Head) else "is no detection head"
    if problem is None and isinstance(layer, AnchorHead):
        return layer
    raise NetworkError(
        f"has no boxes that can be exported: it {problem}", place=node.place, remedy=_maps()
    )


def _maps() -> str:
    return f"export its maps: {argument('--layout', 'maps')}"


def shape_of(network: Network, index: int) -> tuple[int, ...]:
    """Sides of a layer's output, of the picture for -1, without the batch."""
    return (network.input if index < 0 else network.nodes[index].output).sides


def add_output(drawn: Drawing, name: str, tensor: str, shape: tuple[int, ...]) -> None:
    """Name a tensor; one that is no node's, or has a name already, by way of a node."""
    if tensor not in drawn.graph.operations or tensor in drawn.outputs.values():
        tensor = replace(drawn.graph, place="outputs").add("Identity", tensor)
    drawn.outputs[name] = tensor
    drawn.shapes[name] = shape
