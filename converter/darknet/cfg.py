"""Darknet's .cfg text, read by Darknet's own rules, with line numbers.

The rules (pjreddie/darknet@f6afaab ``pj``, AlexeyAB/darknet@59596d7 ``AB``):

* spaces and tabs inside a line do not count (pj utils.c:302, AB utils.c:424);
* a line that is empty or starts with ``#`` or ``;`` is skipped, ``[`` opens a section, anything
  else is split at its first ``=`` (pj parser.c:893, option_list.c:52);
* the first of several equal keys wins (``option_find``: pj option_list.c:91, AB option_list.c:96);
* ``key=`` is skipped (pj option_list.c:64, AB :69), and a line without ``=`` is an option without a
  value, which hides later ones of its name, so that the default holds (pj :104, AB :109).

What nobody means is read like that, too, and remarked upon. Where C would make up a number (of one
with a gap in it, of an integer that overflows), this reader stops and names the line.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from math import isinf

from converter.darknet.remark import Remark
from converter.errors import CfgError
from converter.files import sniff
from converter.files.source import COMPANION_BYTES
from converter.records import dataclass

# Second names of section types: pj parser.c:50-86, AB parser.c:56-107.
ALIASES = {
    "network": "net",
    "conv": "convolutional",
    "deconv": "deconvolutional",
    "conn": "connected",
    "max": "maxpool",
    "avg": "avgpool",
    "local_avg": "local_avgpool",
    "lrn": "normalization",
    "soft": "softmax",
    "silence": "empty",
}

COMMENT = re.compile(r"[#;].*")
MAX_CFG_BYTES = COMPANION_BYTES[".cfg"]
MAX_SECTIONS = 10_000
MAX_ITEMS = 1_000  # in one list; the official cfgs have up to 42
MAX_REMARKS = 100  # upon its lines; the official cfgs give rise to none
_INT32 = 2**31

_INTEGER = re.compile(r"([+-]?[0-9]+)(?:\.0*)?")
_FLOAT = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_SECOND = re.compile(r"[=\[]")  # what begins another option or section


@dataclass(frozen=True, kw_only=True)
class Option:
    """One ``key=value`` line. ``value`` keeps its inner spaces; line numbers count from 1.

    A line without ``=`` has the value "".
    """

    key: str
    value: str
    line: int

    @property
    def text(self) -> str:
        """The value as Darknet sees it: without any white space."""
        return _squeeze(self.value)

    def integer(self) -> int:
        """The value as a 32-bit integer; a trailing ``# comment`` is allowed, as atoi does.

        Raises:
            CfgError: not an integer, or one that C would wrap.
        """
        match = _INTEGER.fullmatch(COMMENT.sub("", self.value).strip())
        if match is None:
            raise self.error("is not an integer")
        return self._int32(match[1])

    def number(self) -> float:
        """The value as a float, a trailing ``# comment`` allowed.

        Raises:
            CfgError: not a number.
        """
        text = COMMENT.sub("", self.value).strip()
        if not _FLOAT.fullmatch(text) or isinf(float(text)):
            raise self.error("is not a number")
        return float(text)

    def integers(self) -> tuple[int, ...]:
        """The value as a comma-separated list of 32-bit integers; an empty item is 0."""
        matches = [_INTEGER.fullmatch(item) for item in self._items()]
        if not all(matches):
            raise self.error("is not a list of integers")
        return tuple(self._int32(match[1]) for match in matches if match)

    def numbers(self) -> tuple[float, ...]:
        """The value as a comma-separated list of floats; an empty item is 0.

        A forgotten comma glues two numbers together, as in Darknet: three official cfgs
        (cspx-p7-mish_hp.cfg and its kin) were trained with such an anchor.
        """
        items = self._items()
        if not all(_FLOAT.fullmatch(item) and not isinf(float(item)) for item in items):
            raise self.error("is not a list of numbers")
        return tuple(float(item) for item in items)

    @property
    def facts(self) -> object:
        """What is compared of the value: numbers by their value, words as they are."""
        try:
            return self.numbers()
        except CfgError:
            return self.text

    @property
    def has_gap(self) -> bool:
        """Whether an item of this list is empty."""
        items = bare(self.value).split(",")
        return len(items) > 1 and "" in items

    def _items(self) -> list[str]:
        """The items; atoi and atof make 0 of one between two commas or behind the last.

        A comma more is an item more: pj parser.c:292, 332, 608, AB :406, 541, 943, 1076.
        """
        items = bare(self.value).split(",")
        if len(items) > MAX_ITEMS:
            raise self.error(f"has more than {MAX_ITEMS:,} items")
        return [item or "0" for item in items] if len(items) > 1 else items

    def _int32(self, digits: str) -> int:
        # int() of a very long digit string is quadratic; ten digits already overflow.
        if len(digits) > 20 or not -_INT32 <= int(digits) < _INT32:
            raise self.error("does not fit into 32 bits")
        return int(digits)

    def remark(self, problem: str) -> Remark:
        """What is to be said of this option, which is read all the same."""
        return Remark(text=f"{self.key}={shown(self.value)} {problem}", line=self.line)

    def error(self, problem: str, remedy: str | None = None) -> CfgError:
        """The refusal of this option."""
        text = f"{self.key}={shown(self.value)} {problem}"
        return CfgError(text, place=f"line {self.line}", remedy=remedy)


@dataclass(frozen=True, kw_only=True)
class Section:
    """One ``[type]`` with its options. ``type`` is canonical: aliases are resolved."""

    type: str
    line: int
    options: tuple[Option, ...] = ()
    remarks: tuple[Remark, ...] = ()

    def find(self, key: str) -> Option | None:
        """The option named ``key``: the first one, as ``option_find`` returns; its value decides.

        None without one, or if that has no value: pj option_list.c:104.
        """
        found = next((option for option in self.options if option.key == key), None)
        return found if found and found.value else None


def parse_cfg(text: str) -> tuple[Section, ...]:
    """Split cfg text into sections, the first of which is ``[net]``.

    Raises:
        CfgError: with the line at fault; ``path`` is for the caller to add.
    """
    if len(text) > MAX_CFG_BYTES or "\0" in text:
        raise CfgError("is no cfg text: it is too long, or holds a zero byte")
    sections = tuple(_sections(text))
    if not sections:
        raise CfgError("has no sections", remedy="a cfg starts with [net]")
    if sections[0].type != "net":
        raise CfgError(
            f"starts with [{sections[0].type}]",
            place=f"line {sections[0].line}",
            remedy="the first section must be [net] or [network]",
        )
    return sections


def decode_cfg(data: bytes) -> str:
    """Bytes of a cfg file as text: UTF-8 with or without BOM, else Latin-1.

    Raises:
        CfgError: too large, or binary.
    """
    if len(data) > MAX_CFG_BYTES:
        raise CfgError(
            f"is larger than {MAX_CFG_BYTES:,} bytes", remedy="a cfg is a short text file"
        )
    found = sniff.not_cfg(data[: sniff.HEAD])
    if found:
        raise CfgError(f"is {found.name}", remedy=found.remedy)
    if b"\0" in data:
        raise CfgError(
            "is not text: it holds zero bytes",
            place=f"byte {data.index(0)}",
            remedy="give the .cfg, not the .weights",
        )
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("latin-1")


def _sections(text: str) -> Iterator[Section]:
    found = []
    options, remarks = list[Option](), list[Remark]()
    doubts = 0
    for number, raw in enumerate(text.replace("\r\n", "\n").split("\n"), start=1):
        line = raw.strip(" \t\r")
        if not line or line[0] in "#;":
            continue
        if line[0] == "[":
            name, doubt = _section_type(line, number)
            options, remarks = [], []
            found.append((name, number, options, remarks))
            if len(found) > MAX_SECTIONS:
                raise CfgError(f"has more than {MAX_SECTIONS:,} sections", place=f"line {number}")
        elif not found:
            raise CfgError("an option before the first section", place=f"line {number}")
        else:
            option, doubt = _option(line, number)
            options += [option] if option else []
        if doubt:
            remarks.append(Remark(text=doubt, line=number))
            doubts += 1
            if doubts > MAX_REMARKS:
                raise CfgError(
                    f"has more than {MAX_REMARKS} lines that are no options",
                    place=f"line {number}",
                    remedy="give the .cfg that darknet reads",
                )
    for name, start, options, remarks in found:
        yield Section(type=name, line=start, options=tuple(options), remarks=tuple(remarks))


def _section_type(line: str, number: int) -> tuple[str, str | None]:
    """Its canonical name, and what is to be said of the line."""
    name = bare(line)
    if not name.endswith("]") or len(name) < 3:
        # The whole line would be its name: pj parser.c:907, AB :1816.
        raise CfgError(
            f"{shown(line)} is not a section",
            place=f"line {number}",
            remedy="write [type], and each option on a line of its own",
        )
    doubt = None
    if "#" in line or ";" in line:
        doubt = (
            f"{shown(line)} is a section to hank-ai's darknet alone: to the others the comment is"
            " part of its name"
        )
    return ALIASES.get(name[1:-1], name[1:-1]), doubt


def _option(line: str, number: int) -> tuple[Option | None, str | None]:
    """The option, None if it is skipped, and what is to be said of the line."""
    key, equals, value = line.partition("=")
    key, value = _squeeze(key), value.strip()
    if equals and not value:
        return None, f"{shown(key)}= has no value: the engines skip the line"
    if not key:
        return None, f"{shown(line)} has no key: the engines ignore it"
    doubt = None
    if not equals:
        doubt = f"{shown(key)} has no '=', and so no value: the engines take the default"
    elif ("=" in value or "[" in value) and _SECOND.search(COMMENT.sub("", value)):
        doubt = f"{shown(line)} holds more than one option: the engines read the first alone"
    return Option(key=key, value=value, line=number), doubt


def shown(text: str) -> str:
    """``text`` for a message, at most 60 characters of it."""
    return text if len(text) <= 60 else text[:57] + "..."


def bare(text: str) -> str:
    """``text`` without its comment, and without any white space."""
    return _squeeze(COMMENT.sub("", text))


def _squeeze(text: str) -> str:
    return "".join(text.split())
