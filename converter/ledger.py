"""The byte ledger: what a file holds against what its cfg asks for, and why they differ.

Only a hypothesis that was tested and fits is ever mentioned.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING

from converter import network as networks
from converter.errors import DarknetError, WeightsError
from converter.layers import Convolutional, Yolo

if TYPE_CHECKING:
    from converter.network import Network
    from converter.plan import Slot
    from converter.weights import Header


def cut(slots: Sequence[Slot], size: int) -> int | None:
    """N if a file of ``size`` bytes ends exactly after the arrays of layer N - 1, else None."""
    for last, following in pairwise(slots):
        if last.end == size and last.node.index != following.node.index:
            return last.node.index + 1
    return None


def explain(network: Network, header: Header, slots: Sequence[Slot], size: int) -> WeightsError:
    """Why a file of ``size`` bytes does not fit ``slots``."""
    expected = slots[-1].end if slots else header.size
    classes = _fitting_classes(network, header, size)
    if classes is not None:
        head, fits = classes
        return WeightsError(
            f"the file fits {fits} classes, the cfg says {head.classes}"
            f" ({size:,} bytes, the cfg asks for {expected:,})",
            place=f"cfg line {head.line} [{head.type}]",
            remedy=f"use the cfg with classes={fits} and the filters= before each head to match",
        )
    if size < expected:
        return _short(network, slots, size, expected)
    return WeightsError(
        f"has {size - expected:,} bytes more than the cfg asks for ({size:,}, not {expected:,})",
        place=f"byte {expected}",
        remedy="this is not the cfg it was trained with",
    )


def _short(
    network: Network, slots: Sequence[Slot], size: int, expected: int
) -> WeightsError:
    boundary = cut(slots, size)
    if boundary is not None:
        return WeightsError(
            f"ends after layer {boundary - 1} of {network.nodes[-1].index}: a backbone",
            place=f"byte {size}",
            remedy="use --partial to convert the layers that it has",
        )
    torn = next(slot for slot in slots if slot.end > size)
    return WeightsError(
        f"ends inside {torn.kind} of {torn.node.place}: {size:,} bytes of {expected:,}",
        place=f"byte {size}",
        remedy="download or copy it again, or use the cfg it was trained with",
    )


def _fitting_classes(network: Network, header: Header, size: int) -> tuple[Yolo, int] | None:
    """The class count for which the file would fit: every head's filters follow from it."""
    heads = [node.layer for node in network.nodes if isinstance(node.layer, Yolo)]
    if not heads or len({head.classes for head in heads}) > 1:
        return None
    wanted, rest = divmod(size - header.size, 4)
    with_one, with_two = (_floats_with(network, classes) for classes in (1, 2))
    if rest or with_one is None or with_two is None or with_two == with_one:
        return None
    more, rest = divmod(wanted - with_one, with_two - with_one)
    return None if rest or more < 0 else (heads[0], more + 1)


def _floats_with(network: Network, classes: int) -> int | None:
    """Floats of ``network`` with another class count, heads' filters adapted."""
    layers = [node.layer for node in network.nodes]
    for node in network.nodes:
        if isinstance(node.layer, Yolo):
            layers[node.index] = replace(node.layer, classes=classes)
            conv = layers[node.sources[0]]
            if not isinstance(conv, Convolutional):
                return None
            filters = len(node.layer.used_mask) * (5 + classes)
            layers[node.sources[0]] = replace(conv, filters=filters)
    try:
        return networks.build(network.net, layers, "").floats
    except DarknetError:  # the head feeds a layer that wants its old depth
        return None
