"""A cfg for another number of classes: the lines that people change by hand before they train."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from converter.darknet.cfg import parse_cfg
from converter.darknet.layers import Layer
from converter.darknet.layers.connected import Connected
from converter.darknet.layers.convolutional import Convolutional
from converter.darknet.layers.heads import AnchorHead
from converter.darknet.network import Network, parse_network
from converter.darknet.nodes import place_of
from converter.errors import NetworkError

_NUMBER = re.compile(r"(=\s*)[+-]?[0-9]+")


def with_class_count(text: str, classes: int) -> str:
    """``text``, a cfg, for so many ``classes``.

    Each detection head gets ``classes=``, and what it reads ``filters=``; in a classifier it is the
    last layer with weights. All else stays as it is.

    Raises:
        CfgError, NetworkError: it is no network, or none whose classes can be changed.
    """
    network = parse_network(text)
    sections = {section.line: section for section in parse_cfg(text)}
    lines = text.split("\n")
    for index, key, value in options_for(network, classes):
        line = network.nodes[index].layer.line
        option = sections[line].find(key)
        if option is None:
            raise NetworkError(f"has no {key}= to change", place=f"line {line}")
        lines[option.line - 1] = _NUMBER.sub(rf"\g<1>{value}", lines[option.line - 1], count=1)
    changed = "\n".join(lines)
    if parse_network(changed).classes != classes:
        raise NetworkError(f"cannot be written for {classes} classes")
    return changed


def options_for(network: Network, classes: int) -> Iterator[tuple[int, str, int]]:
    """What changes with the number of classes: the index of a layer, the option, its value.

    Raises:
        NetworkError: a head reads no convolution, or there are no classes to change.
    """
    layers = [node.layer for node in network.nodes]
    if any(isinstance(layer, AnchorHead) for layer in layers):
        yield from options_of_heads(layers, classes)
        return
    for index in reversed(range(len(layers)) if network.classes is not None else ()):
        if isinstance(layers[index], Convolutional | Connected):
            key = "filters" if isinstance(layers[index], Convolutional) else "output"
            yield index, key, classes
            return
    raise NetworkError("has no classes to change")


def options_of_heads(layers: Sequence[Layer], classes: int) -> Iterator[tuple[int, str, int]]:
    """The same of the detection heads among ``layers``, and of what they read."""
    for index, head in enumerate(layers):
        if isinstance(head, AnchorHead):
            if not index or not isinstance(layers[index - 1], Convolutional):
                raise NetworkError("reads no convolution", place=place_of(index, head))
            yield index, "classes", classes
            yield index - 1, "filters", head.channels(classes)
