"""The byte ledger: what a file holds against what its cfg asks for, and why they differ.

A hypothesis is a reading that accounts for the file's last byte. Each is tested on the values, too:
what it takes for variances of a batch norm must not be negative. Only those that fit are mentioned,
the likeliest first.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from math import prod
from typing import TYPE_CHECKING

from converter import known, registry, sniff
from converter.errors import NetworkError, WeightsError
from converter.layers import DIALECTS, Dialect, Layer
from converter.layers.convolutional import Convolutional
from converter.layers.heads import AnchorHead, Region
from converter.variants import (
    channels_of,
    with_channels,
    with_classes,
    with_heads,
    without_repetition,
)
from converter.weights import Header

if TYPE_CHECKING:
    from converter.network import Net, Network, Node
    from converter.plan import Slot
    from converter.source import Source

MAX_CHANNELS = 64  # of a picture: more than any camera has
SHOWN = 3  # hypotheses in one message

_WIDTHS = {2: "float16", 8: "float64"}  # bytes of a value, for types that Darknet does not have


@dataclass(frozen=True, kw_only=True)
class Reading:
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
    dialect: Dialect
    start: int
    changes: int = 1
    place: str | None = None
    width: int = 4


def cut(slots: Sequence[Slot], size: int) -> int | None:
    """N if a file of ``size`` bytes ends exactly after the arrays of layer N - 1, else None."""
    for last, following in pairwise(slots):
        if last.end == size and last.node.index != following.node.index:
            return last.node.index + 1
    return None


def explain(
    network: Network,
    header: Header,
    dialect: Dialect,
    slots: Sequence[Slot],
    size: int,
    source: Source | None = None,
) -> WeightsError:
    """Why a file of ``size`` bytes, perhaps ``source``, does not fit ``slots``."""
    expected = slots[-1].end if slots else header.size
    tested = [
        (_holds(r, source, size), r) for r in _readings(network, header, dialect, slots, size)
    ]
    # Sorting is stable: of two equally likely ones the first found stays first.
    tested.sort(key=lambda item: ({True: 0, None: 1, False: 2}[item[0]], item[1].changes))
    likely = [reading for holds, reading in tested if holds is not False]
    if not likely:
        error = _unexplained(header, slots, size, expected, source)
        if tested:
            error.message += (
                f"; by its size alone, {tested[0][1].claim}, but then variances would be negative"
            )
        return error
    first, *others = likely[:SHOWN]
    claims = "; or ".join(reading.claim for reading in (first, *others))
    return WeightsError(
        f"{claims} ({size:,} bytes, the cfg asks for {expected:,})",
        place=first.place or f"byte {min(size, expected)}",
        remedy="; or ".join(dict.fromkeys(reading.remedy for reading in (first, *others))),
    )


def unknown(header: Header, dialect: Dialect, source: Source) -> WeightsError:
    """Why a file without a cfg is of no known architecture."""
    size = source.size
    other = 36 - header.size
    found = [
        f"with a header of {other} bytes it would be {reading}"
        for reading in known.recognise((size - other) // 4)
        if (size - other) % 4 == 0
    ]
    for width, name in _WIDTHS.items():
        floats, rest = divmod(size - header.size, width)
        found += [
            f"in {name} it would be {reading}" for reading in known.recognise(floats) if not rest
        ]
    for architecture in known.ARCHITECTURES:
        network = architecture.network(architecture.classes or 1)
        layers = _layers_of_prefix(network, dialect, header.size, size)
        if layers:
            found.append(f"the first {layers} layers of {architecture.name} would be as long")
    remedy = "give its cfg with --cfg"
    if any(text.startswith("the first") for text in found):
        remedy += ", and --partial for the first layers"
    published = _published(source)
    if published and published.size != size:
        found.insert(0, f"{published.file} as published has {published.size:,} bytes")
        remedy = f"download it again, or {remedy}"
    if not sniff.plausible_version(header.major, header.minor, header.revision):
        found.insert(0, f"its version reads {_version(header)}, which no darknet wrote")
        remedy = "this is no .weights file, or a damaged one: download or copy it again"
    return WeightsError(
        "; ".join(
            [
                f"is of no architecture known by its size ({size:,} bytes),"
                " and there is no cfg beside it",
                *found[:SHOWN],
            ]
        ),
        remedy=remedy,
    )


def explain_heads(
    error: NetworkError, net: Net, layers: Sequence[Layer], source: Source
) -> NetworkError:
    """``error``, which stopped a network with heads, with what the file says about the remedy."""
    heads = [
        (head, conv) for conv, head in pairwise(layers)
        if isinstance(head, AnchorHead | Region) and isinstance(conv, Convolutional)
    ]  # fmt: skip
    wrong = next(((h, c) for h, c in heads if channels_of(h, h.classes) != c.filters), None)
    if wrong is None:
        return error
    head, conv = wrong
    each = channels_of(head, 2) - channels_of(head, 1)
    meant, rest = divmod(conv.filters - channels_of(head, 0), each)
    counts = [n for n in (head.classes, 0 if rest else meant) if n > 0]
    fitting = [
        count
        for count in counts
        if (network := with_heads(net, layers, count))
        and any(
            source.size == Header.decode(source.head, dialect).size + 4 * network.floats_of(dialect)
            for dialect in DIALECTS
        )
    ]
    wanted = " or ".join(
        f"classes={count} with filters={channels_of(head, count)}" for count in fitting or counts
    )
    error.remedy = f"the file fits {wanted}" if fitting else f"write {wanted} there"
    return error


def _readings(
    network: Network, header: Header, dialect: Dialect, slots: Sequence[Slot], size: int
) -> Iterator[Reading]:
    """All hypotheses whose size is the file's."""
    starts = [(header.size, dialect, "", "")]
    for other in DIALECTS:
        start = _header_size(header, other)
        if other != dialect and (start != header.size or _differs(network)):
            starts.append(
                (start, other, f"the file fits {other}'s darknet, not {dialect}'s",
                 f"use --dialect {other}")
            )  # fmt: skip
    other_start = 36 - header.size
    if all(start != other_start for start, *_ in starts):
        starts.append(
            (other_start, dialect, f"the file fits a header of {other_start} bytes, its version"
             f" {_version(header)} says {header.size}",
             f"write the version {'0, 1, 0' if other_start == 16 else '0, 2, 0'} into its first"
             " 12 bytes")
        )  # fmt: skip
    for start, reads_as, claim, remedy in starts:
        for reading in _at(network, reads_as, start, size):
            yield replace(
                reading,
                claim=" and ".join(filter(None, (claim, reading.claim))),
                remedy=", and ".join(filter(None, (remedy, reading.remedy))),
                changes=reading.changes + bool(claim),
            )
    yield from _other_widths(network, dialect, header, size)
    for published in registry.FILES:
        if published.size == size and not known.recognise((size - 20) // 4):
            yield Reading(
                claim=f"the file has the size of {published.file} as published",
                remedy="give the cfg of that",
                network=network,
                dialect=dialect,
                start=size,
                changes=2,
            )
    boundary = cut(slots, size)
    if boundary is not None:
        yield Reading(
            claim=f"ends after layer {boundary - 1} of {network.nodes[-1].index}: a backbone",
            remedy="use --partial to convert the layers that it has",
            network=network,
            dialect=dialect,
            start=header.size,
        )


def _at(network: Network, dialect: Dialect, start: int, size: int) -> Iterator[Reading]:
    """The hypotheses about the network, for values that begin at byte ``start``."""
    floats, rest = divmod(size - start, 4)
    if rest or floats < 1:
        return
    base = Reading(claim="", remedy="", network=network, dialect=dialect, start=start, changes=0)
    if network.floats_of(dialect) == floats:
        yield base
    for what, remedy, said, vary, most in (
        ("classes", "use the cfg with classes={} and the filters= before each head to match",
         network.classes, with_classes, known.MAX_CLASSES),
        ("channels", "set channels={} in [net]", network.input.c, with_channels, MAX_CHANNELS),
    ):  # fmt: skip
        one, two = vary(network, 1), vary(network, 2)
        if one is None or two is None:
            continue
        first = one.floats_of(dialect)
        each = two.floats_of(dialect) - first
        value, rest = divmod(floats - first, each) if each else (0, 1)
        varied = None if rest or not 0 <= value < most else vary(network, value + 1)
        if varied is not None and value + 1 != said:
            yield replace(
                base,
                claim=_claim(what, value + 1, said),
                remedy=remedy.format(value + 1),
                network=varied,
                changes=1,
                place=_first_difference(network, varied, dialect),
            )
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
    for reading in known.recognise(floats):
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


def _claim(what: str, fits: int, said: int | None) -> str:
    if what == "channels":
        return f"the file fits channels={fits}, the cfg says {said}"
    return f"the file fits {fits} classes, the cfg says {said}"


def _other_widths(
    network: Network, dialect: Dialect, header: Header, size: int
) -> Iterator[Reading]:
    for width, name in _WIDTHS.items():
        if size == header.size + width * network.floats_of(dialect):
            yield Reading(
                claim=f"the file fits values of {width} bytes: {name}",
                remedy="Darknet reads float32 only: let the program that wrote it write that",
                network=network,
                dialect=dialect,
                start=header.size,
                width=width,
            )


def _unexplained(
    header: Header, slots: Sequence[Slot], size: int, expected: int, source: Source | None
) -> WeightsError:
    """Where a file of the wrong size ends, or stops to make sense."""
    if not sniff.plausible_version(header.major, header.minor, header.revision):
        return WeightsError(
            f"its version reads {_version(header)}, which no darknet wrote"
            f" ({size:,} bytes, the cfg asks for {expected:,})",
            place="byte 0",
            remedy="this is no .weights file, or a damaged one: download or copy it again",
        )
    odd = _first_odd(slots, size, source)
    stray = f"; {odd.place} is the first whose values cannot be what the cfg says" if odd else ""
    if size > expected:
        return WeightsError(
            f"has {size - expected:,} bytes more than the cfg asks for"
            f" ({size:,}, not {expected:,}){stray}",
            place=f"byte {expected}",
            remedy="this is not the cfg it was trained with",
        )
    torn = next(slot for slot in slots if slot.end > size)
    published = _published(source) if source else None
    download = published is not None and published.size == expected
    return WeightsError(
        f"ends inside {torn.kind} of {torn.node.place}: {size:,} bytes of {expected:,}{stray}",
        place=f"byte {size}",
        remedy=f"an interrupted download of {published.file}: download it again"
        if published and download
        else "download or copy it again, or use the cfg it was trained with",
    )


def _holds(reading: Reading, source: Source | None, size: int) -> bool | None:
    """Whether the values that ``reading`` takes for variances can be; None if it takes none."""
    if source is None:
        return None
    spans = list(_variances(reading.network, reading.dialect, reading.start, reading.width))
    tested = [_sound(source, at, n, reading.width) for _, at, n in spans
              if at + n * reading.width <= size]  # fmt: skip
    return all(tested) if tested else None


def _variances(
    network: Network, dialect: Dialect, start: int, width: int = 4
) -> Iterator[tuple[Node, int, int]]:
    """Every array of variances: its layer, first byte and number of values."""
    for node in network.nodes:
        for array in node.layer.arrays(node.inputs, dialect):
            if array.on_disk:
                count = prod(array.shape)
                if array.kind.endswith("rolling_variance"):
                    yield node, start, count
                start += width * count


def _sound(source: Source, offset: int, count: int, width: int = 4) -> bool:
    """Whether none of ``count`` values is negative or no number."""
    import numpy as np

    data = bytearray(width * count)
    source.read_into(memoryview(data), offset)
    values = np.frombuffer(data, f"<f{width}")
    return bool((values >= 0).all() and np.isfinite(values).all())


def _first_odd(slots: Sequence[Slot], size: int, source: Source | None) -> Node | None:
    """The layer before whose variances the file ceases to be what the cfg says."""
    if source is None:
        return None
    for slot in slots:
        whole = slot.end <= size and slot.kind.endswith("rolling_variance")
        if whole and not _sound(source, slot.offset, slot.floats):
            return slot.node
    return None


def _first_difference(network: Network, other: Network, dialect: Dialect) -> str | None:
    """The place of the first layer of ``network`` whose arrays are others in ``other``."""
    for node, like in zip(network.nodes, other.nodes, strict=False):
        arrays = [(a.kind, a.shape) for a in node.layer.arrays(node.inputs, dialect)]
        if arrays != [(a.kind, a.shape) for a in like.layer.arrays(like.inputs, dialect)]:
            return node.place
    return None


def _layers_of_prefix(network: Network, dialect: Dialect, start: int, size: int) -> int | None:
    """N if the file has the length of the first N layers, of which none depends on classes."""
    for node in network.nodes[:-1]:
        if node.layer.is_head:
            return None
        arrays = node.layer.arrays(node.inputs, dialect)
        floats = sum(prod(array.shape) for array in arrays)
        start += 4 * floats
        if start == size and floats and not network.nodes[node.index + 1].layer.is_head:
            return node.index + 1
    return None


def _published(source: Source) -> registry.PublicFile | None:
    return next((file for file in registry.FILES if file.file == source.path.name), None)


def _differs(network: Network) -> bool:
    return network.floats_of("pjreddie") != network.floats_of("alexeyab")


def _header_size(header: Header, dialect: Dialect) -> int:
    """What ``dialect`` takes for the length of a header with this version."""
    return Header.decode(header.encode().ljust(20, b"\0"), dialect).size


def _version(header: Header) -> str:
    return f"{header.major}.{header.minor}.{header.revision}"
