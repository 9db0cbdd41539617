"""YOLOv3 in PyTorch, in the modules of the article, and models from converted checkpoints."""

try:
    import torch as _torch  # noqa: F401
except ModuleNotFoundError as error:
    raise ModuleNotFoundError(
        "yolov3 needs PyTorch: pip install 'darknet-safetensors[torch]'", name="torch"
    ) from error

from yolov3.backbone import Darknet53
from yolov3.blocks import BasicConv2d, ResidualBlock
from yolov3.checkpoint import save
from yolov3.darknet import DarknetModel
from yolov3.detect import classify, detect
from yolov3.detections import Classes, Detections
from yolov3.head import YOLOHead
from yolov3.load import load
from yolov3.model import YOLOv3
from yolov3.neck import FPN, SPP, ArticleFPN

__all__ = [
    "FPN",
    "SPP",
    "ArticleFPN",
    "BasicConv2d",
    "Classes",
    "Darknet53",
    "DarknetModel",
    "Detections",
    "ResidualBlock",
    "YOLOHead",
    "YOLOv3",
    "classify",
    "detect",
    "load",
    "save",
]
