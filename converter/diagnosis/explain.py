"""The byte ledger: what a file holds against what its cfg asks for, and why they differ.

Only hypotheses that fit the file are mentioned, the likeliest first.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from itertools import chain, count, pairwise
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING

from converter.darknet.dialects import RECOGNISED, DialectName
from converter.darknet.evidence import file_size
from converter.darknet.header import Header
from converter.darknet.layers import Layer
from converter.darknet.layers.convolutional import Convolutional
from converter.darknet.layers.heads import AnchorHead
from converter.diagnosis import nearby
from converter.diagnosis.alternatives import with_heads
from converter.diagnosis.architectures import ARCHITECTURES, fits, recognise
from converter.diagnosis.candidates import WIDTHS, are_variances, candidates, is_plausible
from converter.diagnosis.zeros import only_zeros
from converter.errors import NetworkError, WeightsError, argument, command
from converter.files import sniff
from converter.files.source import first_layers_name
from converter.options import Given
from converter.published import PUBLISHED, PublicFile, suggest_download

if TYPE_CHECKING:
    from converter.darknet.network import Network
    from converter.darknet.nodes import Net, Node
    from converter.files.source import Source
    from converter.plan import SizeMismatch, Slot

SHOWN = 3  # hypotheses in one message


def explain(
    mismatch: SizeMismatch, source: Source, cfg_path: Path | None, given: Given
) -> WeightsError:
    """Why ``source`` does not fit its network, which the cfg describes.

    ``given`` are the options of the call that count for a part of it too.
    """
    if only_zeros(source):
        return _never_came(source)
    size, expected = mismatch.size, mismatch.plan.size
    cfg = cfg_path.name if cfg_path else "the cfg"
    beside = nearby.suggest(source, cfg_path)
    tested = [(is_plausible(r, source), r) for r in candidates(mismatch)]
    # Sorting is stable: of two equally likely ones the first found stays first.
    tested.sort(key=lambda item: ({True: 0, None: 1, False: 2}[item[0]], item[1].changes))
    likely = [reading for held, reading in tested if held is not False]
    if not likely:
        error = _unexplained(mismatch, source, cfg_path, given)
        floats, rest = divmod(size - mismatch.plan.header.size, 4)
        error.remedy = beside or error.remedy
        for fit in [] if rest else fits(floats)[:1]:
            error.message += f"; it fits {fit}"
            error.remedy = f"{error.remedy}; or begin with: {fit.command}"
        if tested:
            error.message += (
                f"; by its size alone, {tested[0][1].claim}, but then variances would be negative"
            )
        return error
    shown = likely[:SHOWN]
    claims = "; or ".join(reading.claim for reading in shown)
    remedies = [beside] if beside else [reading.remedy for reading in shown]
    return WeightsError(
        f"{claims} ({size:,} bytes, {cfg} asks for {expected:,})",
        place=shown[0].place or f"byte {min(size, expected)}",
        remedy="; or ".join(dict.fromkeys(remedies)),
    )


def explain_unknown(header: Header, dialect: DialectName, source: Source) -> WeightsError:
    """Why a file without a cfg is of no known architecture."""
    if only_zeros(source):
        return _never_came(source)
    size, other = source.size, 36 - header.size
    found = []
    ways = [(f"with a header of {other} bytes", other, 4)]
    ways += [(f"in {name}", header.size, width) for width, name in WIDTHS.items()]
    for way, start, width in ways:
        floats, rest = divmod(size - start, width)
        found += [f"{way} it would be {reading}" for reading in recognise(floats) if not rest]
    for architecture in ARCHITECTURES:
        network = architecture.network(architecture.classes or 1)
        layers = _layers_of_prefix(network, dialect, header.size, size)
        if layers:
            found.append(f"the first {layers} layers of {architecture.name} would be as long")
    beside = nearby.suggest(source)
    remedy = beside or f"give its cfg with {argument('--cfg')}"
    if any(text.startswith("the first") for text in found):
        remedy += f", and {argument('--partial')} for the first layers"
    floats, rest = divmod(size - header.size, 4)
    fitting = [] if rest else fits(floats)
    if fitting and not beside:
        found = [f"it fits {fit}" for fit in fitting[:SHOWN]]
        remedy += f"; if it is lost, begin with: {fitting[0].command}"
    published = _published(source)
    if published and size not in published.sizes:
        found.insert(0, f"{published.file} as published has {published.size:,} bytes")
        remedy = f"download it again, or {remedy}"
    if not sniff.plausible_version(header.major, header.minor, header.revision):
        found.insert(0, f"its version reads {header.version}, which no darknet wrote")
        remedy = "this is no .weights file, or a damaged one: download or copy it again"
    problem = (
        f"is of no architecture known by its size ({size:,} bytes), and no cfg of its name is"
        " beside it"
    )
    return WeightsError("; ".join([problem, *found[:SHOWN]]), remedy=remedy)


def explain_heads(
    error: NetworkError, net: Net, layers: Sequence[Layer], source: Source
) -> NetworkError:
    """``error``, which stopped a network with heads, with what the file says about the remedy."""
    wrong = [
        (head, conv) for conv, head in pairwise(layers)
        if isinstance(head, AnchorHead) and isinstance(conv, Convolutional)
        and head.channels(head.classes) != conv.filters
    ]  # fmt: skip
    if not wrong:
        return error
    head, conv = wrong[0]
    each = head.channels(2) - head.channels(1)
    meant, rest = divmod(conv.filters - head.channels(0), each)
    counts = [n for n in (head.classes, 0 if rest else meant) if n > 0]
    fitting = [
        count
        for count in counts
        if (network := with_heads(net, layers, count))
        and any(source.size == file_size(network, source.head, name) for name in RECOGNISED)
    ]
    wanted = " or ".join(
        f"classes={count} with filters={head.channels(count)}" for count in fitting or counts
    )
    error.remedy = f"the file fits {wanted}" if fitting else f"write {wanted} there"
    return error


def _never_came(source: Source) -> WeightsError:
    download = None if source.is_copy else suggest_download(source.path)
    remedy = f"download it again: {download} --force" if download else "download or copy it again"
    return WeightsError(
        f"holds nothing but zeros ({source.size:,} bytes): room was made for it, and what should"
        " fill it never came",
        remedy=remedy,
    )


def _unexplained(
    mismatch: SizeMismatch, source: Source, cfg_path: Path | None, given: Given
) -> WeightsError:
    """Where a file of the wrong size ends, or stops to make sense."""
    cfg = cfg_path.name if cfg_path else "the cfg"
    header, slots = mismatch.plan.header, mismatch.plan.slots
    size, expected = mismatch.size, mismatch.plan.size
    if not sniff.plausible_version(header.major, header.minor, header.revision):
        return WeightsError(
            f"its version reads {header.version}, which no darknet wrote"
            f" ({size:,} bytes, {cfg} asks for {expected:,})",
            place="byte 0",
            remedy="this is no .weights file, or a damaged one: download or copy it again",
        )
    wrong = _first_implausible(slots, source)
    if wrong:
        return WeightsError(
            f"its variances would be negative: the file is of another network than {cfg}, from here"
            f" on at the latest ({size:,} bytes, {cfg} asks for {expected:,})",
            place=wrong.place,
            remedy="give the cfg it was trained with",
        )
    if size > expected:
        return WeightsError(
            f"has {size - expected:,} bytes more than {cfg} asks for ({size:,}, not {expected:,})",
            place=f"byte {expected}",
            remedy="give the cfg it was trained with",
        )
    torn = next(slot for slot in slots if slot.end > size)
    claim = f"ends inside {torn.kind} of {torn.node.place}"
    published = _published(source)
    remedy = "download or copy it again, or use the cfg it was trained with"
    if published and expected in published.sizes:
        remedy = f"an interrupted download of {published.file}: download it again"
    if mismatch.partial:
        claim += ", and a partial file ends after a layer"
        whole = [slot for slot in slots if slot.node.index < torn.node.index]
        if whole and cfg_path and not source.is_copy:
            remedy += f"; or {_first_layers(whole[-1], source, cfg_path, given)}"
    return WeightsError(
        f"{claim}: {size:,} bytes of the {expected:,} that {cfg} asks for",
        place=f"byte {size}",
        remedy=remedy,
    )


def _first_layers(last: Slot, source: Source, cfg_path: Path, given: Given) -> str:
    """How the layers up to that of ``last`` are converted."""
    import shlex  # late: seldom needed

    layers = last.node.index + 1
    first = _free_name(first_layers_name(source.path, layers))
    cut = f"head -c {last.end} {shlex.quote(str(source.path))} > {shlex.quote(first)}"
    options = [(option, os.fspath(value)) for option, value in given.items() if value is not None]
    line = command("convert", first, "--cfg", str(cfg_path), *chain(*options), "--partial")
    return f"take its first {layers} layers, which are whole: {cut}; {line}"


def _free_name(name: str) -> str:
    """``name``, or with a number before it if there is a file of that name."""
    names = chain([name], (f"{number}-{name}" for number in count(2)))
    return next(free for free in names if not os.path.lexists(free))


def _first_implausible(slots: Sequence[Slot], source: Source) -> Node | None:
    """The layer before whose variances the file ceases to be what the cfg says."""
    for slot in slots:
        whole = slot.end <= source.size and slot.kind.endswith("rolling_variance")
        if whole and not are_variances(source, slot.offset, slot.floats):
            return slot.node
    return None


def _layers_of_prefix(network: Network, dialect: DialectName, start: int, size: int) -> int | None:
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


def _published(source: Source) -> PublicFile | None:
    return next((file for file in PUBLISHED if file.file == source.path.name), None)
