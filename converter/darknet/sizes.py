"""Why maps do not meet at a [route], and which sizes of the input make them.

An input is halved by strides and doubled again by [upsample]; where a half was rounded, the two
ways to a [route] end in maps of unequal size. Darknet then knows no height and width any more (pj
parser.c:635, AB :1107), and stops at the next layer that needs them (pj parser.c:193).
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

from converter.darknet.layers import Layer, Misfit
from converter.darknet.layers.routing import Route
from converter.darknet.nodes import Net, Node, resolve
from converter.errors import NetworkError

FARTHEST = 128  # pixels from the size that was asked for; the largest official stride is 128
MOST_LINKS = 500  # from layer to layer: each size is tried with all; official cfgs have up to 461

Side = Literal["height", "width"]


def unequal_maps(net: Net, layers: Sequence[Layer], nodes: Sequence[Node]) -> NetworkError | None:
    """The refusal of ``layers`` after ``nodes``, if it is for the maps that a [route] joins."""
    layer = layers[len(nodes)]
    route = _route_before(layer, nodes)
    if route is None:
        return None
    reader = Node(index=len(nodes), layer=layer, sources=(), inputs=(), output=route.output)
    return NetworkError(
        f"joins maps of unequal size, {' and '.join(map(str, route.inputs[:4]))},"
        f" which {reader.place}, cannot read",
        place=route.place,
        remedy=_fitting(net, layers, route) or "correct the cfg",
    )


def _route_before(layer: Layer, nodes: Sequence[Node]) -> Node | None:
    """The nearest [route] of unequal maps that leaves ``layer`` without height and width."""
    try:
        reached = set(layer.sources(len(nodes)))
    except Misfit:
        return None
    for node in reversed(nodes):
        if node.index in reached and not node.output.is_image:
            if isinstance(node.layer, Route) and all(shape.is_image for shape in node.inputs):
                return node
            reached.update(node.sources)
    return None


def _fitting(net: Net, layers: Sequence[Layer], route: Node) -> str:
    """The next smaller and larger sizes with which ``layers`` fit, as a remedy; "" if none do."""
    unequal: dict[Side, int] = {}
    if len({shape.h for shape in route.inputs}) > 1:
        unequal["height"] = net.height
    if len({shape.w for shape in route.inputs}) > 1:
        unequal["width"] = net.width
    try:
        links = sum(len(layer.sources(index)) for index, layer in enumerate(layers))
    except Misfit:  # whatever the size
        return ""
    if links > MOST_LINKS:
        return ""
    # Of two sides, each is looked for with the other as long as itself.
    nearest = {size: _nearest(net, layers, tuple(unequal), size) for size in unequal.values()}
    found = [
        " or ".join(f"{side}={fitting}" for fitting in nearest[size])
        for side, size in unequal.items()
    ]
    return f"the next sizes that fit are {', and '.join(found)}" if all(found) else ""


def _nearest(net: Net, layers: Sequence[Layer], sides: tuple[Side, ...], size: int) -> list[int]:
    """The next below and above ``size`` that fit as the length of ``sides``, if there are any."""
    below = range(size - 1, max(0, size - FARTHEST - 1), -1)
    above = range(size + 1, size + FARTHEST + 1)
    found = (
        next((n for n in way if _fits(net, layers, dict.fromkeys(sides, n))), None)
        for way in (below, above)
    )
    return [n for n in found if n]


def _fits(net: Net, layers: Sequence[Layer], sizes: dict[Side, int]) -> bool:
    """Whether ``layers`` take an input of these ``sizes``, and divide it without remainder.

    Others can fit, too, but darknet itself goes by such steps: pj examples/detector.c:65.
    """
    nodes: list[Node] = []
    try:
        resolve(nodes, replace(net, **sizes), layers)
    except Misfit:
        return False
    pairs = [(shape, node.output) for node in nodes for shape in node.inputs]
    pairs = [(one, other) for one, other in pairs if one.is_image and other.is_image]
    rows = [(one.h, other.h) for one, other in pairs]
    columns = [(one.w, other.w) for one, other in pairs]
    lengths = rows * ("height" in sizes) + columns * ("width" in sizes)
    return all(max(pair) % min(pair) == 0 for pair in lengths)
