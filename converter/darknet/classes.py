"""A cfg for another number of classes: the lines that people change by hand before they train."""

from __future__ import annotations

import re
from collections.abc import Iterator

from converter.darknet.cfg import parse_cfg
from converter.darknet.layers.connected import Connected
from converter.darknet.layers.convolutional import Convolutional
from converter.darknet.layers.heads import AnchorHead
from converter.darknet.network import Network, parse_network
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
    for line, key, value in _options(network, classes):
        option = sections[line].find(key)
        if option is None:
            raise NetworkError(f"has no {key}= to change", place=f"line {line}")
        lines[option.line - 1] = _NUMBER.sub(rf"\g<1>{value}", lines[option.line - 1], count=1)
    changed = "\n".join(lines)
    if parse_network(changed).classes != classes:
        raise NetworkError(f"cannot be written for {classes} classes")
    return changed


def _options(network: Network, classes: int) -> Iterator[tuple[int, str, int]]:
    """What changes: the line of a section, the option, its value."""
    layers = [node.layer for node in network.nodes]
    heads = [index for index, layer in enumerate(layers) if isinstance(layer, AnchorHead)]
    for index in heads:
        head, conv = layers[index], layers[index - 1]
        assert isinstance(head, AnchorHead)
        if not index or not isinstance(conv, Convolutional):
            raise NetworkError("reads no convolution", place=network.nodes[index].place)
        yield head.line, "classes", classes
        yield conv.line, "filters", head.channels(classes)
    if heads:
        return
    for layer in reversed(layers if network.classes is not None else []):
        if isinstance(layer, Convolutional | Connected):
            key = "filters" if isinstance(layer, Convolutional) else "output"
            yield layer.line, key, classes
            return
    raise NetworkError("has no classes to change")
