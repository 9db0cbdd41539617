"""YOLOv3 in PyTorch, in the modules of the article, and models from converted checkpoints.

Read ``blocks``, ``backbone``, ``neck``, ``head`` and ``model`` from top to bottom: they are the
article. ``darknet`` is any other network, layer by layer as its cfg says. ``base`` and ``finetune``
are what all models share, ``loading`` and ``saving`` the ways in and out. The rooms: ``detection``
(pictures in, boxes out), ``drawing`` (how these look), ``exporting`` (files for other runtimes),
``sharing`` (folders and the Hugging Face Hub), ``parity`` (the same input through real engines),
``training`` (Darknet's loss).

A module may enter at this level that is a part of the models themselves; what is done with a model
is a room. Importing this package imports no PyTorch; the first of the names below does, but for
those that detect without it: ``detect``, ``Detections`` and ``OnnxModel``.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from yolov3.backbone import Darknet53
    from yolov3.blocks import BasicConv2d, ResidualBlock
    from yolov3.darknet import DarknetModel
    from yolov3.detection.classify import classify
    from yolov3.detection.detect import detect
    from yolov3.detection.detections import Classes, Detection, Detections
    from yolov3.detection.evaluate import Evaluation, evaluate
    from yolov3.detection.in_onnx import OnnxModel
    from yolov3.exporting.checking import Exported
    from yolov3.exporting.export import export
    from yolov3.head import YOLOHead
    from yolov3.loading import load
    from yolov3.model import YOLOv3
    from yolov3.neck import FPN, SPP, ArticleFPN
    from yolov3.saving import save
    from yolov3.training.loss import DarknetLoss

_LATE = {
    "FPN": "neck",
    "SPP": "neck",
    "ArticleFPN": "neck",
    "BasicConv2d": "blocks",
    "Classes": "detection.detections",
    "Darknet53": "backbone",
    "DarknetLoss": "training.loss",
    "DarknetModel": "darknet",
    "Detection": "detection.detections",
    "Detections": "detection.detections",
    "Evaluation": "detection.evaluate",
    "Exported": "exporting.checking",
    "OnnxModel": "detection.in_onnx",
    "ResidualBlock": "blocks",
    "YOLOHead": "head",
    "YOLOv3": "model",
    "classify": "detection.classify",
    "detect": "detection.detect",
    "evaluate": "detection.evaluate",
    "export": "exporting.export",
    "load": "loading",
    "save": "saving",
}

__all__ = [
    "FPN",
    "SPP",
    "ArticleFPN",
    "BasicConv2d",
    "Classes",
    "Darknet53",
    "DarknetLoss",
    "DarknetModel",
    "Detection",
    "Detections",
    "Evaluation",
    "Exported",
    "OnnxModel",
    "ResidualBlock",
    "YOLOHead",
    "YOLOv3",
    "classify",
    "detect",
    "evaluate",
    "export",
    "load",
    "save",
]


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from converter.version import VERSION

        return VERSION
    if name not in _LATE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    try:
        return getattr(import_module(f"{__name__}.{_LATE[name]}"), name)
    except ModuleNotFoundError as error:
        if error.name != "torch":
            raise
        raise ModuleNotFoundError("yolov3 needs PyTorch: pip install torch", name="torch") from None


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__, "__version__"})
