"""The section types, one class each. ``LAYERS`` finds a class by its canonical cfg name."""

from converter.layers.base import (
    DIALECTS,
    Array,
    Dialect,
    Layer,
    Misfit,
    Shape,
    container,
)
from converter.layers.combining import Implicit, Sam, ScaleChannels, Shortcut
from converter.layers.connected import Connected
from converter.layers.conv_lstm import ConvLstm, History
from converter.layers.convolutional import Convolutional, Deconvolutional
from converter.layers.heads import AnchorHead, Detection, GaussianYolo, Iseg, Region, Yolo
from converter.layers.local import Local
from converter.layers.pooling import Avgpool, LocalAvgpool, Maxpool
from converter.layers.recurrent import Crnn, Gru, Lstm, Recurrent, Rnn
from converter.layers.routing import Crop, Reorg, Reorg3d, Route, Upsample
from converter.layers.simple import (
    Activation,
    Batchnorm,
    Contrastive,
    Cost,
    Dropout,
    Empty,
    L2norm,
    Logistic,
    Normalization,
    Softmax,
)

LAYERS: dict[str, type[Layer]] = {
    cls.type: cls
    for cls in (
        Activation,
        Avgpool,
        Batchnorm,
        Connected,
        Contrastive,
        ConvLstm,
        Convolutional,
        Cost,
        Crnn,
        Crop,
        Deconvolutional,
        Detection,
        Dropout,
        Empty,
        GaussianYolo,
        Gru,
        History,
        Implicit,
        Iseg,
        L2norm,
        Local,
        LocalAvgpool,
        Logistic,
        Lstm,
        Maxpool,
        Normalization,
        Region,
        Reorg,
        Reorg3d,
        Rnn,
        Route,
        Sam,
        ScaleChannels,
        Shortcut,
        Softmax,
        Upsample,
        Yolo,
    )
}

__all__ = [
    "DIALECTS",
    "LAYERS",
    "AnchorHead",
    "Array",
    "Avgpool",
    "Connected",
    "Convolutional",
    "Dialect",
    "Layer",
    "Maxpool",
    "Misfit",
    "Recurrent",
    "Region",
    "Route",
    "Shape",
    "Shortcut",
    "Softmax",
    "Upsample",
    "Yolo",
    "container",
]
