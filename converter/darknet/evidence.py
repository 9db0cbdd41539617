"""Which engine wrote a file.

The engines agree on most layers, but order the arrays of some differently, and read some options
differently. Nothing in a .weights file says which of them it comes from, so it is decided, in this
order, by

1. what the user says;
2. the file's size, where only one of them would have written that many bytes;
3. sections, options and activations that only one of them knows;
4. the version in the header; any that no engine writes today is read as the default's.
"""

from collections.abc import Iterator
from dataclasses import dataclass, fields

from converter.darknet.dialects import DEFAULT, DIALECTS, DialectName
from converter.darknet.header import Header
from converter.darknet.network import Network
from converter.darknet.nodes import Node
from converter.errors import WeightsError


@dataclass(frozen=True, kw_only=True)
class Choice:
    """A dialect, and a sentence about what speaks against it, if anything does."""

    dialect: DialectName
    warning: str | None = None


def choose(network: Network, head: bytes, size: int, explicit: DialectName | None = None) -> Choice:
    """The dialect of a file of ``size`` bytes that starts with ``head``.

    Raises:
        WeightsError: the order of its arrays depends on it, and the signs contradict each other or
            there are none.
    """
    signs = _signs(network, Header.decode(head), head, size)
    if explicit:
        return Choice(dialect=explicit, warning=_warning(explicit, signs))
    strength = {d: sorted({sign.strength for sign in signs[d]} | {_NONE}) for d in DIALECTS}
    best = min(DIALECTS, key=lambda d: strength[d])
    decided = _SIZE in strength[best] or (signs[best] and not all(signs.values()))
    if not decided and _order_differs(network):
        raise WeightsError(
            f"may be of either engine, and their orders differ: {_both(signs)}",
            remedy="say which with " + " or ".join(f"--dialect {name}" for name in DIALECTS),
        )
    return Choice(dialect=best, warning=_warning(best, signs))


def by_cfg(network: Network) -> DialectName:
    """The only engine that knows all that the cfg says; the default if there is no such one."""
    found = {dialect for dialect, _ in evidence(network)}
    return found.pop() if len(found) == 1 else DEFAULT


_SIZE, _CFG, _HEADER, _NONE = range(4)


@dataclass(frozen=True, kw_only=True)
class _Sign:
    """Something that speaks for a dialect; smaller ``strength`` is stronger."""

    strength: int
    text: str


def _signs(
    network: Network, header: Header, head: bytes, size: int
) -> dict[DialectName, tuple[_Sign, ...]]:
    signs: dict[DialectName, list[_Sign]] = {dialect: [] for dialect in DIALECTS}
    fitting = [
        dialect
        for dialect in DIALECTS
        if size == Header.decode(head, dialect).size + 4 * network.floats_of(dialect)
    ]
    if len(fitting) == 1:
        signs[fitting[0]].append(_Sign(strength=_SIZE, text=f"its size, {size:,} bytes"))
    for dialect, text in evidence(network):
        signs[dialect].append(_Sign(strength=_CFG, text=text))
    for dialect, record in DIALECTS.items():
        if record.version == (header.major, header.minor, header.revision):
            text = f"version {header.version} in its header"
            signs[dialect].append(_Sign(strength=_HEADER, text=text))
    return {dialect: tuple(found) for dialect, found in signs.items()}


def evidence(network: Network) -> Iterator[tuple[DialectName, str]]:
    """What in the cfg only one engine knows: (dialect, description with its line)."""
    for node in network.nodes:
        yield from _only_one(
            [name for name, d in DIALECTS.items() if node.layer.type not in d.unknown_sections],
            node.place,
        )
        for option in _written_options(node):
            key = option.rstrip("_")
            readers = [name for name in DIALECTS if _reads(name, node, key)]
            yield from _only_one(readers, f"{key}= of {node.place}")
    for section in network.sections:
        for dialect, record in DIALECTS.items():
            for written in section.options:
                if written.key in record.training_options.get(section.type, ()):
                    yield dialect, f"{written.key}= in line {written.line}"


def _only_one(readers: list[DialectName], text: str) -> Iterator[tuple[DialectName, str]]:
    if len(readers) == 1:
        yield readers[0], text


def _written_options(node: Node) -> Iterator[str]:
    """Options that are written otherwise than by default."""
    layer = node.layer
    for option in fields(layer):
        if option.compare and getattr(layer, option.name) != option.default:
            yield option.name


def _reads(dialect: DialectName, node: Node, key: str) -> bool:
    """Whether that engine takes ``key`` of a layer for what it says."""
    record = DIALECTS[dialect]
    if key == "activation":
        return getattr(node.layer, key) not in record.unknown_activations
    if key == "from" and record.shortcut_inputs and node.layer.type == "shortcut":
        return len(node.sources) <= record.shortcut_inputs
    return record.reads(node.layer.type, key)


def _order_differs(network: Network) -> bool:
    """Whether two engines would read another thing out of the same bytes."""
    orders = {
        tuple(
            (node.index, array.suffix, array.shape)
            for node in network.nodes
            for array in node.layer.arrays(node.inputs, dialect)
        )
        for dialect in DIALECTS
    }
    return len(orders) > 1


def _warning(dialect: DialectName, signs: dict[DialectName, tuple[_Sign, ...]]) -> str | None:
    against = next((d for d in DIALECTS if d != dialect and signs[d]), None)
    if against is None:
        return None
    return f"read as a file of {DIALECTS[dialect].engine}, though {_first(signs, against)}"


def _first(signs: dict[DialectName, tuple[_Sign, ...]], dialect: DialectName) -> str:
    return f"{signs[dialect][0].text} is of {DIALECTS[dialect].engine}"


def _both(signs: dict[DialectName, tuple[_Sign, ...]]) -> str:
    found = [_first(signs, dialect) for dialect in DIALECTS if signs[dialect]]
    return ", ".join(found) or "nothing in cfg and header tells"
