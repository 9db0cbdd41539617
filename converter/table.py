"""The mapping as a table of text: cfg layer, bytes, tensor, shape."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from converter.plan import Slot

HEADING = f"{'layer':24}{'bytes':>23}  {'tensor':42}{'shape':20}"


def line(slot: Slot) -> str:
    """One slot, in the columns of ``HEADING``."""
    layer = f"{slot.node.index} {slot.node.layer.type} {slot.kind}"
    shape = " x ".join(map(str, slot.shape))
    bytes_ = f"{slot.offset:,}-{slot.end - 1:,}"
    return f"{layer:24}{bytes_:>23}  {slot.tensor or '(left out)':42}{shape:20}"
