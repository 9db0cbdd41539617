"""How the report writes numbers, shapes and operations."""

from __future__ import annotations

from converter.darknet.layers import Shape
from converter.darknet.layers.convolutional import Convolutional
from converter.darknet.layers.pooling import Maxpool
from converter.darknet.layers.routing import Route, Upsample
from converter.darknet.layers.shortcut import Shortcut
from converter.darknet.nodes import Node

TIMES = "\N{MULTIPLICATION SIGN}"
DASH = "\N{EN DASH}"
MINUS = "\N{MINUS SIGN}"


def short(value: float | None) -> str:
    """Three significant digits; a dash for no value."""
    return DASH if value is None else f"{value:.3g}".replace("-", MINUS)


def shape(value: Shape | tuple[int, ...]) -> str:
    """The shape of a layer's output, or of a tensor."""
    sizes = value if isinstance(value, tuple) else str(value).split(" x ")
    return TIMES.join(map(str, sizes))


def span(first: int, last: int) -> str:
    """From ``first`` to ``last``, both included."""
    return f"{first:,}{DASH}{last:,}"


def operation(node: Node) -> str:
    """What a layer does in a few characters: kernel and stride, ``concat``, ``pool 2``, ..."""
    layer = node.layer
    if isinstance(layer, Convolutional):
        y, x = layer.strides
        step = "" if y == x == 1 else f"/{y}" if y == x else f"/{y},{x}"
        return f"{layer.size}{TIMES}{layer.size}{step}"
    if isinstance(layer, Maxpool):
        return f"pool {layer.size}"
    if isinstance(layer, Upsample):
        return f"{'up' if layer.stride > 0 else 'down'} {TIMES}{abs(layer.stride)}"
    if isinstance(layer, Route):
        return "concat" if len(node.sources) > 1 else "route"
    return "add" if isinstance(layer, Shortcut) else layer.type
