"""What else a file may be: each way to read it, to its last byte, as another network or type.

A hypothesis is tested on the values, too: what it takes for variances of a batch norm must not be
negative.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from math import prod
from typing import TYPE_CHECKING, Any

from converter.darknet.dialects import RECOGNISED, DialectName
from converter.darknet.header import Header
from converter.darknet.network import Network, reread
from converter.diagnosis.alternatives import with_channels, with_classes, without_repetition
from converter.diagnosis.architectures import recognise
from converter.errors import CfgError, NetworkError, argument
from converter.official import MAX_CLASSES
from converter.plan import cutoff_at
from converter.published import PUBLISHED
from converter.records import dataclass

if TYPE_CHECKING:
    from converter.files.source import Source
    from converter.plan import SizeMismatch

MAX_CHANNELS = 64  # of a picture: more than any camera has
WIDTHS = {2: "float16", 8: "float64"}  # bytes of a value, for types that Darknet does not have


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """A way to read a file that accounts for its last byte.

    Attributes:
        network, dialect: what it would be.
        start: the byte at which the values would begin.
        claim: what would have to be true.
        remedy: what to do if it is.
        changes: how many things would have to be different from what they seem to be.
        place: the first layer that cannot be what the cfg says.
        width: bytes of a value.
    """

    network: Network
    dialect: DialectName
    start: int
    claim: str = ""
    remedy: str = ""
    changes: int = 0
    place: str | None = None
    width: int = 4

    def but(self, claim: str, remedy: str, changes: int = 1, **other: Any) -> Candidate:
        """This reading, if ``claim`` is true as well; ``other`` are the attributes that it has."""
        return replace(
            self,
            claim=" and ".join(filter(None, (self.claim, claim))),
            remedy=", and ".join(filter(None, (self.remedy, remedy))),
            changes=self.changes + changes,
            **other,
        )


def candidates(mismatch: SizeMismatch) -> Iterator[Candidate]:
    """All hypotheses whose size is the file's."""
    plan, size = mismatch.plan, mismatch.size
    asked = Candidate(network=plan.network, dialect=plan.dialect, start=plan.header.size)
    for base in _starts(asked, plan.header):
        yield from _at(base, size)
    for width, name in WIDTHS.items():
        if size == plan.header.size + width * plan.network.floats_of(plan.dialect):
            claim = f"the file fits values of {width} bytes: {name}"
            remedy = "Darknet reads float32 only: let the program that wrote it write that"
            yield asked.but(claim, remedy, width=width)
    for published in PUBLISHED:
        if size in published.sizes and not recognise((size - 20) // 4):
            claim = f"the file has the size of {published.file} as published"
            yield asked.but(claim, "give the cfg of that", 2, start=size)
    boundary = cutoff_at(plan.slots, size)
    if boundary is not None:
        last = plan.network.nodes[-1].index
        claim = f"ends after layer {boundary - 1} of {last}: a backbone"
        yield asked.but(claim, f"use {argument('--partial')} to convert the layers that it has")


def _starts(asked: Candidate, header: Header) -> list[Candidate]:
    """Where the values may begin, and as whose."""
    network, dialect = asked.network, asked.dialect
    starts = [asked]
    for other in RECOGNISED:
        if other == dialect:
            continue
        try:
            read = reread(network, other)
        except (CfgError, NetworkError):  # it does not take the cfg
            continue
        start = Header.decode(header.encode().ljust(20, b"\0"), other).size
        if start != header.size or read.floats_of(other) != network.floats_of(dialect):
            claim = f"the file fits {other}'s darknet, not {dialect}'s"
            remedy = f"use {argument('--dialect', other)}"
            starts.append(asked.but(claim, remedy, start=start, network=read, dialect=other))
    start = 36 - header.size
    if all(base.start != start for base in starts):
        claim = (
            f"the file fits a header of {start} bytes, its version {header.version} says"
            f" {header.size}"
        )
        version = "0, 1, 0" if start == 16 else "0, 2, 0"
        remedy = f"write the version {version} into its first 12 bytes"
        starts.append(asked.but(claim, remedy, start=start))
    return starts


def _at(base: Candidate, size: int) -> Iterator[Candidate]:
    """The hypotheses about the network, for values that begin where those of ``base`` do."""
    network, dialect = base.network, base.dialect
    floats, rest = divmod(size - base.start, 4)
    if rest or floats < 1:
        return
    if network.floats_of(dialect) == floats:
        yield base
    yield from _other_counts(base, floats)
    once = without_repetition(network)
    if once is not None and once.floats_of(dialect) == floats:
        yield base.but(
            f"the file fits the first {len(once.nodes)} layers, which the cfg repeats",
            "the cfg was appended to itself: delete the repetition",
            network=once,
            place=network.nodes[len(once.nodes)].place,
        )
    for reading in recognise(floats):
        other = reading.network
        if (other.floats, len(other.nodes)) != (network.floats, len(network.nodes)):
            place = _first_difference(network, other, dialect)
            claim = f"the file has the size of {reading}"
            yield base.but(claim, "give the cfg of that", 2, network=other, place=place)


def _other_counts(base: Candidate, floats: int) -> Iterator[Candidate]:
    """``base`` with so many classes, or channels of its picture, that it has ``floats``."""
    network, dialect = base.network, base.dialect
    for claim, remedy, current, vary, most in (
        ("the file fits {} classes, the cfg says {}",
         "use the cfg with classes={} and the filters= before each head to match",
         network.classes, with_classes, MAX_CLASSES),
        ("the file fits channels={}, the cfg says {}", "set channels={} in [net]",
         network.input.c, with_channels, MAX_CHANNELS),
    ):  # fmt: skip
        one, two = vary(network, 1), vary(network, 2)
        if one is None or two is None:
            continue
        first = one.floats_of(dialect)
        each = two.floats_of(dialect) - first
        more, rest = divmod(floats - first, each) if each else (0, 1)
        varied = None if rest or not 0 <= more < most else vary(network, more + 1)
        if varied is not None and more + 1 != current:
            yield base.but(
                claim.format(more + 1, current),
                remedy.format(more + 1),
                network=varied,
                place=_first_difference(network, varied, dialect),
            )


def _first_difference(network: Network, other: Network, dialect: DialectName) -> str | None:
    """The place of the first layer of ``network`` whose arrays are others in ``other``."""
    for node, like in zip(network.nodes, other.nodes, strict=False):
        if node.layout(dialect) != like.layout(dialect):
            return node.place
    return None


def is_plausible(reading: Candidate, source: Source) -> bool | None:
    """Whether the values that ``reading`` takes for variances can be; None if it takes none."""
    at, tested = reading.start, []
    for node in reading.network.nodes:
        for array in node.layer.arrays(node.inputs, reading.dialect):
            if array.on_disk:
                start, count = at, prod(array.shape)
                at += reading.width * count
                if array.kind.endswith("rolling_variance") and at <= source.size:
                    tested.append(are_variances(source, start, count, reading.width))
    return all(tested) if tested else None


def are_variances(source: Source, offset: int, count: int, width: int = 4) -> bool:
    """Whether none of ``count`` values is negative or no number."""
    import numpy as np

    data = bytearray(width * count)
    source.read_into(memoryview(data), offset)
    values = np.frombuffer(data, f"<f{width}")
    return bool((values >= 0).all() and np.isfinite(values).all())
