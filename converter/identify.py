"""What an open .weights file is, and where everything in it lies."""

from __future__ import annotations

from typing import TYPE_CHECKING

from converter.plan import Plan, SizeMismatch, make_plan

if TYPE_CHECKING:
    from converter.darknet.dialects import DialectName
    from converter.darknet.header import Header
    from converter.darknet.network import Network
    from converter.families.base import Naming
    from converter.files.source import Source


def plan_source(
    source: Source,
    *,
    header: Header,
    network: Network,
    naming: Naming,
    dialect: DialectName,
    partial: bool,
) -> Plan:
    """The plan for ``source``, read as the rest says; see ``make_plan``.

    Raises:
        WeightsError: it does not fit, and why.
    """
    try:
        return make_plan(
            header=header,
            size=source.size,
            network=network,
            naming=naming,
            dialect=dialect,
            partial=partial,
        )
    except SizeMismatch as mismatch:
        from converter.diagnosis.explain import explain  # late: rarely needed

        raise explain(mismatch, source) from mismatch
