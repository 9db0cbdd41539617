"""What the engines' own [yolo] layers made of maps and objects."""

from pathlib import Path

import numpy as np
import torch

from converter.darknet.network import parse_network
from yolov3 import DarknetLoss, DarknetModel

GOLDENS = Path(__file__).parents[2] / "data" / "loss"
NAMES = sorted(path.stem for path in GOLDENS.glob("*.cfg"))
ALEXEYAB = [name for name in NAMES if name.startswith("alexeyab")]
# Float32 in C's order of operations; exp, log and the logistic function differ in the last bit.
BOUND = 1e-6


class Golden:
    """Maps and objects that an engine was given, and what its [yolo] layers made of them."""

    def __init__(self, name, dialect=None, change=str):
        text = change((GOLDENS / f"{name}.cfg").read_text())
        self.network = parse_network(text, dialect or name.partition("-")[0])
        with np.load(GOLDENS / f"{name}.npz") as arrays:
            arrays = dict(arrays)
        numbers = {node.index: i for i, node in enumerate(self.network.outputs)}
        self.order = [numbers[node.index] for node in self.network.levels]
        self.maps = self._fine_to_coarse(arrays, "map")
        self.deltas = self._fine_to_coarse(arrays, "delta")
        self.costs = arrays["costs"][self.order]
        self.printed = arrays["figures"][self.order]
        self.targets = np.split(arrays["truths"], np.cumsum(arrays["counts"])[:-1])

    def _fine_to_coarse(self, arrays, kind):
        return [arrays[f"{kind}{i}"].astype(np.float32) for i in self.order]

    @property
    def loss(self):
        return DarknetLoss(DarknetModel(self.network))

    def tensors(self, dtype=torch.float32, pictures=slice(None)):
        return [torch.tensor(each[pictures], dtype=dtype, requires_grad=True) for each in self.maps]


def require_close(found, wanted, bound=BOUND):
    assert np.isfinite(found).all()
    assert np.all(np.abs(found - wanted) <= bound * np.maximum(1, np.abs(wanted)))
