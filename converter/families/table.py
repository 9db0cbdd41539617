"""A scheme that is a table in a file: for a port that nobody wrote a record for.

A JSON object, from the tensors' generic names to the port's::

    {"layers.0.conv.weight": "stem.0.weight", "layers.0.bn.bias": "stem.1.bias", ...,
     "linear": ["layers.76.conv.weight"], "ignored": ["head.anchors"]}

``linear``, if there is any, lists kernels of 1x1 that the port keeps as matrices; ``ignored``,
tensors of the port's that Darknet knows nothing like.
"""

from __future__ import annotations

import json
import os
import re
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import field
from functools import partial
from itertools import takewhile
from typing import Any

from converter.darknet.dialects import DEFAULT
from converter.darknet.network import Network
from converter.errors import FamilyError, some
from converter.families import TABLE
from converter.families.base import Family, Naming
from converter.files.opening import read_small
from converter.options import PathLike
from converter.records import dataclass

LINEAR, IGNORED = "linear", "ignored"
# 10,000 layers of six tensors, with names of 100 characters.
MAX_SIZE = 16 << 20

_GENERIC = r"layers\.(0|[1-9]\d{0,5})\.(\S+)"


@dataclass(frozen=True, kw_only=True)
class Table:
    """What is in such a file.

    Attributes:
        tensors: generic name -> the port's.
        linear: generic names of kernels that are matrices in the port.
        ignored: tensors of the port's that Darknet knows nothing like.
    """

    tensors: Mapping[str, str]
    linear: tuple[str, ...] = ()
    ignored: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """The object that is in the file."""
        lists = {LINEAR: list(self.linear), IGNORED: list(self.ignored)}
        return {**self.tensors, **{key: names for key, names in lists.items() if names}}


@dataclass(frozen=True, kw_only=True)
class TableNaming(Naming):
    """Names that are listed one by one.

    Attributes:
        tensors: generic name -> the port's.
        matrices: layers whose 1x1 kernel is a matrix.
    """

    tensors: Mapping[str, str] = field(default_factory=dict)
    matrices: frozenset[int] = frozenset()

    def tensor(self, layer: int, suffix: str) -> str:
        """The name of a layer's array, given its name in the layer's own module.

        Raises:
            FamilyError: it is not listed.
        """
        generic = f"layers.{layer}.{suffix}"
        if generic not in self.tensors:
            raise FamilyError(f"the table has no name for {generic}", remedy="add it to the table")
        return self.prefix + self.tensors[generic]

    def shape(self, layer: int, shape: tuple[int, ...]) -> tuple[int, ...]:
        """The shape of a layer's array, given that in the layer's own module."""
        return shape[:2] if layer in self.matrices else shape


def family_of(path: PathLike) -> Family:
    """The scheme of the table in the file ``path``.

    Raises:
        FamilyError: it is no such table, or cannot be read.
    """
    return Family(
        name=TABLE,
        summary=f"the names in {os.fspath(path)}",
        name_layers=partial(_name_layers, read_table(path), path),
        native=False,
    )


def read_table(path: PathLike) -> Table:
    """The table in a file.

    Raises:
        FamilyError: it is none, or cannot be read.
    """
    try:
        data = read_small(path, MAX_SIZE, FamilyError)
        return _table(json.loads(data, object_pairs_hook=_each_once))
    except (ValueError, RecursionError) as error:
        raise FamilyError(
            f"is no table of tensor names: {error}",
            path=path,
            remedy="write one with info --match --table-out",
        ) from error


def _each_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        repeated = next(key for number, (key, _) in enumerate(pairs) if key in dict(pairs[:number]))
        raise ValueError(f"it has {repeated} twice")
    return found


def _table(value: Any) -> Table:
    if not isinstance(value, dict):
        raise ValueError("it is no JSON object")
    linear, ignored = (tuple(_names(value.pop(key, []), key)) for key in (LINEAR, IGNORED))
    for key, name in value.items():
        if not re.fullmatch(_GENERIC, key):
            raise ValueError(f"{key} is no generic name like layers.0.conv.weight")
        _names([name], key)
    taken = [*value.values(), *ignored]
    if len(set(taken)) != len(taken):
        repeated = next(name for name in taken if taken.count(name) > 1)
        raise ValueError(f"it gives the name {repeated} twice")
    unknown = [key for key in linear if key not in value]
    if unknown:
        raise ValueError(f"{LINEAR} lists {unknown[0]}, which has no name")
    return Table(tensors=value, linear=linear, ignored=ignored)


def _names(names: Any, key: str) -> list[str]:
    """``names``, which must be such that they can be written."""
    if not isinstance(names, list):
        raise ValueError(f"{key} is no list")
    for name in names:
        if not isinstance(name, str) or not name or not name.isprintable():
            raise ValueError(f"{key} should give names of tensors")
    return names


def _name_layers(table: Table, path: PathLike, network: Network) -> Naming:
    """The names for ``network``, which must have the very tensors of the table."""
    naming = TableNaming(
        family=TABLE,
        modules=_modules(table),
        tensors=table.tensors,
        matrices=frozenset(map(_layer, table.linear)),
        extras="|".join(map(re.escape, table.ignored)),
    )
    dialect = network.dialect or DEFAULT
    surplus = dict(table.tensors)
    for node in network.nodes:
        for array in node.layer.arrays(node.inputs, dialect):
            try:
                naming.tensor(node.index, array.suffix)
            except FamilyError as error:
                error.path, error.place = os.fspath(path), node.place
                raise
            del surplus[f"layers.{node.index}.{array.suffix}"]
            matrix = array.suffix.endswith("weight") and len(array.shape) > 2
            if node.index in naming.matrices and matrix and array.shape[2:] != (1, 1):
                raise FamilyError(f"{LINEAR} lists a kernel that is not 1x1",
                                  path=path, place=node.place)  # fmt: skip
    if surplus:
        raise FamilyError(
            f"names {len(surplus)} tensors that the network lacks: {some(list(surplus))}",
            path=path,
            remedy="give the cfg that the table was made for",
        )
    return naming


def _layer(key: str) -> int:
    """The index in a generic name."""
    return int(key.split(".")[1])


def _modules(table: Table) -> dict[int, str]:
    """The module that all tensors of a layer stand in."""
    paths: defaultdict[int, list[list[str]]] = defaultdict(list)
    for key, name in table.tensors.items():
        paths[_layer(key)].append(name.split(".")[:-1])
    common = {
        layer: takewhile(lambda parts: len(set(parts)) == 1, zip(*p, strict=False))
        for layer, p in paths.items()
    }
    return {layer: ".".join(part for part, *_ in parts) for layer, parts in common.items()}
