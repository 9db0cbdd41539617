"""Runs inside a port's own environment: python loaders.py PORT CHECKPOINT MODULES

Loads the checkpoint as the port's users do, and writes what ``MODULES`` give for x.npy. Knows
nothing of this project.
"""

import json
import sys
from functools import partial
from importlib.metadata import version
from types import ModuleType

import numpy as np
import torch


def pytorchyolo(path: str) -> tuple[torch.nn.Module, str]:
    from pytorchyolo.models import load_model

    model = load_model("net.cfg")
    missing = model.load_state_dict(torch.load(path, weights_only=True), strict=False)
    return model, f"load_state_dict, {report(missing)}"


def timm(path: str) -> tuple[torch.nn.Module, str]:
    from timm import create_model

    slope = partial(torch.nn.LeakyReLU, negative_slope=0.1)
    return create_model("darknet53", checkpoint_path=path, act_layer=slope), "create_model, strict"


def libreyolo(path: str) -> tuple[torch.nn.Module, str]:
    from libreyolo import LibreYOLO

    return LibreYOLO(path, device="cpu").model, "LibreYOLO(path)"


def darknet2any(path: str) -> tuple[torch.nn.Module, str]:
    from darknet2any.tool.darknet2pytorch import Darknet

    model = Darknet("net.cfg", inference=True)
    model.load_state_dict(torch.load(path, weights_only=True))
    return model, "Darknet(cfg).load_state_dict, strict"


def lightnet(path: str) -> tuple[torch.nn.Module, str]:
    from lightnet.models import YoloV3

    model = YoloV3(80)
    model.load(path)
    return model, "YoloV3.load, strict"


class Absent(ModuleType):
    """mmcv's compiled operators: YOLOv3 uses none of them, and mmcv-lite has none."""

    def __getattr__(self, name: str) -> None:
        return None


def mmdet(path: str) -> tuple[torch.nn.Module, str]:
    sys.modules["mmcv._ext"] = Absent("mmcv._ext")
    from mmdet.registry import MODELS
    from mmdet.utils import register_all_modules
    from mmengine.runner import load_checkpoint

    register_all_modules()
    anchors = [[(116, 90), (156, 198), (373, 326)], [(30, 61), (62, 45), (59, 119)],
               [(10, 13), (16, 30), (33, 23)]]  # fmt: skip
    model = MODELS.build({
        "type": "YOLOV3",
        "backbone": {"type": "Darknet", "depth": 53, "out_indices": (3, 4, 5)},
        "neck": {"type": "YOLOV3Neck", "num_scales": 3, "in_channels": [1024, 512, 256],
                 "out_channels": [512, 256, 128]},
        "bbox_head": {
            "type": "YOLOV3Head", "num_classes": 80, "in_channels": [512, 256, 128],
            "out_channels": [1024, 512, 256],
            "anchor_generator": {"type": "YOLOAnchorGenerator", "base_sizes": anchors,
                                 "strides": [32, 16, 8]},
            "bbox_coder": {"type": "YOLOBBoxCoder"}, "featmap_strides": [32, 16, 8],
        },
    })  # fmt: skip
    load_checkpoint(model, path, map_location="cpu", strict=True)
    return model, "mmengine's load_checkpoint, strict"


def report(keys: object) -> str:
    """What ``load_state_dict`` did without."""
    missing, unexpected = keys
    tensors = [name for name in missing if not name.endswith("num_batches_tracked")]
    return f"without {len(tensors)} constants, {len(unexpected)} unexpected"


def main(port: str, path: str, modules: list[str]) -> None:
    model, loaded = globals()[port](path)
    found = {}
    for number, name in enumerate(modules):
        model.get_submodule(name).register_forward_hook(
            lambda module, inputs, output, key=str(number): found.update({key: output.numpy()})
        )
    with torch.no_grad():
        model.eval()(torch.from_numpy(np.load("x.npy")))
    np.savez("outputs.npz", **found)
    print(json.dumps({"version": version(port), "loaded": loaded}))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], json.loads(sys.argv[3]))
