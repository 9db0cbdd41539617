"""Which engine wrote a file.

The engines agree on most layers, but order the arrays of some differently, and read some options
differently. Nothing in a .weights file says which of them it comes from, so it is decided, in this
order, by

1. what the user says;
2. the file's size, where only one of them would have written that many bytes;
3. sections, options and activations that only one of them knows;
4. the version in the header; any that no engine writes today is read as the default's.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

from converter.darknet.cfg import Option, Section, parse_cfg
from converter.darknet.dialects import DEFAULT, DIALECTS, RECOGNISED, Dialect, DialectName
from converter.darknet.header import Header
from converter.darknet.network import (
    Network,
    as_read,
    network_of,
    parse_network,
    read_cfg,
    taken,
)
from converter.darknet.nodes import place_of
from converter.darknet.reading import FUNCTIONS, counts, is_implied, readers
from converter.errors import CfgError, NetworkError, WeightsError, argument, errors_name
from converter.options import PathLike
from converter.records import dataclass


@dataclass(frozen=True, kw_only=True)
class Choice:
    """Which engine a file is of.

    Attributes:
        dialect: the engine.
        network: as it reads the cfg.
        warning: what speaks against it, if anything does.
        assumed: that nothing speaks for it, and what another would do otherwise, if so.
    """

    dialect: DialectName
    network: Network
    warning: str | None = None
    assumed: str | None = None


Readings = Mapping[DialectName, Network | CfgError | NetworkError]


def choose(text: str, head: bytes, size: int, explicit: DialectName | None = None) -> Choice:
    """The dialect of a file of ``size`` bytes that starts with ``head``, whose cfg is ``text``.

    Raises:
        CfgError, NetworkError: its engine does not take the cfg.
        WeightsError: the order of its arrays depends on it, and the signs contradict each other or
            there are none.
    """
    sections = parse_cfg(text)
    readings = _readings(text, sections, explicit)
    signs = _signs(sections, readings, head, size)
    if explicit:
        return _choice(explicit, readings, signs)
    strength = {d: sorted({sign.strength for sign in signs[d]} | {_NONE}) for d in RECOGNISED}
    best = min(RECOGNISED, key=lambda d: strength[d])
    decided = _SIZE in strength[best] or (signs[best] and not all(signs.values()))
    choice = _choice(best, readings, signs)
    if not decided and _order_differs(choice.network):
        raise WeightsError(
            f"may be of either engine, and their orders differ: {_both(signs)}",
            remedy="say which with " + " or ".join(argument("--dialect", n) for n in RECOGNISED),
        )
    return choice if any(signs.values()) else replace(choice, assumed=_assumed(choice))


def by_cfg(text: str) -> DialectName:
    """The only engine that knows all that a cfg says; the default if there is no such one."""
    found = {dialect for dialect, _ in evidence(parse_cfg(text))}
    return found.pop() if len(found) == 1 else DEFAULT


def read_as_known(path: PathLike, dialect: DialectName | None = None) -> Network:
    """The network of a cfg file, as ``dialect`` reads it; default: the engine that knows it all.

    Raises:
        CfgError, NetworkError: with path and line.
    """
    with errors_name(path, CfgError, NetworkError):
        text = read_cfg(path)
        return parse_network(text, dialect or by_cfg(text))


_SIZE, _CFG, _HEADER, _NONE = range(4)


class _Sign(NamedTuple):
    """Something that speaks for a dialect; smaller ``strength`` is stronger."""

    strength: int
    text: str


_Signs = Mapping[DialectName, list[_Sign]]  # the strongest first


def _readings(text: str, sections: tuple[Section, ...], explicit: DialectName | None) -> Readings:
    """The network as each engine reads it, or why it does not.

    Two that read the same sections make the same network of them, and its shapes are inferred once.
    """
    found: dict[DialectName, Network | CfgError | NetworkError] = {}
    twins: list[tuple[object, Network]] = []
    for name in dict.fromkeys((*RECOGNISED, *([explicit] if explicit else []))):
        reading = as_read(text, sections, name)
        facts = reading.sections, reading.remarks
        twin = next((network for read, network in twins if read == facts), None)
        try:
            if twin and not reading.refusals:
                found[name] = taken(replace(twin, dialect=name, skipped=tuple(reading.skipped)))
            else:
                found[name] = network = network_of(reading, text, name)
                twins.append((facts, network))
        except (CfgError, NetworkError) as error:
            found[name] = error
    return found


def _choice(dialect: DialectName, readings: Readings, signs: _Signs) -> Choice:
    network = readings[dialect]
    if not isinstance(network, Network):
        raise network
    return Choice(dialect=dialect, network=network, warning=_warning(dialect, signs))


def _assumed(choice: Choice) -> str | None:
    """What the other engines would do otherwise with a network that they read the same."""
    here = DIALECTS[choice.dialect]
    heads = {node.layer.type for node in choice.network.outputs if node.layer.is_head}
    for other in (DIALECTS[name] for name in RECOGNISED if name != choice.dialect):
        differing = []
        if heads and here.resize != other.resize:
            differing.append(f"resize pictures by {other.resize}")
        if "region" in heads:
            differing.append("leave the values of [region] in another order")
        if differing:
            return (
                f"nothing in size, cfg and header says which engine wrote it: {here.engine} is"
                f" assumed; {other.engine} would {' and '.join(differing)}"
            )
    return None


def _signs(sections: Sequence[Section], readings: Readings, head: bytes, size: int) -> _Signs:
    header = Header.decode(head)
    signs: dict[DialectName, list[_Sign]] = {dialect: [] for dialect in RECOGNISED}
    sizes = {
        name: file_size(network, head, name)
        for name, network in readings.items()
        if name in RECOGNISED and isinstance(network, Network)
    }
    fitting = [name for name in sizes if size == sizes[name]]
    # Where an engine does not take the cfg, the other's size decides nothing.
    if len(fitting) == 1 and len(sizes) == len(RECOGNISED):
        signs[fitting[0]].append(_Sign(_SIZE, f"its size, {size:,} bytes"))
    for dialect, text in evidence(sections):
        signs[dialect].append(_Sign(_CFG, text))
    for dialect in RECOGNISED:
        if DIALECTS[dialect].version == (header.major, header.minor, header.revision):
            signs[dialect].append(_Sign(_HEADER, f"version {header.version} in its header"))
    return signs


def file_size(network: Network, head: bytes, dialect: DialectName) -> int:
    """Bytes of a file of ``network`` that starts with ``head`` and that ``dialect``'s engine wrote.

    Raises:
        WeightsError: ``head`` is too short to hold a header.
    """
    return Header.decode(head, dialect).size + 4 * network.floats_of(dialect)


def evidence(sections: Sequence[Section]) -> Iterator[tuple[DialectName, str]]:
    """What in a cfg only one engine knows: (dialect, description with its line)."""
    records = [DIALECTS[name] for name in RECOGNISED]
    for index, section in enumerate(sections, start=-1):
        place = place_of(index, section)
        knowing = [record for record in records if section.type in record.sections]
        if len(knowing) == 1:
            yield knowing[0].name, place
        for option in section.options:
            found = _readers(section, option)
            if len(found) != 1 or any(is_implied(section, option, r) for r in records):
                continue
            if counts(section, option):
                where = f"in line {option.line}" if index < 0 else f"of {place}"
                yield found[0].name, f"{option.key}= {where}"


def _readers(section: Section, option: Option) -> list[Dialect]:
    """The engines that take ``option`` for what it says."""
    found = readers(section.type, option.key)
    if option.key in FUNCTIONS:
        return [record for record in found if option.text in record.activations]
    if "," in option.value:
        return [r for r in found if r.kind(section.type, option.key) != "int"]
    return found


def _order_differs(network: Network) -> bool:
    """Whether two engines would read another thing out of the same bytes."""
    first, *others = RECOGNISED
    return any(
        node.layout(first) != node.layout(other) for node in network.nodes for other in others
    )


def _warning(dialect: DialectName, signs: _Signs) -> str | None:
    here = DIALECTS[dialect]
    # Two engines of one version write the same bytes, as far as the header tells.
    others = (name for name in RECOGNISED if DIALECTS[name].version != here.version)
    against = next((name for name in others if signs[name]), None)
    if against is None:
        return None
    return f"read as a file of {here.engine}, though {_first(signs, against)}"


def _first(signs: _Signs, dialect: DialectName) -> str:
    return f"{signs[dialect][0].text} is of {DIALECTS[dialect].engine}"


def _both(signs: _Signs) -> str:
    found = [_first(signs, dialect) for dialect in RECOGNISED if signs[dialect]]
    return ", ".join(found) or "nothing in cfg and header tells"
