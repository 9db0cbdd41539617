"""Where in the modular model each layer stands: its part, row and cell."""

from __future__ import annotations

from typing import Literal

from converter.families.base import Naming
from converter.families.template import BLOCKS, Spec, template
from converter.records import dataclass

Part = Literal["backbone", "neck", "heads"]


@dataclass(frozen=True, kw_only=True)
class Place:
    """A cell of the picture: those of one stage of the backbone and of its level share a row.

    Attributes:
        part: of the model.
        row: 0 for the stem, 1 to 5 for the stages, 6 for the classifier.
        cell: the module within that row: ``stem``, ``in`` and ``0``, ``1``, ... for a stage's
            blocks, ``fc``, the attribute of the FPN, or ``heads``.
    """

    part: Part
    row: int
    cell: str


def places(naming: Naming) -> list[Place] | None:
    """The place of each layer, in cfg order; None for a generic network."""
    if naming.spec is None:
        return None
    paths = [path for _, path in template(naming.spec)]
    found: list[Place] = []
    for index, path in enumerate(paths):
        # Layers without weights stand beside the one before them, but for those that lead to a
        # merge conv or to the classifier.
        following = paths[index + 1] if index + 1 < len(paths) else ""
        if not path and (following.startswith("fpn.merge_convs") or following == "fc.2"):
            path = following
        found.append(_place(path, naming.spec) if path else found[-1])
    return found


def _place(path: str, spec: Spec) -> Place:
    first, *rest = path.removeprefix("backbone.").split(".")
    if first == "stem":
        return Place(part="backbone", row=0, cell="stem")
    if first == "fc":
        return Place(part="backbone", row=len(BLOCKS) + 1, cell="fc")
    if first.startswith("conv_"):
        return Place(part="backbone", row=int(first.split("_")[1]), cell="in")
    if first.startswith("res_conv_"):
        return Place(part="backbone", row=int(first.removeprefix("res_conv_")), cell=rest[0])
    row = len(BLOCKS) - spec.levels + 1  # of level 0
    if first == "heads":
        return Place(part="heads", row=row + int(rest[0]), cell="heads")
    if rest[0] == "spp":
        return Place(part="neck", row=len(BLOCKS), cell="fpn_convs")
    return Place(part="neck", row=row + int(rest[1]), cell=rest[0])
