"""Which class of the network each category of a format is."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from converter.errors import DatasetError, argument, some
from yolov3.detection.dataset import Categories, Dataset
from yolov3.detection.datasets.base import Labelled, Request

# Darknet calls four of COCO's categories as Pascal VOC does (pj data/coco.names:4, 5, 58, 63), and
# makes one word of two: "pottedplant", "diningtable".
SYNONYMS = {"aeroplane": "airplane", "motorbike": "motorcycle", "sofa": "couch", "tvmonitor": "tv"}

log = logging.getLogger("yolov3")


def as_classes(labelled: Labelled, request: Request) -> Dataset:
    """What a reader answered to ``request``, with the network's classes as labels.

    Raises:
        DatasetError: a category is no class of the network.
    """
    entries, names = labelled.categories, request.names
    if entries is None:
        return Dataset(samples=tuple(labelled.samples))
    unnamed = names is None or list(names) == [str(i) for i in range(request.classes)]
    by_order = request.by_order or (labelled.numbered and unnamed)
    if by_order:
        categories = _by_order(entries, request)
    else:
        # A category that no object has (the "super" ones of some tools) need be no class.
        used = {truth.label for sample in labelled.samples for truth in sample.truths}
        categories = _by_name({i: entries[i] for i in entries if i in used}, request)
    samples = []
    for sample in labelled.samples:
        truths = (replace(each, label=categories.labels[each.label]) for each in sample.truths)
        samples.append(replace(sample, truths=tuple(truths)))
    return Dataset(
        samples=tuple(samples),
        categories=categories,
        names=tuple(entries[i] for i in sorted(entries)) if by_order and unnamed else None,
    )


def _by_name(categories: Mapping[Any, str], request: Request) -> Categories:
    """Which class each category is: of the same name but for case and spaces, or a synonym."""
    names = request.names or ()
    labels: dict[Any, int] = {}
    renamed: dict[str, str] = {}
    # A closer name goes first, so that a network may tell "tv" from "TV", or "sofa" from "couch".
    for key in (str, _folded, _common):
        taken = set(labels.values())
        free = [(key(name), label) for label, name in enumerate(names) if label not in taken]
        times = Counter(name for name, _ in free)
        by_key = {name: label for name, label in free if times[name] == 1}
        for identity, name in categories.items():
            if identity not in labels and key(name) in by_key:
                labels[identity] = by_key[key(name)]
                if key is _common:
                    renamed[name] = names[labels[identity]]
    left = [name for identity, name in categories.items() if identity not in labels]
    if left:
        raise DatasetError(
            f"has categories that are no class of the network: {some([repr(n) for n in left])}",
            path=request.path,
            remedy=f"give the class names with {argument('--names')}, or take the categories in the"
            f" order of their ids with {argument('--by-order')}",
        )
    if renamed:
        pairs = ", ".join(f"{category!r} is {name!r}" for category, name in renamed.items())
        log.info("categories by another word for the same: %s", pairs)
    return Categories(labels=labels, renamed=renamed, by_order=False)


def _by_order(entries: Mapping[Any, str], request: Request) -> Categories:
    by_name = (
        f"leave out {argument('--by-order')}, and give the class names with {argument('--names')}"
    )
    try:
        ids = sorted(entries)
    except TypeError as error:
        raise DatasetError(
            "has categories whose ids, numbers and others, have no order",
            path=request.path,
            remedy=by_name,
        ) from error
    if len(ids) != request.classes:
        raise DatasetError(
            f"has {len(ids)} categories, the network has {request.classes} classes",
            path=request.path,
            remedy=by_name
            if request.by_order
            else "it is for another network; or give this one's class names with"
            f" {argument('--names')}",
        )
    log.info("categories: taken in the order of their ids")
    labels = {identity: label for label, identity in enumerate(ids)}
    return Categories(labels=labels, renamed={}, by_order=True)


def _folded(name: str) -> str:
    return "".join(name.casefold().split())


def _common(name: str) -> str:
    return SYNONYMS.get(_folded(name), _folded(name))
