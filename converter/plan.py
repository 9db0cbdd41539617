"""The Plan: where every byte of a .weights file goes, settled before a byte is written.

It is a pure function of header, file size, network and names. Conversion, the way back,
verification, reports and error messages all read this one table, so they cannot drift apart.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import field, replace
from itertools import pairwise
from math import prod
from typing import TYPE_CHECKING

from converter.darknet.dialects import DialectName
from converter.darknet.header import Header
from converter.darknet.layers import Array
from converter.darknet.network import Network
from converter.darknet.nodes import Node
from converter.errors import WeightsError
from converter.families.base import Naming
from converter.records import dataclass

if TYPE_CHECKING:
    from converter.families.rules import Rule


@dataclass(frozen=True, kw_only=True, slots=True)
class Slot:
    """One array of the file.

    Attributes:
        node: the layer it belongs to.
        kind: Darknet's name for it (``biases``, ``scales``, ...).
        tensor: its name in the checkpoint; "" if the model has no place for it.
        shape: its shape there.
        offset: its first byte in the .weights file.
        transposed: whether the file holds the transpose of the (shape[0], rest) matrix.
        rule: how the tensor's values differ from the array's; None if they are the same. A slot
            that has one is not transposed.
        read: the slot of the same layer whose values the rule needs as well, if it needs any.
    """

    node: Node
    kind: str
    tensor: str
    shape: tuple[int, ...]
    offset: int
    transposed: bool
    rule: Rule | None = None
    read: Slot | None = None

    @property
    def floats(self) -> int:
        """Float32 values."""
        return prod(self.shape)

    @property
    def end(self) -> int:
        """The byte after its last."""
        return self.offset + 4 * self.floats

    @property
    def label(self) -> str:
        """How the file side calls it: layer index and Darknet's name."""
        return f"{self.node.index} {self.kind}"


@dataclass(frozen=True, kw_only=True)
class Plan:
    """All slots of one file, which they cover from the header to the last byte.

    Attributes:
        header: the file's header.
        network, naming, dialect: what the file was read as.
        slots: in file order.
        unfilled: tensors of the model without a source, with their shapes.
        cutoff: N if the file ends after layer N - 1, else None.
    """

    header: Header
    network: Network
    naming: Naming
    dialect: DialectName
    slots: tuple[Slot, ...]
    unfilled: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    cutoff: int | None = None

    def __repr__(self) -> str:
        return f"Plan({self.naming.family}, {len(self.slots)} slots, {self.size:,} bytes)"

    @property
    def tensors(self) -> tuple[Slot, ...]:
        """The slots that go into the checkpoint, in its order."""
        return tuple(slot for slot in self.slots if slot.tensor)

    @property
    def left_out(self) -> tuple[Slot, ...]:
        """The slots that the model has no place for."""
        return tuple(slot for slot in self.slots if not slot.tensor)

    @property
    def verbatim(self) -> bool:
        """Whether all values go into the checkpoint as they are, in the order of the file."""
        return all(slot.tensor and not slot.transposed and not slot.rule for slot in self.slots)

    @property
    def exact(self) -> bool:
        """Whether the file follows from the checkpoint's values, whatever they are."""
        return all(slot.tensor and (not slot.rule or slot.rule.exact) for slot in self.slots)

    @property
    def complete(self) -> bool:
        """Whether the checkpoint fills the whole model."""
        return self.cutoff is None and not self.unfilled

    @property
    def size(self) -> int:
        """Bytes of the file."""
        return self.slots[-1].end if self.slots else self.header.size

    def renamed(self, naming: Naming) -> Plan:
        """The same bytes with other names; as many slots, in the same order."""
        return _first_layers(_lay_out(self.header, self.network, naming, self.dialect), self.cutoff)


