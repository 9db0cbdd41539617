"""Sections -> Network: every layer with its sources resolved and its shapes inferred."""

import os
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from math import prod

from converter.darknet.cfg import MAX_CFG_BYTES, Section, decode_cfg, parse_cfg
from converter.darknet.dialects import DEFAULT, DialectName
from converter.darknet.layers import LAYERS, Layer, Misfit, Shape
from converter.darknet.nodes import Net, Node, resolve
from converter.darknet.remark import Remark
from converter.errors import CfgError, NetworkError
from converter.files.opening import read_small
from converter.options import PathLike


@dataclass(frozen=True, kw_only=True)
class Network:
    """A whole Darknet network.

    Attributes:
        net: the [net] section.
        input: shape of the picture.
        nodes: the layers in cfg order.
        text: the cfg text it came from.
        sections: that text, parsed; empty for a network that was built otherwise.
        remarks: what is to be said of that text, by its lines.
    """

    net: Net
    input: Shape
    nodes: tuple[Node, ...]
    text: str
    sections: tuple[Section, ...] = ()
    remarks: tuple[Remark, ...] = ()

    @property
    def floats(self) -> int:
        """Float32 values after the header of its .weights file, as the default engine writes it."""
        return self.floats_of(DEFAULT)

    def floats_of(self, dialect: DialectName) -> int:
        """Float32 values after the header; the dialects differ for few layers, such as [rnn]."""
        return sum(
            prod(array.shape)
            for node in self.nodes
            for array in node.layer.arrays(node.inputs, dialect)
            if array.on_disk
        )

    @property
    def classes(self) -> int | None:
        """Classes of the detector or classifier; None for a bare backbone."""
        last = self.outputs[-1]
        if last.layer.is_head:
            return int(getattr(last.layer, "classes"))  # noqa: B009 - every head has classes
        softmax = any(node.layer.type == "softmax" for node in self.nodes)
        return self.nodes[-1].output.outputs if softmax else None

    @property
    def outputs(self) -> tuple[Node, ...]:
        """The detection heads in file order; without any, the last layer that has an output."""
        heads = tuple(node for node in self.nodes if node.layer.is_head)
        last = next((n for n in reversed(self.nodes) if n.layer.has_output), self.nodes[-1])
        return heads or (last,)


def read_network(path: PathLike) -> Network:
    """The network of a cfg file.

    Raises:
        CfgError, NetworkError: with path and line.
    """
    try:
        return parse_network(read_cfg(path))
    except (CfgError, NetworkError) as error:
        error.path = os.fspath(path)
        raise


def read_cfg(path: PathLike) -> str:
    """The text of a cfg file.

    Raises:
        CfgError: it is no text, too large, or cannot be read.
    """
    return decode_cfg(read_small(path, MAX_CFG_BYTES, CfgError))


def parse_network(text: str) -> Network:
    """The network of cfg text.

    Raises:
        CfgError, NetworkError: with the line at fault.
    """
    sections = parse_cfg(text)
    net, layers = read_layers(sections)
    try:
        network = build_network(net, layers, text)
    except NetworkError as error:
        half = len(layers) // 2
        doubts = [remark for section in sections for remark in section.remarks]
        if half > 1 and layers == 2 * layers[:half]:
            error.remedy = f"from line {layers[half].line} on the layers repeat: delete those"
        elif doubts:
            error.remedy = f"{error.remedy}; {doubts[0]}"
        raise
    remarks = [
        remark
        for section, layer in zip(sections, (net, *layers), strict=True)
        for remark in (*section.remarks, *layer.remarks(section))
    ]
    remarks.sort(key=lambda remark: remark.line or 0)
    return replace(network, sections=sections, remarks=tuple(remarks))


def read_layers(sections: Sequence[Section]) -> tuple[Net, list[Layer]]:
    """[net] and the layers of a cfg, each by itself.

    Raises:
        CfgError: with the line at fault.
    """
    again = next((i for i, section in enumerate(sections) if i and section.type == "net"), None)
    if again is not None:
        raise _second_net(sections, again)
    layers = [_layer_class(section).from_section(section) for section in sections[1:]]
    return Net.from_section(sections[0]), layers


def build_network(net: Net, layers: Sequence[Layer], text: str) -> Network:
    """Resolve the sources and infer the shapes of ``layers``.

    Raises:
        NetworkError: naming the first layer that does not fit.
    """
    if not layers:
        raise NetworkError("has no layers after [net]", place=f"line {net.line}")
    try:
        picture = net.infer()
    except Misfit as error:
        raise NetworkError(f"[net] {error}", place=f"line {net.line}") from error
    nodes: list[Node] = []
    try:
        resolve(nodes, net, layers)
    except Misfit as error:
        from converter.darknet.sizes import unequal_maps  # late: a cfg that fits needs none

        layer = layers[len(nodes)]
        place = f"line {layer.line}, layer {len(nodes)} [{layer.type}]"
        refusal = NetworkError(str(error), place=place, remedy="correct the cfg")
        raise unequal_maps(net, layers, nodes) or refusal from error
    return Network(net=net, input=picture, nodes=tuple(nodes), text=text)


def _second_net(sections: Sequence[Section], again: int) -> CfgError:
    facts = [(s.type, [(option.key, option.text) for option in s.options]) for s in sections]
    repeated = facts[again:] == facts[: len(facts) - again]
    what = "the same network again: it was appended to itself" if repeated else "a second network"
    line = sections[again].line
    return CfgError(
        f"holds {what}",
        place=f"line {line}",
        remedy=f"delete everything from line {line} on"
        if repeated
        else f"keep what is before line {line} or what follows",
    )


def _layer_class(section: Section) -> type[Layer]:
    cls = LAYERS.get(section.type)
    if cls is None:
        raise CfgError(
            f"[{section.type}] is not a layer that can be converted",
            place=f"line {section.line}",
            remedy=f"known are {', '.join(sorted(LAYERS))}",
        )
    return cls


def render_cfg(net: Net, layers: Sequence[Layer]) -> str:
    """Cfg text that parses to ``net`` and ``layers``: only options that differ from the default."""
    return "\n".join("\n".join(_section_lines(layer)) + "\n" for layer in (net, *layers))


def _section_lines(layer: Layer) -> list[str]:
    lines = [f"[{layer.type}]"]
    for option in fields(layer):
        value = getattr(layer, option.name)
        if option.compare and value != option.default:
            items = value if isinstance(value, tuple) else (value,)
            text = ",".join(f"{v:.9g}" if isinstance(v, float) else str(v) for v in items)
            lines.append(f"{option.name.rstrip('_')}={text}")
    return lines
