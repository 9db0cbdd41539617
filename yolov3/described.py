"""What a loaded model knows beside its tensors."""

from collections.abc import Sequence

from converter.layers import Dialect
from converter.metadata import Metadata
from converter.network import Network


class FromDarknet:
    """What a model knows of the checkpoint that it was loaded from.

    Attributes:
        metadata: what the checkpoint says of itself; None for a model that comes from none.
        network: the Darknet network.
        dialect: whose darknet wrote the weights.
        names: class names, if known.
        input_size: (height, width) of the picture, in pixels.
        strides: pixels a cell, for each output map.
        anchors: (width, height) in pixels of the picture, for each output map.
        missing: tensors that the checkpoint did not have (``load(strict=False)`` only).
    """

    metadata: Metadata | None = None
    network: Network
    dialect: Dialect
    names: list[str] | None = None
    input_size: tuple[int, int]
    strides: Sequence[int] = ()
    anchors: Sequence[Sequence[tuple[float, float]]] = ()
    missing: Sequence[str] = ()
