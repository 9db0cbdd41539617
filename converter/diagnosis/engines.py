"""Which engines run a cfg, and whether as the same network."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from converter.darknet.cfg import COMMENT, Option, Section, parse_cfg, shown
from converter.darknet.dialects import DIALECTS, Dialect, DialectName
from converter.darknet.evidence import by_cfg
from converter.darknet.network import (
    Network,
    as_read,
    build_network,
    crashes,
    read_layers,
    refusals,
)
from converter.darknet.reading import Reading, is_unknown_function, layer_class, matters, stops
from converter.darknet.remark import Remark
from converter.diagnosis import opencv
from converter.diagnosis.verdict import Verdict, reason_of
from converter.errors import CfgError, NetworkError
from converter.records import dataclass

_BOM = "\ufeff"


@dataclass(frozen=True, kw_only=True)
class Engines:
    """What each engine does with a cfg.

    Attributes:
        reference: the engine that the others are compared with.
        verdicts: of every engine, the reference among them, and of OpenCV's importer.
    """

    reference: DialectName
    verdicts: Mapping[str, Verdict]

    def as_dict(self) -> dict[str, Any]:
        """For ``info --engines --json``."""
        return {
            "reference": self.reference,
            "engines": {name: verdict.as_dict() for name, verdict in self.verdicts.items()},
        }


@dataclass(frozen=True, kw_only=True)
class _Read:
    """A cfg in one engine: its network, or why there is none."""

    dialect: Dialect
    reading: Reading
    network: Network | None
    refusals: tuple[Remark, ...]


def compare_engines(text: str, reference: DialectName | None = None) -> Engines:
    """What each engine does with a cfg.

    Args:
        text: of the cfg.
        reference: the engine whose network the others should compute; default: the only one that
            knows all that the cfg says. If it refuses the cfg, the first one that takes it.

    Raises:
        CfgError: it is no cfg.
    """
    plain = text.removeprefix(_BOM)
    sections = parse_cfg(plain)
    wanted = reference or by_cfg(plain)
    read = {name: _read(text, sections, name) for name in DIALECTS}
    chosen = next((name for name in (wanted, *DIALECTS) if not read[name].refusals), wanted)
    verdicts: dict[str, Verdict] = {
        name: _verdict(read[name], read[chosen], sections) for name in DIALECTS
    }
    verdicts[opencv.NAME] = opencv.judge(plain, read[chosen].network, DIALECTS[chosen])
    return Engines(reference=chosen, verdicts=verdicts)


def _read(text: str, sections: tuple[Section, ...], name: DialectName) -> _Read:
    dialect = DIALECTS[name]
    reading = as_read(text, tuple(_with_relu(s, dialect) for s in sections), name)
    found = list(map(reason_of, reading.refusals))
    if not dialect.strict:
        found += _lines(text, sections, dialect)
        found += map(reason_of, stops(sections, dialect))
    network = None
    if not reading.refusals:
        try:
            network = build_network(*read_layers(reading.sections), text)
        except (CfgError, NetworkError) as error:
            found.append(reason_of(error))
        else:
            found += map(reason_of, (*refusals(network, name), *crashes(network, name)))
    return _Read(dialect=dialect, reading=reading, network=network, refusals=tuple(found))


def _lines(text: str, sections: tuple[Section, ...], dialect: Dialect) -> Iterator[Remark]:
    """Lines that are read here as they are meant, and by an engine that is not strict otherwise."""
    if text.startswith(_BOM):
        problem = f"{dialect.engine} takes the byte order mark for a part of the name [net]"
        yield Remark(text=problem, line=1)
    if dialect.refuses_crlf and "\r\n" in text:
        problem = f"{dialect.engine} takes the CR at the end of [net] for a part of its name"
        yield Remark(text=problem, line=sections[0].line)
    lines = text.split("\n")
    for section in sections:
        comment = COMMENT.search(lines[section.line - 1])
        if comment:  # pj parser.c:907, AB :1816
            name = shown(comment[0].rstrip("\r"))
            problem = f"{dialect.engine} takes {name} for a part of the name [{section.type}]"
            yield Remark(text=problem, line=section.line)


def _with_relu(section: Section, dialect: Dialect) -> Section:
    """``section`` with relu for activations that no engine knows, which most of them take then."""
    if dialect.strict:
        return section
    options = tuple(
        replace(option, value="relu") if is_unknown_function(option) else option
        for option in section.options
    )
    return replace(section, options=options)


def _verdict(one: _Read, reference: _Read, sections: tuple[Section, ...]) -> Verdict:
    if one.network is None or one.refusals:
        return Verdict(answer="refuses", reasons=one.refusals)
    notes = (*_unknown_functions(one.dialect, sections), *_notes(one.network, one.dialect))
    if one is reference or reference.network is None:
        return Verdict(answer="runs", reasons=(*one.reading.remarks, *notes))
    reasons = [*_other_options(one, reference, sections), *_other_layers(one, reference)]
    reasons.sort(key=lambda reason: reason.line or 0)
    return Verdict(answer="differs" if reasons else "runs", reasons=(*reasons, *notes))


def _unknown_functions(dialect: Dialect, sections: tuple[Section, ...]) -> Iterator[Remark]:
    for section in sections:
        for option in filter(is_unknown_function, section.options):
            if section.find(option.key) is option:
                text = f"{dialect.engine} takes relu for {option.key}={option.text}"
                yield Remark(text=text, line=option.line)


def _notes(network: Network, dialect: Dialect) -> Iterator[Remark]:
    """What an engine makes of the same maps otherwise."""
    for node in network.outputs:
        kind = getattr(node.layer, "nms_kind", "default")
        if kind != "default" and not dialect.nms_kinds:
            text = f"{dialect.engine} compares boxes by their overlap, not as nms_kind={kind} says"
            yield Remark(text=text, line=node.layer.line, serious=False)


def _other_options(one: _Read, reference: _Read, sections: tuple[Section, ...]) -> Iterator[Remark]:
    """Options that count for one of the two, or for both as something else."""
    ours, theirs = _counting(one.reading), _counting(reference.reading)
    written = {option.line: option for section in sections for option in section.options}
    for line in sorted(ours.keys() | theirs.keys()):
        here, there = ours.get(line), theirs.get(line)
        option = written.get(line) or here or there
        if option is None or (here and there and here.facts == there.facts):
            continue
        what = f"{option.key}={option.value}"
        if here is None:
            text = f"{one.dialect.engine} ignores {what}"
        elif there is None:
            text = f"{one.dialect.engine} reads {what}, which {reference.dialect.engine} ignores"
        else:
            text = f"{one.dialect.engine} reads {what} as {here.value}, not {there.value}"
        yield Remark(text=text, line=line)


def _counting(reading: Reading) -> dict[int, Option]:
    """The options that make the network, by their lines."""
    return {
        option.line: option
        for section in reading.sections
        for option in section.options
        if layer_class(section.type) and matters(section, option)
    }


def _other_layers(one: _Read, reference: _Read) -> Iterator[Remark]:
    """Layers whose arrays stand otherwise in the file, though every option says the same."""
    ours, theirs = (read.network.nodes if read.network else () for read in (one, reference))
    for here, there in zip(ours, theirs, strict=False):
        if here.layout(one.dialect.name) != there.layout(reference.dialect.name):
            text = (
                f"{one.dialect.engine} has other arrays in [{here.layer.type}], or in another"
                f" order, than {reference.dialect.engine}"
            )
            yield Remark(text=text, line=here.layer.line)
