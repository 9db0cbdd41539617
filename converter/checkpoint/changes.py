"""What the rules of a naming scheme do to the values of one .weights file."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from converter.checkpoint.payload import rows_of
from converter.files.source import Source
from converter.plan import Plan
from converter.records import dataclass

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True, kw_only=True)
class Change:
    """What one rule does.

    Attributes:
        rule: in words.
        tensors: how many it is for.
        changed: values of theirs that are others than in the file.
        lost: values of which the way back gives other bits than the file has.
    """

    rule: str
    tensors: int
    changed: int
    lost: int

    def __str__(self) -> str:
        """With its numbers."""
        back = f"{self.lost:,} of them do not" if self.lost else "all"
        return (
            f"{self.changed:,} values of {self.tensors:,} tensors are changed ({self.rule});"
            f" {back} come back bit for bit"
        )

    def as_dict(self) -> dict[str, Any]:
        """One of the ``changes`` of ``convert --json`` and ``verify --json``."""
        return asdict(self)


def changes(source: Source, plan: Plan) -> tuple[Change, ...]:
    """What each rule of ``plan`` does to the values of ``source``."""
    tensors, changed, lost = Counter[str](), Counter[str](), Counter[str]()
    for slot in plan.tensors:
        if slot.rule:
            rule = str(slot.rule)
            tensors[rule] += 1
            for array, values in rows_of(source, slot):
                changed[rule] += _unequal(array, values)
                lost[rule] += _unequal(array, slot.rule.back(values))
    return tuple(
        Change(rule=rule, tensors=count, changed=changed[rule], lost=lost[rule])
        for rule, count in tensors.items()
    )


def _unequal(a: NDArray[np.float32], b: NDArray[np.float32]) -> int:
    """As integers: NaN equals NaN, and 0 does not equal -0."""
    return int((a.view("<u4") != b.view("<u4")).sum())
