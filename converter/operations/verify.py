"""verify(): a checkpoint against the .weights file it was made from."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from converter.checkpoint import payload
from converter.checkpoint.checkpoint import Checkpoint
from converter.checkpoint.metadata import Metadata
from converter.checkpoint.payload import Comparison
from converter.darknet.header import Header
from converter.darknet.network import read_network
from converter.errors import WeightsError
from converter.families import name_layers
from converter.files.source import opened
from converter.identify import plan_source
from converter.options import PathLike
from converter.plan import Plan


@dataclass(frozen=True, kw_only=True)
class Verification:
    """What ``verify`` found.

    Attributes:
        plan: which bytes should be where.
        metadata: what the checkpoint says of itself.
        comparison: what is.
        header_ok: whether the recorded header is the file's, and the recorded end.
    """

    plan: Plan
    metadata: Metadata
    comparison: Comparison
    header_ok: bool

    @property
    def ok(self) -> bool:
        """Whether the checkpoint holds exactly this file."""
        return self.comparison.ok and self.header_ok

    def as_dict(self) -> dict[str, Any]:
        """The object that ``verify --json`` prints."""
        return {
            "schema": 1,
            "ok": self.ok,
            "tensors": len(self.comparison.rows),
            "mismatched": list(self.comparison.mismatched),
            "missing": list(self.comparison.missing),
            "unexpected": list(self.comparison.unexpected),
            "header": self.header_ok,
            "dtype": self.metadata.dtype,
        }


def verify(source: PathLike, checkpoint: PathLike, *, cfg: PathLike | None = None) -> Verification:
    """Compare ``checkpoint`` with the .weights file it was made from, value by value.

    Args:
        source: the .weights file.
        checkpoint: the safetensors file.
        cfg: the network, if the checkpoint should not be believed about it.

    Raises:
        DarknetError: they cannot be compared.
    """
    stored = Checkpoint.open(checkpoint)
    network = read_network(cfg) if cfg else stored.network
    meta = stored.metadata
    with opened(Path(source)) as opened_source, stored.tensors() as tensors:
        header = Header.decode(opened_source.head, meta.dialect)
        try:
            plan = plan_source(
                opened_source,
                header=header,
                network=network,
                naming=name_layers(network, meta.family),
                dialect=meta.dialect,
                partial=meta.cutoff is not None,
            )
        except WeightsError as error:
            error.path = os.fspath(source)
            raise
        return Verification(
            plan=plan,
            metadata=meta,
            comparison=payload.compare(opened_source, plan, tensors),
            header_ok=(header, plan.cutoff) == (meta.header, meta.cutoff),
        )
