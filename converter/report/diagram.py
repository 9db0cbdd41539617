"""Which drawing a network gets, and in which colours."""

from __future__ import annotations

from converter.plan import Plan
from converter.report import columns, modular
from converter.report.drawing import Drawing
from converter.report.places import places


def draw(plan: Plan) -> Drawing:
    """The modular YOLOv3 by its modules, anything else by its layers."""
    nodes = plan.network.nodes
    where = places(plan.naming)
    return columns.draw(nodes) if where is None else modular.draw(nodes, where)


def parts(plan: Plan) -> list[str]:
    """The part of the model that each layer belongs to; "" in a generic network."""
    where = places(plan.naming)
    return [""] * len(plan.network.nodes) if where is None else [place.part for place in where]
