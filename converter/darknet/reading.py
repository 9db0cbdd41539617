"""What an engine makes of a cfg: which of its options count there, and what it does not take.

An engine skips the keys that it does not read, and takes relu for an activation that it does not
know: so one cfg can be two networks in two engines. Here its sections become those that say what
one engine computes, with a remark for each difference that matters.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import Field, field, fields, replace
from typing import Any

from converter.darknet.cfg import COMMENT, Option, Section
from converter.darknet.dialects import ACTIVATIONS, DIALECTS, RECOGNISED, Dialect
from converter.darknet.layers import LAYERS, Layer
from converter.darknet.layers.base import converters
from converter.darknet.nodes import Net
from converter.darknet.remark import Remark
from converter.errors import CfgError, argument
from converter.records import dataclass

FUNCTIONS = ("activation", "lstm_activation")  # the options that name one

_RECORDS = [DIALECTS[name] for name in RECOGNISED]
_ATOI = re.compile(r"[+-]?[0-9]+")


@dataclass(kw_only=True)
class Reading:
    """A cfg as one engine reads it.

    Attributes:
        sections: with the options that count there.
        remarks: on what it skips or changes, and others would not.
        refusals: why it does not take the cfg; empty if it does.
        skipped: the options that it does not read, whether or not any engine does.
    """

    sections: tuple[Section, ...] = ()
    remarks: list[Remark] = field(default_factory=list)
    refusals: list[CfgError] = field(default_factory=list)
    skipped: list[Option] = field(default_factory=list)

    def remark(self, option: Option, text: str, *, serious: bool = True) -> None:
        """Say ``text`` of ``option``."""
        self.remarks.append(Remark(text=text, line=option.line, serious=serious))

    def refuse(self, line: int, problem: str, remedy: str) -> None:
        """Add a refusal."""
        self.refusals.append(CfgError(problem, place=f"line {line}", remedy=remedy))


def read_as(sections: Sequence[Section], dialect: Dialect) -> Reading:
    """What ``dialect``'s engine, which refuses little, makes of ``sections``."""
    reading = Reading()
    reading.sections = tuple(_section(section, dialect, reading) for section in sections)
    return reading


def stops(sections: Sequence[Section], dialect: Dialect) -> Iterator[CfgError]:
    """What of training stops the engine while it loads, though that is nothing of the network.

    A file of such a network is converted all the same, unless the engine is strict.
    """
    net = sections[0]
    policy, divisor = net.find("policy"), net.find("subdivisions")
    if policy and policy.text == "steps" and not (net.find("steps") and net.find("scales")):
        # pj parser.c:705, AB :1254, HK darknet_cfg.cpp:1371
        yield policy.error(f"without steps= and scales= stops {dialect.engine}", "add both")
    if divisor and divisor.text == "0":  # pj parser.c:664, AB :1162, HK darknet_cfg.cpp:1247
        yield divisor.error(f"stops {dialect.engine}, which divides by it", "write 1")
    for index, section in enumerate(sections[1:]):
        if section.type in dialect.sections:
            yield from _losses(sections[1:], index, dialect)


def _losses(layers: Sequence[Section], index: int, dialect: Dialect) -> Iterator[CfgError]:
    """What does not fit of a head's options: AB parser.c:383, 425, HK darknet_cfg.cpp:52, 1706."""
    head = layers[index]
    counters = head.find("counters_per_class")
    classes = _number(head, "classes", 20)
    if counters and dialect.kind(head.type, counters.key) and _count(counters) != classes:
        problem = f"stops {dialect.engine}: it has not one value for each of {classes} classes"
        yield counters.error(problem, "give one each, or none")
    if head.type == "contrastive":
        at = _number(head, "yolo_layer", 0)
        at += index if at < 0 else 0
        if not 0 < at < index or layers[at].type != "yolo":
            yield CfgError(
                f"[contrastive] stops {dialect.engine}: its yolo_layer= names no [yolo]",
                place=f"line {head.line}",
                remedy="name the [yolo] that it is for",
            )
    embedding, mask = head.find("embedding_layer"), head.find("mask")
    if embedding and dialect.strict and dialect.kind(head.type, embedding.key):
        at = _number(head, "embedding_layer", 0)
        at += index if at < 0 else 0
        filters = _number(layers[at], "filters", 1) if 0 <= at < index else 0
        anchors = _count(mask) if mask else _number(head, "num", 1)
        if not filters or filters % max(anchors, 1):
            problem = f"stops {dialect.engine}: that layer's filters are no multiple of {anchors}"
            yield embedding.error(problem, "correct the filters of that layer")


def _count(option: Option) -> int:
    return COMMENT.sub("", option.value).count(",") + 1


