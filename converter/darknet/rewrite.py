"""A cfg as another engine takes it, meaning the same.

Lines that change nothing there are dropped if the engine refuses them, numbers are written as it
reads them, and defaults that differ are spelled out. What it cannot express is refused with the
line. Comments stay.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from decimal import Decimal

from converter.darknet.cfg import COMMENT, Option, Section, bare, parse_cfg, shown
from converter.darknet.dialects import DIALECTS, Dialect, DialectName
from converter.darknet.dialects.base import Kind
from converter.darknet.network import Network, as_read, crashes, network_of, parse_network, refusals
from converter.darknet.reading import FUNCTIONS, is_unknown_function, matters, stops
from converter.darknet.strict import unmet_condition
from converter.errors import CfgError, DarknetError
from converter.options import Silu

_PLAIN = re.compile(r"-?(?:[0-9]+\.?[0-9]*|\.[0-9]+)")
_SEEMING = re.compile(r"\s*;[^#=\s]*\s*=")  # a comment that a strict engine takes for an option


def rewrite(text: str, source: DialectName, target: DialectName, silu: Silu | None = None) -> str:
    """Cfg text that is for ``target``'s engine the network that ``text`` is for ``source``'s.

    Args:
        text: of the cfg.
        source: whose engine reads it as it is meant.
        target: whose engine should.
        silu: what ``activation=silu`` means, which every engine takes for relu.

    Raises:
        CfgError, NetworkError: with the line that cannot be expressed.
    """
    plain = parse_cfg(text)
    reading = as_read(text, plain, source)
    sections = tuple(_meant(section, silu) for section in reading.sections)
    network = network_of(replace(reading, sections=sections), text)
    engine = DIALECTS[target]
    why = (*refusals(network, target), *crashes(network, target), *stops(sections, engine))
    if why:
        raise why[0]
    lines = text.replace("\r\n", "\n").split("\n")
    edits = _Edits(lines, source=DIALECTS[source], target=engine)
    for section, meant in zip(plain, sections, strict=True):
        edits.section(section, meant)
    written = "\n".join(edits.apply())
    _require_same(network, source, written, target)
    return written


def _meant(section: Section, silu: Silu | None) -> Section:
    """``section`` with words that more engines know, and with the function that is meant."""
    return replace(section, options=tuple(_known(section, o, silu) for o in section.options))


def _known(section: Section, option: Option, silu: Silu | None) -> Option:
    if section.find(option.key) is not option:
        return option
    if option.key == "weights_type" and option.text == "per_layer":
        return replace(option, value="per_feature")  # the same: AB parser.c:922
    if not is_unknown_function(option):
        return option
    if option.text != "silu":
        raise option.error("is unknown to every engine", "name one of their activations")
    if silu is None:
        raise option.error(
            "is unknown to every engine: each takes relu",
            "--silu swish if swish is meant, which is the same function; --silu relu if an engine"
            " trained it so",
        )
    return replace(option, value=silu)


class _Edits:
    """What becomes of single lines: their number, from 1 -> the lines in their place."""

    def __init__(self, lines: list[str], source: Dialect, target: Dialect) -> None:
        self._written, self._source, self._target = lines, source, target
        self._lines: dict[int, list[str]] = {}

    def apply(self) -> Iterator[str]:
        """The lines with all edits."""
        for number, line in enumerate(self._written, start=1):
            seeming = self._target.strict and _SEEMING.match(line)
            yield from self._lines.get(number, [line.replace(";", "#", 1) if seeming else line])

    def section(self, section: Section, meant: Section) -> None:
        """Edit ``section``, of which ``meant`` is what counts."""
        if section.type not in self._target.sections:
            raise self._cannot(section.line, f"[{section.type}]")
        counting = {option.line: option for option in meant.options}
        for option in section.options:
            self._option(section, option, counting.get(option.line))
        self._spell_out(section)

    def _option(self, section: Section, option: Option, meant: Option | None) -> None:
        kind, strict = self._target.kind(section.type, option.key), self._target.strict
        if section.find(option.key) is not option:  # one before it counts
            if strict:
                self._replace(option, None)
            return
        counts = matters(section, option)
        if kind is None and counts and meant is not None and matters(section, meant):
            raise self._cannot(option.line, f"{option.key}={shown(option.value)}")
        if (
            (meant is None and kind and counts)
            or (strict and kind is None)
            or (strict and unmet_condition(section, option, strict))
        ):
            self._replace(option, None)
        elif meant is not None and kind is not None:
            value = self._value(option, meant.value)
            apart = strict and not self._has(option.line, option.key)
            if apart or _items(value, kind) != _items(self._seen(option, kind), kind):
                self._replace(option, value)

    def _seen(self, option: Option, kind: Kind) -> str:
        """What the target sees of ``option`` as it is written."""
        if self._target.strict:
            return option.value.partition("#")[0].strip()
        whole = kind == "str" or option.key in self._target.past_comments
        return option.text if whole else bare(option.value)

    def _value(self, option: Option, value: str) -> str:
        """How ``value``, which is ``option``'s for the source, is written for the target."""
        if option.key in FUNCTIONS:
            value = "".join(value.split())
            if value not in self._target.activations:
                raise self._cannot(option.line, f"{option.key}={shown(value)}")
            return value
        strict = self._target.strict
        if strict is None:
            return bare(value)
        words = strict.values.get(option.key)
        if words is not None:
            value = bare(value)
            if value not in words:
                raise self._cannot(option.line, f"{option.key}={shown(value)}")
            return value
        return _plainly(COMMENT.sub("", value).strip())

    def _has(self, line: int, key: str) -> bool:
        """Whether ``key`` stands in one piece in a line."""
        return self._written[line - 1].partition("=")[0].strip() == key

    def _replace(self, option: Option, value: str | None) -> None:
        """Another value in the place of a line, or none; its comment stays, on a line before it."""
        kept = COMMENT.findall(option.value)
        self._lines[option.line] = kept if value is None else [*kept, f"{option.key}={value}"]

    def _spell_out(self, section: Section) -> None:
        """Defaults of the source that the target does not share."""
        ours: Mapping[str, str] = self._source.defaults.get(section.type, {})
        theirs: Mapping[str, str] = self._target.defaults.get(section.type, {})
        added = [
            f"{key}={value}"
            for key, value in ours.items()
            if theirs.get(key, value) != value and section.find(key) is None
        ]
        line = self._written[section.line - 1]
        kept, apart = COMMENT.findall(line), bool(self._target.strict) and len(line.split()) > 1
        if added or kept or apart:  # what not every engine takes
            self._lines[section.line] = [*kept, f"[{section.type}]", *added]

    def _cannot(self, line: int, what: str) -> CfgError:
        return CfgError(
            f"{what} cannot be written for {self._target.engine}",
            place=f"line {line}",
            remedy=f"keep the cfg for {self._source.engine}",
        )


