"""How the values of a scheme's tensors differ from those of Darknet's arrays.

Both directions are arithmetic in float64 that is rounded to float32 once.

Batch norm divides by ``sqrt(variance + eps)``. PyTorch and AlexeyAB's engine add 1e-5 (AB blas.c
and batchnorm_layer.c; pjreddie's adds 1e-6 to the root on the CPU), some ports add more. The same
output follows from a variance that is less by as much: ``v' + eps' == v + eps``. Where that would
be below zero it becomes 0, and the factor takes the rest: ``g' / sqrt(eps') == g / sqrt(v + eps)``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from converter.records import dataclass

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]

DARKNET_EPS = 1e-5


@dataclass(frozen=True)
class Rule:
    """One tensor's difference from its array.

    Values are rows of the tensor, (rows, values a row), float32.

    Attributes:
        reads: the array of the same layer whose rows ``into`` needs as well; "" for none.
        exact: whether the way back gives every bit again, whatever the values are.
    """

    reads: ClassVar[str] = ""
    exact: ClassVar[bool] = True

    def __str__(self) -> str:
        """What it does, for people."""
        raise NotImplementedError

    def into(self, values: Floats, other: Floats | None) -> Floats:
        """The tensor's values, given the array's and those of the array that it ``reads``."""
        raise NotImplementedError

    def back(self, values: Floats) -> Floats:
        """The array's values, given the tensor's."""
        raise NotImplementedError


@dataclass(frozen=True)
class Variance(Rule):
    """The running variance of a batch norm that adds ``eps``.

    The way back gives every bit again but where the variance was below ``eps - 1e-5``, and so
    became 0: there it gives ``eps - 1e-5``.
    """

    exact: ClassVar[bool] = False

    eps: float

    @property
    def less(self) -> float:
        """What is taken from the variance."""
        return self.eps - DARKNET_EPS

    def __str__(self) -> str:
        return f"batch norm adds {self.eps:g}: less by {self.less:g}, but not below 0"

    def into(self, values: Floats, other: Floats | None = None) -> Floats:
        """``v - (eps - 1e-5)``, at least 0."""
        import numpy as np

        moved = values.astype(np.float64) - self.less
        return np.where(_falls_below_zero(values, self.less), 0, moved).astype(np.float32)

    def back(self, values: Floats) -> Floats:
        """``v' + (eps - 1e-5)``."""
        import numpy as np

        return (values.astype(np.float64) + self.less).astype(np.float32)


@dataclass(frozen=True)
class Factor(Rule):
    """The factor of a batch norm that adds ``eps``: what its variance could not take.

    The way back changes nothing: with the variance that ``Variance`` gives back, the product is
    right.
    """

    reads: ClassVar[str] = "bn.running_var"
    exact: ClassVar[bool] = False

    eps: float

    def __str__(self) -> str:
        return f"batch norm adds {self.eps:g}: takes what is left where the variance became 0"

    def into(self, values: Floats, other: Floats | None) -> Floats:
        """``g * sqrt(eps / (v + 1e-5))`` where the variance becomes 0."""
        import numpy as np

        assert other is not None  # what it reads is in the plan
        falls = _falls_below_zero(other, self.eps - DARKNET_EPS)
        root = np.sqrt(self.eps / (other[falls].astype(np.float64) + DARKNET_EPS))
        taken = values.copy()
        taken[falls] = values[falls] * root
        return taken

    def back(self, values: Floats) -> Floats:
        """The same."""
        return values


@dataclass(frozen=True)
class ReversedGroups(Rule):
    """A kernel whose input channels come in ``groups`` equal groups, the last one first."""

    groups: int

    def __str__(self) -> str:
        return f"the {self.groups} groups of its input channels are in reverse order"

    def into(self, values: Floats, other: Floats | None = None) -> Floats:
        """Each group in the place of its opposite."""
        import numpy as np

        grouped = values.reshape(len(values), self.groups, -1)
        return np.ascontiguousarray(grouped[:, ::-1]).reshape(values.shape)

    def back(self, values: Floats) -> Floats:
        """The same again."""
        return self.into(values)


def _falls_below_zero(variances: Floats, less: float) -> NDArray[np.bool_]:
    """Which variances are too small to take ``less`` from, and yet give a root of a number."""
    import numpy as np

    exact = variances.astype(np.float64)
    return (exact < less) & (exact > -DARKNET_EPS)
