"""Exported files in the runtimes that they are for: PyTorch's values, and darknet's boxes."""

import numpy as np
import pytest
import torch
from exported import RUNTIMES, contain, of_the_sample, tensor

from converter import convert
from yolov3 import load
from yolov3.detection.image import read
from yolov3.detection.prepare import prepare
from yolov3.exporting.modules import Boxes
from yolov3.exporting.straight import export_checkpoint

# Between the float32 of two runtimes, which add up in other orders; OpenCV's and ncnn's Winograd
# convolutions round more. In parts of an output's largest value, measured on all pictures of the
# sample and six photographs: onnxruntime 2.5e-6, OpenVINO 3.0e-6, ncnn 6.5e-6, OpenCV 9.4e-6 in
# maps and 1.1e-5 in boxes. A wrong operator is off by far more.
OF_LARGEST = 3e-5
# Of scores, whose largest is 1 at most. Measured: 1.2e-5, by OpenCV.
SCORES = 5e-5

# ncnn has no operator for [..., label]: pnnx leaves a Cast as it is.
TAKEN = [
    (runtime, layout)
    for runtime in RUNTIMES
    for layout in ("maps", "boxes", "ultralytics", "deepstream")
    if (runtime, layout) != ("ncnn", "deepstream")
]


def outputs_of(model, x, layout):
    """What PyTorch computes, in parts that each have one unit."""
    with torch.no_grad():
        if layout == "maps":
            return [y.numpy() for y in model(x)]
        return [y.numpy() for y in Boxes(model)(x)]


def parts_of(outputs, layout):
    """The same of a file's outputs: boxes as corners, and scores."""
    if layout == "ultralytics":
        (rows,) = outputs
        centre, sides, scores = rows[:, :2], rows[:, 2:4], rows[:, 4:]
        corners = np.concatenate([centre - sides / 2, centre + sides / 2], 1)
        return [corners.transpose(0, 2, 1), scores.transpose(0, 2, 1)]
    if layout == "deepstream":
        (rows,) = outputs
        return [rows[..., :4], rows[..., 4:5]]
    return outputs


def require_values(found, wanted, layout):
    if layout == "deepstream":
        wanted = [wanted[0], wanted[1].max(2, keepdims=True)]
    assert len(found) == len(wanted)
    for number, (mine, theirs) in enumerate(zip(found, wanted, strict=True)):
        assert mine.shape == theirs.shape
        assert np.isfinite(mine).all()
        are_scores = layout != "maps" and number == 1
        most = SCORES if are_scores else OF_LARGEST * np.abs(theirs).max()
        assert np.abs(mine - theirs).max() <= most


@pytest.mark.parametrize(("runtime", "layout"), TAKEN)
def test_the_sample(sample, tmp_path, runtime, layout):
    checkpoint = convert(sample.weights).output
    model = load(checkpoint)
    path = export_checkpoint(checkpoint, tmp_path / "out.onnx", layout=layout).output
    x, boxes = of_the_sample("0003")
    found = parts_of(RUNTIMES[runtime](path, x), layout)
    require_values(found, outputs_of(model, x, layout), layout)
    if layout in ("boxes", "ultralytics"):
        assert len(boxes) == 6
        contain(found, boxes, scale=(1, 1))


@pytest.mark.slow
@pytest.mark.parametrize("layout", ["maps", "boxes"])
@pytest.mark.parametrize("runtime", RUNTIMES)
def test_coco_yolov3_tiny(coco_tiny, tmp_path, runtime, layout):
    """On a photograph, of which darknet's likeliest dog has 56 %."""
    made = convert(coco_tiny.weights, tmp_path / "tiny.safetensors", cfg=coco_tiny.cfg, strict=True)
    path = export_checkpoint(made.output, tmp_path / "tiny.onnx", layout=layout).output
    x = tensor(prepare(read("/usr/share/darknet/data/dog.jpg"), 416, 416, "letterbox"))
    found = RUNTIMES[runtime](path, x)
    require_values(found, outputs_of(load(made.output), x, layout), layout)
    if layout == "boxes":
        # darknet detector test on dog.jpg, in whole percent; dog is coco.names' class 16
        assert found[1][0, :, 16].max() == pytest.approx(0.56, abs=0.005)