def _items(value: str, kind: Kind) -> list[str]:
    """What is compared of a value: of a list its items, however they are spaced."""
    return [item.strip() for item in value.split(",")] if kind in ("ints", "floats") else [value]


def _plainly(value: str) -> str:
    """Numbers with digits, a point and a minus sign alone; other text as it is."""
    if all(_PLAIN.fullmatch(item.strip()) for item in value.split(",")):
        return value
    items = bare(value).split(",")
    try:
        return ",".join(format(Decimal(item or "0"), "f") for item in items)
    except ArithmeticError:
        return bare(value)


def _require_same(network: Network, source: DialectName, text: str, target: DialectName) -> None:
    """Read the result as the target does, and compare it layer by layer.

    Raises:
        CfgError: naming the first layer that is another one.
    """
    try:
        read = parse_network(text, target)
    except DarknetError as error:
        problem = f"cannot be written for {DIALECTS[target].engine}: {error.message}"
        raise CfgError(problem, place=error.place, remedy="keep the cfg as it is") from error
    for node, other in zip(network.nodes, read.nodes, strict=True):
        if node.layer != other.layer or node.layout(source) != other.layout(target):
            raise CfgError(
                f"[{node.layer.type}] is another layer to {DIALECTS[target].engine}, or has its"
                " arrays in another order",
                place=f"line {node.layer.line}",
                remedy=f"keep the cfg for {DIALECTS[source].engine}",
            )
