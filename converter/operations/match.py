"""match(): the table of names between a .weights file and a checkpoint of the same values.

Tensors that are equal bit for bit are the same tensor. Several of equal shape that are equal, as
those of a fresh batch norm, are distinguished by the module that they stand in.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import field
from itertools import takewhile
from pathlib import Path
from typing import Any

from converter.checkpoint import formats
from converter.checkpoint.header import Contents
from converter.checkpoint.payload import rows_of
from converter.darknet.dialects import DialectName
from converter.errors import CheckpointError
from converter.families import name_layers
from converter.families.table import Table
from converter.files.source import opened
from converter.identify import identify
from converter.options import PathLike
from converter.plan import Plan, Slot
from converter.records import dataclass

# The shape without a trailing 1x1, and the hash of the values.
_Key = tuple[tuple[int, ...], bytes]
# Arrays and tensors that are all equal, and not paired yet.
_Group = tuple[list[Slot], list[str]]


@dataclass(frozen=True, kw_only=True)
class Match:
    """Which tensor is which.

    Attributes:
        table: generic name -> the checkpoint's.
        ambiguous: groups of (generic names, the checkpoint's) of which any may be any.
        unmatched: generic names whose values no tensor of the checkpoint has.
    """

    table: Table
    ambiguous: tuple[tuple[tuple[str, ...], tuple[str, ...]], ...]
    unmatched: tuple[str, ...]

    @property
    def complete(self) -> bool:
        """Whether every array of the .weights file has its tensor."""
        return not self.ambiguous and not self.unmatched

    def as_dict(self) -> dict[str, Any]:
        """The object that ``info --match --json`` prints."""
        return {
            "schema": 1,
            "complete": self.complete,
            "table": self.table.as_dict(),
            "ambiguous": [{"generic": list(a), "tensors": list(b)} for a, b in self.ambiguous],
            "unmatched": list(self.unmatched),
        }


def match(
    checkpoint: PathLike,
    weights: PathLike,
    *,
    cfg: PathLike | None = None,
    dialect: DialectName | None = None,
) -> Match:
    """Pair the tensors of two files that hold the same network.

    Args:
        checkpoint: a .safetensors, .pt or .pth file, with names of any kind.
        weights: the .weights file.
        cfg: the network; default: the .cfg beside ``weights``, else recognised by its size.
        dialect: whose darknet ``weights`` is of; default: decided by the files.

    Raises:
        DarknetError: one of them cannot be read.
        CheckpointError: they have no tensor in common.
    """
    contents = formats.read(checkpoint)
    with opened(Path(weights)) as source:
        known = identify(source, cfg, dialect)
        plan = known.plan(source, name_layers(known.network, "generic"))
        ours: defaultdict[_Key, list[Slot]] = defaultdict(list)
        for slot in plan.tensors:
            digest = hashlib.sha256()
            for _, rows in rows_of(source, slot):  # an array need not fit into memory
                digest.update(rows.tobytes())
            ours[_plain(slot.shape), digest.digest()].append(slot)
    theirs = _hashed(contents, {shape for shape, _ in ours})
    pairing = _Pairing(groups=[(slots, theirs[key]) for key, slots in ours.items()])
    pairing.settle()
    if not pairing.found:
        raise CheckpointError(
            "has no tensor whose float32 values are those of an array",
            path=contents.path,
            remedy=f"give one that was made from {weights}",
        )
    return _result(pairing, plan, contents)


def _plain(shape: tuple[int, ...]) -> tuple[int, ...]:
    """A 1x1 convolution has the values of a matrix."""
    return shape[:2] if shape[2:] == (1, 1) else shape


def _hashed(contents: Contents, shapes: set[tuple[int, ...]]) -> Mapping[_Key, list[str]]:
    """The checkpoint's tensors of these shapes."""
    found: defaultdict[_Key, list[str]] = defaultdict(list)
    with formats.open_tensors(contents.path, "float32", contents) as tensors:
        for name in sorted(contents.names):
            entry = contents.entries[name]
            if entry.dtype == "F32" and _plain(entry.shape) in shapes:
                values = tensors.array(name).astype("<f4").tobytes()
                found[_plain(entry.shape), hashlib.sha256(values).digest()].append(name)
    return found


@dataclass(kw_only=True)
class _Pairing:
    """What is known of who is who.

    Attributes:
        groups: what is equal to what.
        found: generic name -> the checkpoint's.
        modules: layer -> the paths of the modules of the tensors that were found for it.
    """

    groups: list[_Group]
    found: dict[str, str] = field(default_factory=dict)
    modules: dict[int, set[tuple[str, ...]]] = field(default_factory=dict)

    def settle(self) -> None:
        """Pair what can be paired; each pair may tell where others of its layer stand."""
        for group in self.groups:
            slots, tensors = group
            if len(slots) == len(tensors) == 1:
                self._pair(group, slots[0], tensors[0])
        while sum(self._settle(group) for group in self.groups):
            pass

    def _pair(self, group: _Group, slot: Slot, tensor: str) -> None:
        slots, tensors = group
        slots.remove(slot)
        tensors.remove(tensor)
        self.found[slot.tensor] = tensor
        self.modules.setdefault(slot.node.index, set()).add(tuple(tensor.split(".")[:-1]))

    def _settle(self, group: _Group) -> int:
        """Pair those of which each is nearest to the other, and nothing else as near; how many."""
        slots, tensors = group
        pairs = []
        for slot in slots:
            nearest = _only_best({name: self._nearness(slot, name) for name in tensors})
            if nearest is None:
                continue
            if slot.tensor == _only_best({s.tensor: self._nearness(s, nearest) for s in slots}):
                pairs.append((slot, nearest))
        for slot, tensor in pairs:
            self._pair(group, slot, tensor)
        return len(pairs)

    def _nearness(self, slot: Slot, tensor: str) -> tuple[int, bool]:
        """How much of its path a tensor shares with those of the layer; if it ends as its array."""
        *path, last = tensor.split(".")
        modules = self.modules.get(slot.node.index, ())
        shared = max((_shared(path, module) for module in modules), default=0)
        return shared, bool(shared) and slot.tensor.rpartition(".")[2] == last


def _only_best(rated: Mapping[str, tuple[int, bool]]) -> str | None:
    """What is rated best, if it is in the module of anything, and nothing else is as good."""
    best = max(rated.values(), default=(0, False))
    names = [name for name, rating in rated.items() if rating == best]
    return names[0] if best[0] and len(names) == 1 else None


def _shared(path: Sequence[str], other: Sequence[str]) -> int:
    """How many names both begin with."""
    pairs = zip(path, other, strict=False)
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))


def _result(pairing: _Pairing, plan: Plan, contents: Contents) -> Match:
    shapes = {slot.tensor: slot.shape for slot in plan.tensors}
    found = {name: pairing.found[name] for name in shapes if name in pairing.found}
    ambiguous = tuple(
        (tuple(slot.tensor for slot in slots), tuple(tensors))
        for slots, tensors in pairing.groups
        if slots and tensors
    )
    unclear = {name for _, tensors in ambiguous for name in tensors}
    ignored = contents.names.difference(found.values(), unclear)
    lost = {slot.tensor for slots, tensors in pairing.groups if not tensors for slot in slots}
    return Match(
        table=Table(
            tensors=found,
            linear=tuple(n for n, name in found.items() if shapes[n] != contents.shapes[name]),
            ignored=() if lost or ambiguous else tuple(sorted(ignored)),
        ),
        ambiguous=ambiguous,
        unmatched=tuple(name for name in shapes if name in lost),
    )
