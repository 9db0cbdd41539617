"""What else a file may be: each way to read it, to its last byte, as another network or type.

A hypothesis is tested on the values, too: what it takes for variances of a batch norm must not be
negative.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from math import prod
from typing import TYPE_CHECKING

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
    from converter.darknet.nodes import Node
    from converter.files.source import Source
    from converter.plan import SizeMismatch

MAX_CHANNELS = 64  # of a picture: more than any camera has
WIDTHS = {2: "float16", 8: "float64"}  # bytes of a value, for types that Darknet does not have


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """A way to read a file that accounts for its last byte.

    Attributes:
        claim: what would have to be true.
        remedy: what to do if it is.
        network, dialect: what it would be.
        start: the byte at which the values would begin.
        changes: how many things would have to be different from what they seem to be.
        place: the first layer that cannot be what the cfg says.
        width: bytes of a value.
    """

    claim: str
    remedy: str
    network: Network
    dialect: DialectName
    start: int
    changes: int = 1
    place: str | None = None
    width: int = 4


def candidates(mismatch: SizeMismatch) -> Iterator[Candidate]:
    """All hypotheses whose size is the file's."""
    plan, size = mismatch.plan, mismatch.size
    network, header, dialect = plan.network, plan.header, plan.dialect
    for start, read, reads_as, claim, remedy in _starts(network, header, dialect):
        for reading in _at(read, reads_as, start, size):
            yield replace(
                reading,
                claim=" and ".join(filter(None, (claim, reading.claim))),
                remedy=", and ".join(filter(None, (remedy, reading.remedy))),
                changes=reading.changes + bool(claim),
            )
    yield from _other_widths(network, dialect, header, size)
    for published in PUBLISHED:
        if size in published.sizes and not recognise((size - 20) // 4):
            yield Candidate(
                claim=f"the file has the size of {published.file} as published",
                remedy="give the cfg of that",
                network=network,
                dialect=dialect,
                start=size,
                changes=2,
            )
    boundary = cutoff_at(plan.slots, size)
    if boundary is not None:
        yield Candidate(
            claim=f"ends after layer {boundary - 1} of {network.nodes[-1].index}: a backbone",
            remedy=f"use {argument('--partial')} to convert the layers that it has",
            network=network,
            dialect=dialect,
            start=header.size,
        )


def _starts(
    network: Network, header: Header, dialect: DialectName
) -> list[tuple[int, Network, DialectName, str, str]]:
    """Where the values may begin, and as whose: byte, network, dialect, claim, remedy."""
    starts = [(header.size, network, dialect, "", "")]
    for other in RECOGNISED:
        start, read = _header_size(header, other), _reread(network, other)
        if read is None or other == dialect:
            continue
        if start != header.size or read.floats_of(other) != network.floats_of(dialect):
            starts.append(
                (start, read, other, f"the file fits {other}'s darknet, not {dialect}'s",
                 f"use {argument('--dialect', other)}")
            )  # fmt: skip
    other_start = 36 - header.size
    if all(start != other_start for start, *_ in starts):
        starts.append(
            (other_start, network, dialect, f"the file fits a header of {other_start} bytes, its"
             f" version {header.version} says {header.size}",
             f"write the version {'0, 1, 0' if other_start == 16 else '0, 2, 0'} into its first"
             " 12 bytes")
        )  # fmt: skip
    return starts


def _at(network: Network, dialect: DialectName, start: int, size: int) -> Iterator[Candidate]:
    """The hypotheses about the network, for values that begin at byte ``start``."""
    floats, rest = divmod(size - start, 4)
    if rest or floats < 1:
        return
    base = Candidate(claim="", remedy="", network=network, dialect=dialect, start=start, changes=0)
    if network.floats_of(dialect) == floats:
        yield base
    yield from _other_counts(base, floats)
    once = without_repetition(network)
    if once is not None and once.floats_of(dialect) == floats:
        yield replace(
            base,
            claim=f"the file fits the first {len(once.nodes)} layers, which the cfg repeats",
            remedy="the cfg was appended to itself: delete the repetition",
            network=once,
            changes=1,
            place=network.nodes[len(once.nodes)].place,
        )
    for reading in recognise(floats):
        other = reading.network
        if (other.floats, len(other.nodes)) != (network.floats, len(network.nodes)):
            yield replace(
                base,
                claim=f"the file has the size of {reading}",
                remedy="give the cfg of that",
                network=other,
                changes=2,
                place=_first_difference(network, other, dialect),
            )


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
        value, rest = divmod(floats - first, each) if each else (0, 1)
        varied = None if rest or not 0 <= value < most else vary(network, value + 1)
        if varied is not None and value + 1 != current:
            yield replace(
                base,
                claim=claim.format(value + 1, current),
                remedy=remedy.format(value + 1),
                network=varied,
                changes=1,
                place=_first_difference(network, varied, dialect),
            )


def _other_widths(
    network: Network, dialect: DialectName, header: Header, size: int
) -> Iterator[Candidate]:
    for width, name in WIDTHS.items():
        if size == header.size + width * network.floats_of(dialect):
            yield Candidate(
                claim=f"the file fits values of {width} bytes: {name}",
                remedy="Darknet reads float32 only: let the program that wrote it write that",
                network=network,
                dialect=dialect,
                start=header.size,
                width=width,
            )


def _first_difference(network: Network, other: Network, dialect: DialectName) -> str | None:
    """The place of the first layer of ``network`` whose arrays are others in ``other``."""
    for node, like in zip(network.nodes, other.nodes, strict=False):
        if node.layout(dialect) != like.layout(dialect):
            return node.place
    return None


def is_plausible(reading: Candidate, source: Source) -> bool | None:
    """Whether the values that ``reading`` takes for variances can be; None if it takes none."""
    spans = list(_variances(reading.network, reading.dialect, reading.start, reading.width))
    tested = [are_variances(source, at, n, reading.width) for _, at, n in spans
              if at + n * reading.width <= source.size]  # fmt: skip
    return all(tested) if tested else None


def _variances(
    network: Network, dialect: DialectName, start: int, width: int = 4
) -> Iterator[tuple[Node, int, int]]:
    """Every array of variances: its layer, first byte and number of values."""
    for node in network.nodes:
        for array in node.layer.arrays(node.inputs, dialect):
            if array.on_disk:
                count = prod(array.shape)
                if array.kind.endswith("rolling_variance"):
                    yield node, start, count
                start += width * count


def are_variances(source: Source, offset: int, count: int, width: int = 4) -> bool:
    """Whether none of ``count`` values is negative or no number."""
    import numpy as np

    data = bytearray(width * count)
    source.read_into(memoryview(data), offset)
    values = np.frombuffer(data, f"<f{width}")
    return bool((values >= 0).all() and np.isfinite(values).all())


def _reread(network: Network, dialect: DialectName) -> Network | None:
    """``network`` as another engine reads its cfg; None if it does not take it."""
    try:
        return reread(network, dialect)
    except (CfgError, NetworkError):
        return None


def _header_size(header: Header, dialect: DialectName) -> int:
    """What ``dialect`` takes for the length of a header with this version."""
    return Header.decode(header.encode().ljust(20, b"\0"), dialect).size
