"""What the rules of a naming scheme do to the values of one .weights file."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from converter.checkpoint.payload import rows_of
from converter.files.source import Source
from converter.plan import Plan, Slot
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
    by_rule: defaultdict[str, list[tuple[int, int]]] = defaultdict(list)
    for slot in plan.tensors:
        if slot.rule:
            by_rule[str(slot.rule)].append(_counts(source, slot))
    return tuple(
        Change(
            rule=rule,
            tensors=len(counts),
            changed=sum(changed for changed, _ in counts),
            lost=sum(lost for _, lost in counts),
        )
        for rule, counts in by_rule.items()
    )


def _counts(source: Source, slot: Slot) -> tuple[int, int]:
    """Values that the slot's rule changes, and those that its way back does not give again."""
    assert slot.rule is not None
    changed = lost = 0
    for array, values in rows_of(source, slot):
        changed += _unequal(array, values)
        lost += _unequal(array, slot.rule.back(values))
    return changed, lost


def _unequal(a: NDArray[np.float32], b: NDArray[np.float32]) -> int:
    """As integers: NaN equals NaN, and 0 does not equal -0."""
    return int((a.view("<u4") != b.view("<u4")).sum())
