"""The types of what a caller chooses."""

import os
from collections.abc import Mapping
from typing import Literal

PathLike = str | os.PathLike[str]
Given = Mapping[str, PathLike | None]  # options of a command; those that are None were not given
# "auto"; a name in families.FAMILIES, ours or another port's; or a table of names, a .json file.
FamilyChoice = str
DialectChoice = Literal["auto", "pjreddie", "alexeyab", "hank-ai"]
Dtype = Literal["float32", "float16", "bfloat16"]  # of a checkpoint's values
BatchNormRule = Literal["torch", "pjreddie-cpu"]
BATCH_NORM_RULES: tuple[BatchNormRule, ...] = ("torch", "pjreddie-cpu")
Resize = Literal["letterbox", "stretch", "crop", "opencv"]
# Of the ways to make an input, those from which a box finds back to its picture.
DETECTOR_RESIZES: tuple[Resize, ...] = ("letterbox", "stretch", "opencv")
Silu = Literal["swish", "relu"]  # what activation=silu in a cfg means
ExportFormat = Literal["onnx", "torchscript", "pt2"]
FILE_NAME = "model.safetensors"  # in a folder that save_pretrained writes
Layout = Literal["maps", "boxes", "ultralytics", "deepstream"]  # what an exported file gives
LAYOUTS: tuple[Layout, ...] = ("maps", "boxes", "ultralytics", "deepstream")
EXPORT_SUFFIXES: dict[ExportFormat, str] = {
    "onnx": ".onnx",
    "torchscript": ".torchscript",
    "pt2": ".pt2",
}
DATA_SUFFIX = ".data"  # added to the name of an ONNX file that is too small for its weights
# Of an ONNX file. TensorRT 8 from its first version on, OpenCV 4 and onnxruntime read 13 (TensorRT
# 8.0 to 8.2, which old JetPacks have, nothing newer). What PyTorch's exporter writes without
# converting it is 18.
OPSET = 13
PYTORCH_OPSET = 18
Engine = Literal["darknet", "opencv", "generic"]  # what a checkpoint's model is compared with
ENGINES: tuple[Engine, ...] = ("darknet", "opencv", "generic")