def _number(section: Section, key: str, default: int) -> int:
    """As atoi reads it."""
    option = section.find(key)
    found = _ATOI.match(option.text) if option else None
    return default if option is None else int(found[0]) if found else 0


def misspelled(reading: Reading) -> Iterator[Remark]:
    """Options that no engine reads, and whose names are near one that some do."""
    skipped = {option.line for option in reading.skipped}
    for section in reading.sections:
        for option in section.options:
            if option.line in skipped and not readers(section.type, option.key):
                tables = ((*r.sections.get(section.type, ()), *r.common) for r in _RECORDS)
                meant = nearest(option.key, set().union(*tables))
                if meant:
                    yield option.remark(f"is read by no engine: did you mean {meant}?")


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The one of ``known`` that is nearly ``word``; None if there is none."""
    from difflib import get_close_matches  # late: rarely needed

    return next(iter(get_close_matches(word, known, n=1, cutoff=0.8)), None)


def is_unknown_function(option: Option) -> bool:
    """Whether it names an activation that no engine knows."""
    return option.key in FUNCTIONS and option.text not in ACTIVATIONS


def readers(section: str, key: str) -> list[Dialect]:
    """The engines that read ``key`` of ``section``, of those that a file is recognised as."""
    return [record for record in _RECORDS if record.kind(section, key)]


def matters(section: Section, option: Option) -> bool:
    """Whether a network is another one with ``option`` than without."""
    found = _field(section, option)
    return bool(found and found.metadata.get("network", True)) and _says(section, option)


def is_implied(section: Section, option: Option, dialect: Dialect) -> bool:
    """Whether ``option`` says what is so in ``dialect``'s engine, which does not read it."""
    other = section.find(dialect.implied.get(section.type, {}).get(option.key, ""))
    return other is not None and other.text == option.text


def counts(section: Section, option: Option) -> bool:
    """Whether ``option`` says something: it is of training, or not its default."""
    if _field(section, option):
        return _says(section, option)
    return section.find(option.key) is option


def _says(section: Section, option: Option) -> bool:
    """Whether ``option`` is read, and is not the default."""
    cls, found = layer_class(section.type), _field(section, option)
    if cls is None or found is None or section.find(option.key) is not option:
        return False
    try:
        return bool(converters(cls)[found.name](option) != found.default)
    except CfgError:
        return True


def layer_class(section: str) -> type[Layer] | None:
    """The class of a section type; None if there is none."""
    return Net if section == "net" else LAYERS.get(section)


def _field(section: Section, option: Option) -> Field[Any] | None:
    """What holds ``option`` in the layer's class; None if it is not of the network."""
    cls = layer_class(section.type)
    found = (f for f in fields(cls) if f.compare) if cls else ()
    return next((f for f in found if f.name.rstrip("_") == option.key), None)


def _section(section: Section, dialect: Dialect, reading: Reading) -> Section:
    if section.type not in dialect.sections:
        # To an engine that does not know it, it would have no forward function.
        knowing = next((record for record in _RECORDS if section.type in record.sections), None)
        if knowing:
            reading.refuse(
                section.line,
                f"[{section.type}] is unknown to {dialect.engine}",
                f"{knowing.engine} knows it: {argument('--dialect', knowing.name)}",
            )
        return section
    counted = (_option(section, option, dialect, reading) for option in section.options)
    return replace(section, options=tuple(filter(None, counted)))


def _option(section: Section, option: Option, dialect: Dialect, reading: Reading) -> Option | None:
    """What ``option`` counts as: itself, another value, or nothing."""
    kind, written = dialect.kind(section.type, option.key), f"{option.key}={option.value}"
    if kind is None:
        reading.skipped.append(option)
        serious = matters(section, option) and not is_implied(section, option, dialect)
        if _says(section, option):
            reading.remark(option, f"{dialect.engine} ignores {written}", serious=serious)
        return None if serious else option
    # What nobody knows is for the layer to refuse.
    known = option.key in FUNCTIONS and not is_unknown_function(option)
    if known and option.text not in dialect.activations:
        value, problem = "relu", f"does not know {option.key}={option.text}, and takes relu"
    elif kind == "int" and "," in option.value:
        first = option.value.partition(",")[0].strip()  # atoi stops there
        value, problem = first or "0", f"reads {first} alone of {written}"
    elif option.key in dialect.past_comments and option.text.count(",") >= _count(option):
        items = (_ATOI.match(item) for item in option.text.split(","))
        value = ",".join(item[0] if item else "0" for item in items)
        problem = f"reads {written} as {value}, comment and all"
    else:
        return option
    reading.remark(option, f"{dialect.engine} {problem}")
    return replace(option, value=value)
