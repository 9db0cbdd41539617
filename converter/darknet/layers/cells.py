"""From a raw map to the few cells that may hold a box, and the functions that decide which do.

A map is NumPy's, or PyTorch's on any device. Both are compared, sliced and indexed alike, so that a
rule of a head is written once for both; ``Functions`` are what they call by different names.
"""

import math
import typing
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, TypeAlias

if typing.TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Values: TypeAlias = Any  # a tensor of PyTorch's or an array of NumPy's
MARGIN = 1e-3  # below the least raw value: floats are compared there, and NumPy decides


class Functions(NamedTuple):
    """What PyTorch and NumPy call by different names; along the last axis."""

    logistic: Callable[[Values], Values]
    softmax: Callable[[Values], Values]
    joined: Callable[[Sequence[Values]], Values]
    exp: Callable[[Values], Values]


class RawMap(NamedTuple):
    """What a network gives to one of its heads.

    Attributes:
        values: (N, channels, h, w) or (N, outputs), float32: NumPy's, or a tensor of PyTorch's on
            any device, which is compared and indexed likewise.
        fetch: makes an array of NumPy's of either.
    """

    values: Values
    fetch: "Callable[[Values], NDArray[Any]]"

    @property
    def is_finite(self) -> bool:
        """Whether its values are numbers: the largest and the least of them are."""
        ends = (self.values.max(), self.values.min())
        return all(math.isfinite(self.fetch(end)) for end in ends)


class Cells(NamedTuple):
    """Some anchors of some cells of a map."""

    picture: "NDArray[np.intp]"  # (M,)
    place: "NDArray[np.intp]"  # (M, 2): column and row
    anchor: "NDArray[np.intp]"  # (M,)
    values: "NDArray[np.float32]"  # (M, values), raw

    @classmethod
    def above(cls, least: float, raw: RawMap, anchors: int, objectness: int) -> "Cells":
        """Those of (N, anchors * values, h, w) whose value number ``objectness`` is above it.

        They are picked where the map is; no others leave the device.
        """
        import numpy as np

        v = by_anchor(raw.values, anchors)
        chosen = raw.fetch(v[:, :, objectness] > least).transpose(0, 2, 3, 1)
        picture, row, column, anchor = np.nonzero(chosen)
        values = raw.fetch(v[picture, anchor, :, row, column])
        return cls(picture, np.stack([column, row], 1), anchor, values)

    def only(self, which: "NDArray[np.bool_]") -> "Cells":
        """Those of them that ``which`` (M,) names."""
        return Cells(self.picture[which], self.place[which], self.anchor[which], self.values[which])


def in_torch() -> Functions:
    """PyTorch's."""
    import torch

    return Functions(
        logistic=torch.sigmoid,
        softmax=lambda x: torch.softmax(x, -1),
        joined=lambda parts: torch.cat(list(parts), -1),
        exp=torch.exp,
    )


def in_numpy() -> Functions:
    """NumPy's, of float32, computed in double and rounded as in C: pj activations.h:32."""
    import numpy as np

    def logistic(x: Values) -> Values:
        with np.errstate(over="ignore"):
            return (1 / (1 + np.exp(-x.astype(np.float64)))).astype(np.float32)

    def softmax(x: Values) -> Values:
        x = x.astype(np.float64)
        powers = np.exp(x - x.max(-1, keepdims=True, initial=-np.inf))
        return (powers / powers.sum(-1, keepdims=True)).astype(np.float32)

    return Functions(
        logistic=logistic,
        softmax=softmax,
        joined=lambda parts: np.concatenate(parts, -1),
        exp=np.exp,
    )


def logit(probability: float) -> float:
    """The value whose logistic is ``probability``, or what float32 rounds to that."""
    low = probability - 2.0**-23
    if low >= 1:
        return math.inf
    return math.log(low / (1 - low)) if low > 0 else -math.inf


def by_anchor(x: Values, anchors: int) -> Values:
    """(N, anchors * values, h, w) -> (N, anchors, values, h, w)."""
    return x.reshape(x.shape[0], anchors, -1, *x.shape[2:])
