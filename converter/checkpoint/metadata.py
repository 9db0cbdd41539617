"""What a checkpoint says of itself: the safetensors metadata, all strings.

| key | value |
| --- | --- |
| format | ``pt``, as PyTorch's tools expect |
| schema | version of this table: 2; in 1 all options of ``cfg`` count, whichever engine reads it |
| tool | name and version of the writer |
| source_sha256 | of the whole .weights file |
| header | JSON: major, minor, revision, seen, size |
| cfg | the whole cfg text |
| family, dialect | what the file was read as |
| classes | number of classes; absent for a bare backbone |
| names | JSON list of class names; absent if unknown |
| assumed | JSON: what a recognised architecture leaves open |
| complete | ``true`` if the checkpoint fills its whole model |
| cutoff | N if it ends after cfg layer N - 1; else absent |
| dtype | ``float32``, or the smaller type that the values were rounded to |
| lossless | ``true``: the .weights file can be restored byte for byte |
"""

from __future__ import annotations

import json
import re
import struct
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import asdict, field, fields
from typing import Any, TypeVar

from converter.checkpoint.dtypes import DTYPES
from converter.darknet.dialects import DIALECTS, DialectName
from converter.darknet.header import Header
from converter.darknet.network import Network, parse_network
from converter.errors import (
    CfgError,
    CheckpointError,
    NetworkError,
    WeightsError,
    argument,
    shortened,
)
from converter.families import FAMILIES, TABLE
from converter.options import Dtype, PathLike
from converter.plan import Plan
from converter.records import dataclass

SCHEMA = 2
UNION = 1  # the schema before, whose cfg was read with the options of all engines

T = TypeVar("T", bound=str)


class NetworkUnknown(CheckpointError):  # noqa: N818 - as Python says KeyboardInterrupt
    """A safetensors file that does not say which network its tensors are of."""

    def __init__(self, path: PathLike | None = None) -> None:
        super().__init__(
            "does not say which network it is",
            path=path,
            remedy=f"give its cfg with {argument('--cfg')}",
        )


@dataclass(frozen=True, kw_only=True)
class Metadata:
    """The table above, typed."""

    schema: int = SCHEMA
    tool: str
    source_sha256: str
    header: Header
    cfg: str = field(repr=False)
    family: str
    dialect: DialectName
    classes: int | None = None
    names: list[str] | None = field(default=None, repr=False)
    assumed: dict[str, Any] = field(default_factory=dict)
    complete: bool = True
    cutoff: int | None = None
    dtype: Dtype = "float32"
    lossless: bool = True

    @property
    def reading(self) -> DialectName | None:
        """Whose engine reads ``cfg``; None if all its options count."""
        return None if self.schema == UNION else self.dialect

    @classmethod
    def of(
        cls,
        plan: Plan,
        *,
        tool: str,
        sha256: str,
        names: list[str] | None,
        dtype: Dtype = "float32",
        assumed: dict[str, Any] | None = None,
    ) -> Metadata:
        """The metadata of a checkpoint made by ``plan``.

        Raises:
            CheckpointError: the network has another number of classes than ``names``.
        """
        classes = plan.network.classes
        if names is not None and classes is not None and len(names) != classes:
            raise CheckpointError(
                f"has {len(names)} class names, the network has {classes} classes",
                remedy="name each of its classes, or none",
            )
        return cls(
            tool=tool,
            source_sha256=sha256,
            header=plan.header,
            cfg=plan.network.text,
            family=plan.naming.family,
            dialect=plan.dialect,
            classes=classes,
            names=names,
            assumed=assumed or {},
            complete=plan.complete,
            cutoff=plan.cutoff,
            dtype=dtype,
            lossless=dtype == "float32" and plan.exact,
            schema=SCHEMA if _reads_so(plan.network, plan.dialect) else UNION,
        )

    def encode(self) -> dict[str, str]:
        """As safetensors metadata."""
        entries = {"format": "pt"}
        for key, value in asdict(self).items():
            if isinstance(value, str):
                entries[key] = value
            elif value not in (None, {}):
                entries[key] = json.dumps(value, ensure_ascii=False)
        return entries

    @classmethod
    def decode(cls, entries: Mapping[str, str]) -> Metadata:
        """From safetensors metadata, each claim checked by itself.

        Raises:
            NetworkUnknown: there is none of ours.
            CheckpointError: of a newer schema, or a claim that nothing could be, by its name.
        """
        if "schema" not in entries:
            raise NetworkUnknown
        schema = next((n for n in (SCHEMA, UNION) if entries["schema"] == str(n)), None)
        if schema is None:
            raise CheckpointError(
                f"has metadata of schema {entries['schema']}, this version reads {UNION} and"
                f" {SCHEMA}",
                remedy="update this package",
            )
        dialect = _one_of(DIALECTS, entries, "dialect")
        return cls(
            schema=schema,
            tool=_text(entries, "tool"),
            source_sha256=_text(entries, "source_sha256", "[0-9a-f]{64}", "64 hexadecimal digits"),
            header=_header(entries, dialect),
            cfg=_text(entries, "cfg"),
            family=_one_of((*FAMILIES, TABLE), entries, "family"),
            dialect=dialect,
            dtype=_one_of(DTYPES, {"dtype": "float32", **entries}, "dtype"),
            **{claim: _value(entries, claim, *_JSON[claim]) for claim in _JSON if claim in entries},
        )