class SizeMismatch(WeightsError):  # noqa: N818 - as Python says KeyboardInterrupt
    """A file that is not as long as its network asks for.

    Attributes:
        plan: of the whole network.
        size: bytes of the file.
        partial: whether it might have been a whole number of its first layers.
    """

    def __init__(self, plan: Plan, size: int, *, partial: bool) -> None:
        super().__init__(f"has {size:,} bytes, the network asks for {plan.size:,}")
        self.plan, self.size, self.partial = plan, size, partial


def make_plan(
    *,
    header: Header,
    size: int | None,
    network: Network,
    naming: Naming,
    dialect: DialectName,
    partial: bool = False,
    cutoff: int | None = None,
) -> Plan:
    """The plan for a file of ``size`` bytes that starts with ``header``.

    Without a size it is for the file that the network asks for, up to layer ``cutoff`` - 1.

    Raises:
        SizeMismatch: the file is not exactly as long as the network asks for, and is not a whole
            number of its first layers with ``partial``.
        WeightsError: there is no such layer, or nothing to read.
    """
    whole = _lay_out(header, network, naming, dialect)
    if size is not None and size != whole.size:
        cutoff = cutoff_at(whole.slots, size) if partial else None
        if cutoff is None:
            raise SizeMismatch(whole, size, partial=partial)
    return _first_layers(whole, cutoff)


def _first_layers(plan: Plan, cutoff: int | None) -> Plan:
    """The part of a plan that ends before layer ``cutoff``; None: all of it."""
    if cutoff is not None:
        count = len(plan.network.nodes)
        if not 0 < cutoff < count:
            raise WeightsError(f"cannot end before layer {cutoff} of {count}")
        slots = tuple(slot for slot in plan.slots if slot.node.index < cutoff)
        gone = {slot.tensor: slot.shape for slot in plan.tensors if slot.node.index >= cutoff}
        plan = replace(plan, slots=slots, unfilled={**plan.unfilled, **gone}, cutoff=cutoff)
    if not plan.slots and plan.unfilled:
        raise WeightsError("holds no weights", remedy="check that the cfg is the right one")
    return plan


def cutoff_at(slots: Sequence[Slot], size: int) -> int | None:
    """N if a file of ``size`` bytes ends exactly after the arrays of layer N - 1, else None."""
    for last, following in pairwise(slots):
        if last.end == size and last.node.index != following.node.index:
            return last.node.index + 1
    return None


def _lay_out(header: Header, network: Network, naming: Naming, dialect: DialectName) -> Plan:
    slots: dict[tuple[int, str], Slot] = {}
    unfilled = dict(naming.unfilled)
    offset = header.size
    for node, array, tensor in named_arrays(network, naming, dialect):
        shape = naming.shape(node.index, array.shape)
        if not array.on_disk:
            if tensor:
                unfilled[tensor] = shape
            continue
        transposed = array.stored == "transposed" or (
            array.stored == "connected" and header.transpose
        )
        slot = Slot(
            node=node,
            kind=array.kind,
            tensor=tensor,
            shape=shape,
            offset=offset,
            transposed=transposed,
        )
        slots[node.index, array.suffix] = slot
        offset = slot.end
    return Plan(
        header=header,
        network=network,
        naming=naming,
        dialect=dialect,
        slots=_with_rules(slots, naming),
        unfilled=unfilled,
    )


def _with_rules(slots: Mapping[tuple[int, str], Slot], naming: Naming) -> tuple[Slot, ...]:
    if not naming.rules:
        return tuple(slots.values())
    ruled = []
    for (index, suffix), slot in slots.items():
        rule = naming.rules.get((index, suffix))
        read = slots[index, rule.reads] if rule and rule.reads else None
        ruled.append(replace(slot, rule=rule, read=read))
    return tuple(ruled)


def named_arrays(
    network: Network, naming: Naming, dialect: DialectName
) -> Iterator[tuple[Node, Array, str]]:
    """Every array in file order with its tensor name, "" where there is no place for it."""
    for node in network.nodes:
        for array in node.layer.arrays(node.inputs, dialect):
            yield node, array, naming.tensor(node.index, array.suffix)
