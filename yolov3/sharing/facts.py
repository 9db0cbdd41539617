"""What a published model says of itself to programs. It needs no PyTorch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from converter.darknet.dialects import DialectName
from converter.darknet.network import Network

if TYPE_CHECKING:
    from yolov3.base import FromDarknet

LIBRARY = "darknet-safetensors"


def facts(
    network: Network,
    *,
    model: str,
    family: str | None,
    dialect: DialectName | None,
    names: list[str] | None,
) -> dict[str, Any]:
    """The model in JSON, for programs that do not read cfgs; ``load`` needs none of it.

    Args:
        network: what it is.
        model: its class in ``yolov3``.
        family: of its tensors' names; None if it comes from no checkpoint.
        dialect: whose engine wrote its weights; None likewise.
        names: of its classes, if known.
    """
    return {
        "library_name": LIBRARY,
        "architectures": [model],
        "family": family,
        "dialect": dialect,
        "classes": network.classes,
        "names": names,
        "input_size": [network.input.h, network.input.w],
        "strides": network.strides,
        "anchors": [[list(anchor) for anchor in level] for level in network.anchors],
    }


def facts_of(model: FromDarknet) -> dict[str, Any]:
    """The same of a model in memory."""
    meta = model.metadata
    return facts(
        model.network,
        model=type(model).__name__,
        family=meta.family if meta else None,
        dialect=meta.dialect if meta else None,
        names=model.names,
    )
