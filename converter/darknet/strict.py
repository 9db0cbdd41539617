"""A cfg as the engine of hank-ai/darknet@f684e1d (``HK``) reads it, which refuses what it lacks.

Its lines are matched by two regular expressions, and what neither matches is ignored without a word
(HK darknet_utils.cpp:183, darknet_cfg.cpp:592-665): a key without a value or with a blank inside.
A ``#`` ends a value, a ``;`` does not. A number that stands alone has no sign but ``-`` and no
exponent (darknet_cfg.cpp:110); in a list, what is not of a number separates two (:353, :418).
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator, Sequence
from dataclasses import replace
from math import isinf

from converter.darknet.cfg import ALIASES, Option, Section, shown
from converter.darknet.dialects.base import Dialect, Kind, Strict
from converter.darknet.reading import FUNCTIONS, Reading, stops
from converter.darknet.remark import Remark

_SECTION = re.compile(r"\[(.+)\]")
_OPTION = re.compile(r"([^#= \t]+)[ \t]*=[ \t]*([^#]+)")
_LONE = re.compile(r"[-.0-9]+")
_STOF = re.compile(r"-?(?:[0-9]+\.?[0-9]*|\.[0-9]+)")
_BLANKS = " \t\r\n"


def read_strictly(text: str, plain: Sequence[Section], dialect: Dialect, rules: Strict) -> Reading:
    """What a strict engine makes of ``text``, whose sections others read as ``plain``."""
    reading = Reading()
    sections = tuple(_sections(text, reading))
    if not sections or sections[0].type != "net":
        reading.refuse(1, "does not begin with [net]", "begin with [net]")
        reading.sections = tuple(plain)
        return reading
    reading.sections = tuple(_section(section, dialect, rules, reading) for section in sections)
    reading.refusals += stops(sections, dialect)
    reading.remarks += _differences(plain, reading.sections, dialect)
    return reading


def _sections(text: str, reading: Reading) -> Iterator[Section]:
    """The sections as its two expressions find them, each key once: HK darknet_cfg.cpp:660."""
    name, start, options = "", 0, dict[str, Option]()
    for number, raw in enumerate(text.split("\n"), start=1):
        line = raw.strip(_BLANKS)
        if found := _SECTION.match(line):
            if name:
                yield Section(type=name, line=start, options=tuple(options.values()))
            name, start, options = ALIASES.get(found[1], found[1]), number, {}
        elif found := _OPTION.match(line):
            key, value = found[1], found[2].strip(_BLANKS)
            if not name:
                problem = f"{shown(key)}= stands before the first section"
                reading.refuse(number, problem, "begin with [net]")
            elif key in options:
                problem = f"{shown(key)}= stands in line {options[key].line} already"
                reading.refuse(number, problem, "delete one of the two")
            elif value:
                options[key] = Option(key=key, value=value, line=number)
    if name:
        yield Section(type=name, line=start, options=tuple(options.values()))


def _section(section: Section, dialect: Dialect, rules: Strict, reading: Reading) -> Section:
    if section.type not in dialect.sections:
        known = "does not build" if section.type in rules.unbuilt else "does not know"
        problem = f"{dialect.engine} {known} [{shown(section.type)}]"
        remedy = "there is no other way to say it to that engine"
        reading.refuse(section.line, problem, remedy)
        return section
    options = tuple(
        counted
        for option in section.options
        for counted in _option(section, option, dialect, rules, reading)
    )
    return replace(section, options=options)


def _option(
    section: Section, option: Option, dialect: Dialect, rules: Strict, reading: Reading
) -> Iterator[Option]:
    kind = dialect.kind(section.type, option.key)
    if kind is None:
        reading.skipped.append(option)
        problem = f"{dialect.engine} refuses {option.key}=, which it does not read"
        reading.refuse(option.line, problem, "delete the line")
        return
    condition = unmet_condition(section, option, rules)
    if condition:
        problem = f"{dialect.engine} reads {option.key}= only with {condition}"
        reading.refuse(option.line, problem, "delete the line")
    if kind in ("int", "float"):
        yield from _number(option, kind, dialect, reading)
    elif kind == "str":
        _require_word(option, dialect, rules, reading)
        yield option
    else:
        yield replace(option, value=",".join(_items(option.value, kind)))


def unmet_condition(section: Section, option: Option, rules: Strict) -> str | None:
    """What must stand beside ``option`` of ``section`` and does not; None if nothing is missing."""
    if section.type != "net" or option.key not in rules.conditions:
        return None
    other, values = rules.conditions[option.key]
    beside = section.find(other)
    if (beside.text if beside else "") in values:
        return None
    return f"{other}={' or '.join(sorted(values))}"


def _number(option: Option, kind: Kind, dialect: Dialect, reading: Reading) -> Iterator[Option]:
    """A number that stands alone: HK darknet_cfg.cpp:110, 278, 313."""
    found = _STOF.match(option.value) if _LONE.fullmatch(option.value) else None
    if found is None or isinf(_float32(found[0])):
        problem = f"{dialect.engine} takes {option.key}={shown(option.value)} for no number"
        remedy = "write it with digits, a point and a minus sign alone"
        reading.refuse(option.line, problem, remedy)
    else:
        value = str(int(_float32(found[0]))) if kind == "int" else found[0]
        yield replace(option, value=value)


def _items(value: str, kind: Kind) -> Iterator[str]:
    """The numbers of a list; one that is none ends it: HK darknet_cfg.cpp:353, 418."""
    runs = re.findall(r"[-0-9]+" if kind == "ints" else r"[-.0-9]+", value)
    for run in runs:
        found = _STOF.match(run)
        if not found:
            return
        yield found[0]


def _require_word(option: Option, dialect: Dialect, rules: Strict, reading: Reading) -> None:
    """A word that must be one of some: HK darknet_enums.cpp:125-469."""
    words = dialect.activations if option.key in FUNCTIONS else rules.values.get(option.key)
    if words is not None and option.value not in words:
        problem = f"{dialect.engine} does not know {option.key}={shown(option.value)}"
        reading.refuse(option.line, problem, f"use one of {', '.join(sorted(words))}")


def _differences(
    plain: Sequence[Section], sections: Sequence[Section], dialect: Dialect
) -> Iterator[Remark]:
    """Each value that counts otherwise than it is written."""
    written = {option.line: option for section in plain for option in section.options}
    for section in sections:
        for option in section.options:
            other = written.get(option.line)
            if other and other.facts != option.facts:
                text = f"{dialect.engine} reads {option.key}={shown(other.value)} as {option.value}"
                yield Remark(text=text, line=option.line)


def _float32(text: str) -> float:
    try:
        return float(struct.unpack("f", struct.pack("f", float(text)))[0])
    except OverflowError:
        return float("inf")