def _reads_so(network: Network, dialect: DialectName) -> bool:
    """Whether ``dialect``'s engine makes the same network of the cfg of ``network``."""
    if network.dialect is not None:
        return network.dialect == dialect
    try:
        return parse_network(network.text, dialect).nodes == network.nodes
    except (CfgError, NetworkError):
        return False


def false_claim(claim: str, what: str) -> CheckpointError:
    """The refusal of one key of the metadata: what it says, and what is true instead."""
    return CheckpointError(what, place=f"metadata {claim}", remedy="convert the .weights again")


def _text(
    entries: Mapping[str, str], claim: str, pattern: str = "(?s:.*)", what: str = "text"
) -> str:
    """A claim that is text as it stands, and can be written as such: no half characters."""
    if claim not in entries:
        raise false_claim(claim, "is missing")
    text = entries[claim]
    if not re.fullmatch(pattern, text) or not _can_be_written(text):
        raise _unlike(entries, claim, what)
    return text


def _one_of(known: Iterable[T], entries: Mapping[str, str], claim: str) -> T:
    text = _text(entries, claim)
    found = next((name for name in known if name == text), None)
    if found is None:
        raise _unlike(entries, claim, f"one of {', '.join(map(str, known))}")
    return found


def _value(
    entries: Mapping[str, str], claim: str, is_such: Callable[[Any], bool], what: str
) -> Any:
    """A claim that is JSON."""
    text = _text(entries, claim)
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        value = ...
    if not is_such(value):
        raise _unlike(entries, claim, what)
    return value


def _header(entries: Mapping[str, str], dialect: DialectName) -> Header:
    """One that ``dialect`` would read again as it is."""
    numbers = _value(entries, "header", _is_header, "major, minor, revision, seen and size")
    with suppress(OverflowError, struct.error, WeightsError):
        header = Header(**numbers)
        if Header.decode(header.encode(), dialect) == header:
            return header
    raise _unlike(entries, "header", f"one that {DIALECTS[dialect].engine} could have read")


def _unlike(entries: Mapping[str, str], claim: str, what: str) -> CheckpointError:
    return false_claim(claim, f"is {shortened(entries[claim])}, not {what}")


def _can_be_written(text: str) -> bool:
    return not re.search("[\ud800-\udfff]", text)  # a surrogate without its other half


def _is_header(value: Any) -> bool:
    return (
        isinstance(value, dict)
        and value.keys() == {number.name for number in fields(Header)}
        and all(type(number) is int for number in value.values())
        and value["size"] in (16, 20)
    )


def _is_count(value: Any) -> bool:
    return type(value) is int and 0 <= value < 2**31


def _is_bool(value: Any) -> bool:
    return isinstance(value, bool)


def _is_names(value: Any) -> bool:
    return isinstance(value, list) and all(
        isinstance(name, str) and _can_be_written(name) for name in value
    )


def _is_assumed(value: Any) -> bool:
    """The name of an architecture, and numbers."""
    if not isinstance(value, dict) or not {"architecture", "width", "height"} <= value.keys():
        return False
    name, anchors = value["architecture"], value.get("anchors", [])
    return (
        isinstance(name, str)
        and bool(re.fullmatch(r"[\w.-]+", name, re.ASCII))
        and _is_count(value["width"])
        and _is_count(value["height"])
        and isinstance(anchors, list)
        and all(type(side) in (int, float) and 0 <= side < 2**31 for side in anchors)
    )


_JSON: dict[str, tuple[Callable[[Any], bool], str]] = {
    "classes": (_is_count, "a number of classes"),
    "names": (_is_names, "a list of class names"),
    "assumed": (_is_assumed, "an architecture with its picture's size and anchors"),
    "complete": (_is_bool, "true or false"),
    "cutoff": (_is_count, "a number of layers"),
    "lossless": (_is_bool, "true or false"),
}
