"""A network as a user gets it: its files converted, the checkpoint loaded into a DarknetModel."""

from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file

from converter import convert
from converter.darknet.dialects import DialectName
from converter.darknet.network import read_network
from yolov3.blocks import without_tf32
from yolov3.darknet import DarknetModel

# See tests/data/README.md.
ENGINES = Path(__file__).parent / "data" / "goldens"
GOLDENS = ENGINES / "alexeyab"


def load(cfg: Path, weights: Path, checkpoint: Path, dialect: DialectName) -> DarknetModel:
    """The model of ``cfg``, filled from ``weights`` by way of ``checkpoint``."""
    model = DarknetModel(read_network(cfg, dialect), dialect).eval()
    if model.state_dict():
        convert(weights, checkpoint, cfg=cfg, family="generic", dialect=dialect)
        model.load_state_dict(load_file(checkpoint))
    return model


def outputs(model: DarknetModel, x: np.ndarray, device: str = "cpu") -> dict[int, np.ndarray]:
    """Every layer's output for one picture, computed on ``device``; some layers have none."""
    with torch.no_grad(), without_tf32():
        layers = model.to(device).forward_layers(torch.from_numpy(x)[None].to(device))
        return {index: y[0].cpu().numpy() for index, y in layers if y is not None}
