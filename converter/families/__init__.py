"""Naming schemes, one module with one record each: which network gets which tensor names.

A scheme enters as a module with a ``FAMILY`` and one line in ``_NAMES``. Nobody outside compares
a scheme's name: what differs is in its record, or in the ``Naming`` that it gives a network.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from importlib import import_module
from typing import TYPE_CHECKING

from converter.errors import FamilyError, UsageError, source_family
from converter.options import FamilyChoice

if TYPE_CHECKING:  # the names of the schemes alone should cost nothing
    from converter.darknet.network import Network
    from converter.families.base import Family, Naming

# Their modules, with "_" for "-", are imported when they are asked for. In the order in which a
# network is tried on them: the last of our own takes every network.
_NAMES = (
    "yolov3",
    "article",
    "generic",
    "bubbliiiing",
    "dena",
    "libreyolo",
    "lightnet",
    "mmdet",
    "pytorchyolo",
    "tianxiaomo",
    "tianxiaomo-class",
    "timm",
    "ultralytics",
    "ultralytics-v5",
)
# What names are called that come from a table in a file.
TABLE = "table"


class _Families(Mapping[str, "Family"]):
    """Family name -> its record."""

    def __init__(self) -> None:
        self._found: dict[str, Family | None] = dict.fromkeys(_NAMES)

    def __getitem__(self, name: str) -> Family:
        found = self._found[name]
        if found is None:
            found = import_module(f"{__name__}.{name.replace('-', '_')}").FAMILY
            self._found[name] = found
        return found

    def __iter__(self) -> Iterator[str]:
        return iter(self._found)

    def __len__(self) -> int:
        return len(self._found)

    def register(self, family: Family) -> None:
        """Add a scheme for the life of the process."""
        self._found[family.name] = family


FAMILIES = _Families()


def find_family(choice: FamilyChoice) -> Family:
    """The scheme of a name, or of the table in a .json file.

    Raises:
        FamilyError: there is no such scheme, or it is no table.
        UsageError: it is one of a table, which is not given.
    """
    if choice in FAMILIES:
        return FAMILIES[choice]
    if str(choice).endswith(".json"):
        from converter.families.table import family_of  # late: seldom needed

        return family_of(choice)
    if choice == TABLE:
        raise UsageError(
            "has tensor names from a table",
            remedy=f"give it with {source_family('--family-table')}",
        )
    raise FamilyError(
        f"{choice!r} is no family of tensor names",
        remedy=f"use one of {', '.join(FAMILIES)}, or a table (.json)",
    )


def name_layers(network: Network, family: FamilyChoice) -> Naming:
    """The names of ``network`` in the scheme called ``family``, or of the table in that file.

    Raises:
        FamilyError: it has no place for the network, or there is no such scheme.
        UsageError: it is one of a table, which is not given.
    """
    return find_family(family).name_layers(network)


def native_naming(network: Network) -> Naming:
    """The names of the model that ``yolov3`` has for ``network``: the first scheme that fits.

    ``reason`` says why none before it does.
    """
    reasons: list[str] = []
    for family in FAMILIES.values():
        if family.native and not family.one_way:
            try:
                return replace(family.name_layers(network), reason="; ".join(reasons))
            except FamilyError as error:
                reasons.append(f"{error.message} ({error.place})" if error.place else error.message)
    raise FamilyError("; ".join(reasons))
