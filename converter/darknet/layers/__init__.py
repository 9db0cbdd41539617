"""The section types, one class each. ``LAYERS`` finds a class by its canonical cfg name.

A type's module is imported when the first network asks for it: a conversion should start in a
blink, and no network has all types.
"""

from collections.abc import Iterator, Mapping
from importlib import import_module

from converter.darknet.layers.base import Array, Layer, Misfit, Shape, container

_PLACES = {
    "activation": "simple.Activation",
    "avgpool": "pooling.Avgpool",
    "batchnorm": "simple.Batchnorm",
    "connected": "connected.Connected",
    "contrastive": "simple.Contrastive",
    "conv_lstm": "conv_lstm.ConvLstm",
    "convolutional": "convolutional.Convolutional",
    "cost": "simple.Cost",
    "crnn": "recurrent.Crnn",
    "crop": "crop.Crop",
    "deconvolutional": "deconvolutional.Deconvolutional",
    "detection": "detection.Detection",
    "dropout": "simple.Dropout",
    "empty": "simple.Empty",
    "Gaussian_yolo": "yolo.GaussianYolo",
    "gru": "recurrent.Gru",
    "history": "conv_lstm.History",
    "implicit": "combining.Implicit",
    "iseg": "detection.Iseg",
    "l2norm": "simple.L2norm",
    "local": "local.Local",
    "local_avgpool": "pooling.LocalAvgpool",
    "logistic": "simple.Logistic",
    "lstm": "recurrent.Lstm",
    "maxpool": "pooling.Maxpool",
    "normalization": "simple.Normalization",
    "region": "region.Region",
    "reorg": "reorg.Reorg",
    "reorg3d": "reorg.Reorg3d",
    "rnn": "recurrent.Rnn",
    "route": "routing.Route",
    "sam": "combining.Sam",
    "scale_channels": "combining.ScaleChannels",
    "shortcut": "shortcut.Shortcut",
    "softmax": "softmax.Softmax",
    "upsample": "routing.Upsample",
    "yolo": "yolo.Yolo",
}


class _Layers(Mapping[str, type[Layer]]):
    def __getitem__(self, name: str) -> type[Layer]:
        module, _, cls = _PLACES[name].partition(".")
        found: type[Layer] = getattr(import_module(f"{__name__}.{module}"), cls)
        return found

    def __iter__(self) -> Iterator[str]:
        return iter(_PLACES)

    def __len__(self) -> int:
        return len(_PLACES)


LAYERS: Mapping[str, type[Layer]] = _Layers()

__all__ = ["LAYERS", "Array", "Layer", "Misfit", "Shape", "container"]
