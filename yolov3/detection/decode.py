"""From raw maps to boxes, as Darknet's heads read them; NumPy alone."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from math import prod
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from converter.darknet.dialects import DEFAULT, DIALECTS, DialectName
from converter.darknet.layers.heads import Head, RawMap
from converter.darknet.network import Network
from converter.darknet.nodes import Node
from converter.errors import NetworkError
from yolov3.detection.image import Floats

Doubles: TypeAlias = npt.NDArray[np.float64]


class Runner(ABC):
    """A network with its weights, in PyTorch or in another runtime.

    Attributes:
        network: what it computes.
        dialect: whose engine to follow.
        names: of its classes; None if they are not known.
    """

    network: Network
    dialect: DialectName
    names: Sequence[str] | None

    @abstractmethod
    def maps(self, x: Floats) -> list[RawMap]:
        """What the heads get, in file order, of pictures (N, height, width, channels) in 0..1."""


def require_boxes(heads: Sequence[Node], dialect: DialectName) -> None:
    """Refuse heads that give no boxes, or none that could be trusted.

    Raises:
        NetworkError: naming the first.
    """
    for head in heads:
        problem = "gives no boxes"
        if isinstance(head.layer, Head):
            problem = head.layer.boxes_problem(dialect) or ""
        of = DIALECTS[dialect].boxes_of
        if of is not None and head.layer.type not in of:
            problem = f"{DIALECTS[dialect].engine} reports no boxes of [{head.layer.type}]"
        if problem:
            raise NetworkError(
                problem,
                place=head.place,
                remedy="boxes come from [yolo], [Gaussian_yolo], [region] and [detection];"
                " for a classifier there is yolov3.classify",
            )


def decode(
    heads: Sequence[Node],
    maps: Sequence[RawMap],
    size: tuple[int, int],
    threshold: float,
    dialect: DialectName = DEFAULT,
) -> Iterator[tuple[Doubles, Doubles]]:
    """The boxes of each picture, before any is dropped for its overlap with another.

    A box counts if its objectness is above ``threshold``, a class of it if objectness times class
    score is (pj yolo_layer.c:326, AB yolo_layer.c:1103).

    Args:
        heads: the network's heads in file order.
        maps: what each of them gets.
        size: (height, width) of the network's input in pixels.
        threshold: 0..1.
        dialect: whose engine the maps are read as.

    Yields:
        For each of the N pictures: boxes (M, 4), as centre x, centre y, width, height in parts of
        the network's input, and probabilities (M, classes), 0 where they are not above
        ``threshold``. Boxes stand in file order of their heads, cell by cell, anchor by anchor.

    Raises:
        NetworkError: a map is not finite, or of another size than its cfg says.
    """
    found = []
    for head, raw in zip(heads, maps, strict=True):
        _require_usable(head, raw)
        assert isinstance(head.layer, Head)  # require_boxes
        found.append(head.layer.boxes(raw, size, threshold, dialect))
    for picture in range(len(maps[0].values)):
        mine = [(boxes[at == picture], scores[at == picture]) for at, boxes, scores in found]
        scores = np.concatenate([scores for _, scores in mine])
        scores[~(scores > threshold)] = 0
        yield np.concatenate([boxes for boxes, _ in mine]), scores


def _require_usable(head: Node, raw: RawMap) -> None:
    if prod(raw.values.shape[1:]) != head.output.outputs:
        raise NetworkError("gets a map of another size than its cfg says", place=head.place)
    if not raw.is_finite:
        raise NetworkError(
            "gets values that are infinite or no numbers",
            place=head.place,
            remedy="the weights are damaged, or not for this network",
        )
