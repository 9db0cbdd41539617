"""PyTorch's models as what detection runs: maps that stay where they are."""

from pathlib import Path

import numpy as np
import pytest
import torch

from yolov3 import detect, load
from yolov3.detection.in_torch import TorchModel

SHAPES = Path(__file__).parents[2] / "data" / "shapes"
PICTURE = SHAPES / "images" / "0003.png"


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_maps_are_the_models_own_in_file_order(dtype):
    model = load(SHAPES / "shapes.weights", dtype=dtype)
    x = np.random.default_rng(0).random((2, 192, 192, 3), dtype=np.float32)
    maps = TorchModel(model).maps(x)
    with torch.no_grad():
        wanted = model(torch.from_numpy(x).permute(0, 3, 1, 2).to(dtype))
    # shapes.cfg has its coarsest head first; the model gives the finest first.
    assert [raw.values.shape[2] for raw in maps] == [6, 12, 24]
    for raw, tensor in zip(maps, reversed(wanted), strict=True):
        assert torch.equal(raw.values, tensor.float())
        assert not raw.values.requires_grad
        np.testing.assert_array_equal(raw.fetch(raw.values), tensor.float().numpy())


def test_few_values_leave_the_device():
    """Of (24 * 24 + 12 * 12 + 6 * 6) * 3 anchors only those that may count are fetched."""
    fetched = []
    runner = TorchModel(load(SHAPES / "shapes.weights"))
    inner = runner.maps

    def watched(x):
        def fetch(raw, values):
            if values.is_floating_point():
                fetched.append(values.numel())
            return raw.fetch(values)

        return [raw._replace(fetch=lambda values, raw=raw: fetch(raw, values)) for raw in inner(x)]

    runner.maps = watched
    found = detect(runner, PICTURE, nms=0)
    assert len(found) > 0
    # 8 values a box, (5 + 3); and the largest and the least of each of three maps.
    assert sum(fetched) <= 8 * (len(found) + 3) + 6
