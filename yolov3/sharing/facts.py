"""What a published model says of itself to programs. It needs no PyTorch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from converter.darknet.network import Network

if TYPE_CHECKING:
    from converter.checkpoint.metadata import Metadata
    from yolov3.base import FromDarknet

LIBRARY = "darknet-safetensors"


def facts(
    network: Network, model: str, meta: Metadata | None, names: list[str] | None
) -> dict[str, Any]:
    """The model in JSON, for programs that do not read cfgs; ``load`` needs none of it.

    Args:
        network: what it is.
        model: its class in ``yolov3``.
        meta: what its checkpoint says of itself; None if it comes from none, or that says nothing.
        names: of its classes, if known.
    """
    return {
        "library_name": LIBRARY,
        "architectures": [model],
        "family": meta.family if meta else None,
        "dialect": meta.dialect if meta else None,
        "classes": network.classes,
        "names": names,
        "input_size": [network.input.h, network.input.w],
        "strides": network.strides,
        "anchors": [[list(anchor) for anchor in level] for level in network.anchors],
    }


def facts_of(model: FromDarknet) -> dict[str, Any]:
    """The same of a model in memory."""
    return facts(model.network, type(model).__name__, model.metadata, model.names)
