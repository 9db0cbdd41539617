"""The section types, one class each. ``LAYERS`` finds a class by its canonical cfg name."""

from converter.layers.base import (
    DIALECTS,
    Array,
    Dialect,
    Layer,
    Misfit,
    Shape,
)
from converter.layers.connected import Connected
from converter.layers.convolutional import Convolutional
from converter.layers.heads import Yolo
from converter.layers.pooling import Avgpool, Maxpool
from converter.layers.routing import Route, Shortcut, Upsample
from converter.layers.simple import Cost, Dropout, Softmax

LAYERS: dict[str, type[Layer]] = {
    cls.type: cls
    for cls in (
        Avgpool,
        Connected,
        Convolutional,
        Cost,
        Dropout,
        Maxpool,
        Route,
        Shortcut,
        Softmax,
        Upsample,
        Yolo,
    )
}

__all__ = [
    "DIALECTS",
    "LAYERS",
    "Array",
    "Avgpool",
    "Connected",
    "Convolutional",
    "Cost",
    "Dialect",
    "Dropout",
    "Layer",
    "Maxpool",
    "Misfit",
    "Route",
    "Shape",
    "Shortcut",
    "Softmax",
    "Upsample",
    "Yolo",
]
