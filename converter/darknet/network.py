"""Sections -> Network: every layer with its sources resolved and its shapes inferred."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import fields, replace
from math import prod
from typing import TypeVar

from converter.darknet.cfg import MAX_CFG_BYTES, Option, Section, decode_cfg, parse_cfg
from converter.darknet.dialects import DEFAULT, DIALECTS, DialectName
from converter.darknet.layers import LAYERS, Layer, Misfit, Shape
from converter.darknet.nodes import Net, Node, place_of, resolve
from converter.darknet.reading import Reading, misspelled, nearest, read_as
from converter.darknet.remark import Remark
from converter.errors import CfgError, NetworkError, argument, errors_name
from converter.files.opening import read_small
from converter.options import PathLike
from converter.records import dataclass

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Network:
    """A whole Darknet network.

    Attributes:
        net: the [net] section.
        input: shape of the picture.
        nodes: the layers in cfg order.
        text: the cfg text it came from.
        dialect: the engine that reads the text so; None if every option of any engine counts, as in
            a network that was built otherwise, or by metadata of schema 1.
        sections: that text as it is read; empty for a network that was built otherwise.
        skipped: options in it that its engine, or every engine, does not read.
        remarks: what the user should know of that text, by its lines.
    """

    net: Net
    input: Shape
    nodes: tuple[Node, ...]
    text: str
    dialect: DialectName | None = None
    sections: tuple[Section, ...] = ()
    skipped: tuple[Option, ...] = ()
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

    @property
    def levels(self) -> tuple[Node, ...]:
        """``outputs`` from fine to coarse, whatever their order in the file."""
        return tuple(sorted(self.outputs, key=lambda node: -node.output.h * node.output.w))

    @property
    def strides(self) -> list[int]:
        """Pixels a cell of each [yolo] layer's map, fine to coarse."""
        return [self.input.h // n.output.h for n in self.levels if n.layer.type == "yolo"]

    @property
    def coarsest_stride(self) -> int:
        """Pixels a cell of a detector's coarsest map; 0 if the picture's size is fixed."""
        heads = [node for node in self.outputs if node.layer.is_head and node.output.is_image]
        return max((self.input.h // head.output.h for head in heads), default=0)

    @property
    def anchors(self) -> list[list[tuple[float, float]]]:
        """(width, height) in pixels of the picture, of the same."""
        from converter.darknet.layers.yolo import Yolo  # late: for those who ask for it

        return [list(n.layer.sizes) for n in self.levels if isinstance(n.layer, Yolo)]

    def in_file_order(self, maps: Sequence[T]) -> list[T]:
        """What belongs to ``levels``, in the order of ``outputs``."""
        known = dict(zip((node.index for node in self.levels), maps, strict=True))
        return [known[node.index] for node in self.outputs]


def read_network(path: PathLike, dialect: DialectName | None = None) -> Network:
    """The network of a cfg file, as ``dialect`` reads it; without one, all its options count.

    Raises:
        CfgError, NetworkError: with path and line.
    """
    with errors_name(path, CfgError, NetworkError):
        return parse_network(read_cfg(path), dialect)


def read_cfg(path: PathLike) -> str:
    """The text of a cfg file.

    Raises:
        CfgError: it is no text, too large, or cannot be read.
    """
    return decode_cfg(read_small(path, MAX_CFG_BYTES, CfgError))


def parse_network(text: str, dialect: DialectName | None = None) -> Network:
    """The network of cfg text, as ``dialect`` reads it; without one, all its options count.

    Raises:
        CfgError, NetworkError: with the line at fault.
    """
    sections = parse_cfg(text)
    reading = as_read(text, sections, dialect) if dialect else Reading(sections=sections)
    return network_of(reading, text, dialect)


def reread(network: Network, dialect: DialectName | None) -> Network:
    """What ``network`` is as ``dialect`` reads its cfg; itself, if it has none.

    Raises:
        CfgError, NetworkError: that engine does not take it.
    """
    if not network.text or network.dialect == dialect:
        return network
    return parse_network(network.text, dialect)


def as_read(text: str, sections: tuple[Section, ...], dialect: DialectName) -> Reading:
    """What ``dialect``'s engine makes of ``text``, of which ``sections`` are what all read."""
    record = DIALECTS[dialect]
    if not record.strict:
        return read_as(sections, record)
    from converter.darknet.strict import read_strictly  # late: for those who ask for it

    return read_strictly(text, sections, record, record.strict)


def network_of(reading: Reading, text: str, dialect: DialectName | None = None) -> Network:
    """The network that a cfg is, as it was read.

    Raises:
        CfgError, NetworkError: with the line at fault.
    """
    if reading.refusals:
        raise reading.refusals[0]
    sections = reading.sections
    net, layers = read_layers(sections)
    try:
        network = build_network(net, layers, text, dialect)
    except NetworkError as error:
        half = len(layers) // 2
        doubts = [remark for section in sections for remark in section.remarks]
        if half > 1 and layers == 2 * layers[:half]:
            error.remedy = f"from line {layers[half].line} on the layers repeat: delete those"
        elif doubts:
            error.remedy = f"{error.remedy}; {doubts[0]}"
        raise
    remarks = [*reading.remarks, *misspelled(reading)]
    for section, layer in zip(sections, (net, *layers), strict=True):
        remarks += [*section.remarks, *layer.remarks(section)]
    remarks.sort(key=lambda remark: remark.line or 0)
    return replace(
        network, sections=sections, skipped=tuple(reading.skipped), remarks=tuple(remarks)
    )


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


def build_network(
    net: Net, layers: Sequence[Layer], text: str, dialect: DialectName | None = None
) -> Network:
    """Resolve the sources and infer the shapes of ``layers``.

    Raises:
        NetworkError: naming the first layer that does not fit, or that ``dialect`` does not take.
    """
    if not layers:
        raise NetworkError("has no layers after [net]", place=f"line {net.line}")
    try:
        picture = net.infer()
    except Misfit as error:
        place = f"line {net.line}"
        raise NetworkError(f"[net] {error}", place=place, remedy="correct the cfg") from error
    nodes: list[Node] = []
    try:
        resolve(nodes, net, layers)
    except Misfit as error:
        from converter.darknet.sizes import unequal_maps  # late: a cfg that fits needs none

        place = place_of(len(nodes), layers[len(nodes)])
        refusal = NetworkError(str(error), place=place, remedy="correct the cfg")
        raise unequal_maps(net, layers, nodes) or refusal from error
    return taken(Network(net=net, input=picture, nodes=tuple(nodes), text=text, dialect=dialect))


def taken(network: Network) -> Network:
    """``network``, which its engine must take.

    Raises:
        NetworkError: naming the first layer that it does not take.
    """
    refusal = next(refusals(network, network.dialect), None) if network.dialect else None
    if refusal:
        raise refusal
    return network


def refusals(network: Network, dialect: DialectName) -> Iterator[NetworkError]:
    """Why ``dialect``'s engine does not take a network whose every option it reads."""
    record = DIALECTS[dialect]
    for node in network.nodes:
        problem = node.layer.refusal(node.inputs, dialect)
        if problem:
            yield NetworkError(
                f"{record.engine} does not take it: {problem}",
                place=node.place,
                remedy="correct the cfg, or name the engine that it is for with"
                f" {argument('--dialect')}",
            )
    net, last = network.net, network.nodes[-1].layer
    if record.strict and last.type in record.strict.ends:
        multiple = record.strict.multiple
        if net.width % multiple or net.height % multiple:
            yield NetworkError(
                f"{record.engine} does not take width={net.width} and height={net.height}",
                place=f"line {net.line}",
                remedy=f"make both a multiple of {multiple}, as its [{last.type}] demands",
            )


def crashes(network: Network, dialect: DialectName) -> Iterator[NetworkError]:
    """What stops the engine while it loads, though it takes every layer.

    A file of such a network is converted all the same: another version may have written it.
    """
    record = DIALECTS[dialect]
    maps = (n.inputs[0] for n in network.nodes if not n.layer.is_flat)
    if record.divides_by_maps and not any(shape.h > 1 and shape.w > 1 for shape in maps):
        yield NetworkError(
            f"{record.engine} divides by the number of layers with maps, and there are none",
            place=f"line {network.net.line}",
        )


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
        raise _unknown_section(section)
    return cls


def _unknown_section(section: Section) -> CfgError:
    from converter.darknet.dialects.forks import SECTIONS  # late: rarely needed

    place = f"line {section.line}"
    whose = SECTIONS.get(section.type)
    if whose:
        problem = f"[{section.type}] is a layer of {whose}, which no darknet has"
        return CfgError(problem, place=place, remedy="keep the checkpoint in that port")
    meant = nearest(section.type, LAYERS)
    return CfgError(
        f"[{section.type}] is not a layer that can be converted",
        place=place,
        remedy=f"did you mean [{meant}]?" if meant else f"known are {', '.join(sorted(LAYERS))}",
    )


def render_cfg(net: Net, layers: Sequence[Layer], stated: Collection[str] = ()) -> str:
    """Cfg text that parses to ``net`` and ``layers``.

    Of options, it has those that differ from the default, and those in ``stated``.
    """
    return "\n".join("\n".join(_section_lines(layer, stated)) + "\n" for layer in (net, *layers))


def _section_lines(layer: Layer, stated: Collection[str]) -> list[str]:
    lines = [f"[{layer.type}]"]
    for option in fields(layer):
        value = getattr(layer, option.name)
        if option.compare and (value != option.default or option.name in stated):
            items = value if isinstance(value, tuple) else (value,)
            text = ",".join(f"{v:.9g}" if isinstance(v, float) else str(v) for v in items)
            lines.append(f"{option.name.rstrip('_')}={text}")
    return lines
