"""Exported detectors in other runtimes, and the boxes that darknet gave of the same."""

import json
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import onnxruntime
import pytest
import torch

from yolov3.detection.image import read
from yolov3.detection.prepare import prepare

DATA = Path(__file__).parent / "data"
PICTURES = DATA / "shapes" / "images"

# Small detectors, of which AlexeyAB's darknet gave the boxes.
KINDS = (
    "yolo", "yolo-two", "yolo-new-coords", "region", "gaussian", "gaussian-right-bottom",
)  # fmt: skip


def run_onnx(path, x):
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    return session.run(None, {"images": x.numpy()})


def run_opencv(path, x):
    net = cv2.dnn.readNetFromONNX(str(path))
    net.setInput(x.numpy())
    return net.forward(net.getUnconnectedOutLayersNames())


def require_linux():
    """pyproject.toml asks for OpenVINO, ncnn and pnnx there alone."""
    if sys.platform != "linux":
        pytest.skip("installed on Linux alone")


def run_openvino(path, x):
    require_linux()
    # Its import would tell its maker of it, over the network.
    sys.modules.setdefault("openvino_telemetry", None)
    import openvino

    # Where a processor has bfloat16, that is the default.
    options = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": 1}
    compiled = openvino.Core().compile_model(path, "CPU", options)
    found = compiled(x.numpy())
    return [found[output] for output in compiled.outputs]


def run_ncnn(path, x):
    """By way of pnnx, which makes ncnn's own two files of an ONNX file."""
    require_linux()
    import ncnn
    import pnnx

    # fp16=0: else it rounds the weights to float16.
    command = [pnnx.EXEC_PATH, path, "fp16=0"]
    subprocess.run(command, cwd=path.parent, capture_output=True, check=True)
    (picture,) = x.numpy()
    found = []
    with ncnn.Net() as net:
        net.opt.num_threads = 1
        net.opt.use_fp16_packed = net.opt.use_fp16_storage = net.opt.use_fp16_arithmetic = False
        assert net.load_param(str(path.with_suffix(".ncnn.param"))) == 0
        assert net.load_model(str(path.with_suffix(".ncnn.bin"))) == 0
        with net.create_extractor() as extractor:
            assert extractor.input("in0", ncnn.Mat(picture).clone()) == 0
            # It numbers the file's outputs in their order, and lists them in another one.
            for number in range(len(net.output_names())):
                code, values = extractor.extract(f"out{number}")
                assert code == 0
                found.append(np.array(values)[None])  # it knows no batches
    return found


RUNTIMES = {
    "onnxruntime": run_onnx,
    "opencv": run_opencv,
    "openvino": run_openvino,
    "ncnn": run_ncnn,
}


def of_the_sample(picture):
    """One of the sample's pictures as its input, and what pjreddie's darknet found in it.

    Rows are (class, probability, left, top, right, bottom), in pixels of the input.
    """
    expected = json.loads((PICTURES / f"{picture}.expected.json").read_text())
    pixels = read(PICTURES / f"{picture}.png")
    height, width = pixels.shape[:2]
    # pj image.c:812 letterbox_image: as large as fits into 192 x 192, and grey on both sides
    scale = min(192 / width, 192 / height)
    grey = (192 - scale * width) / 2, (192 - scale * height) / 2
    rows = [
        (
            e["class"],
            e["prob"],
            (e["x"] - e["w"] / 2) * scale + grey[0],
            (e["y"] - e["h"] / 2) * scale + grey[1],
            (e["x"] + e["w"] / 2) * scale + grey[0],
            (e["y"] + e["h"] / 2) * scale + grey[1],
        )
        for e in expected["thresh_0.5"]
    ]
    return tensor(prepare(pixels, 192, 192, "letterbox")), rows


def answers(name):
    """What AlexeyAB's darknet was given, how large that is in the picture, and what it found."""
    golden = json.loads((DATA / "heads" / f"{name}.json").read_text())["boxes"]
    for picture, expected in golden.items():
        pixels = read(PICTURES / f"{picture}.png")
        height, width = pixels.shape[:2]
        # without letter_box the picture is stretched to the 96 x 64 of these networks
        yield tensor(prepare(pixels, 64, 96, "stretch")), (width / 96, height / 64), expected


def tensor(pixels):
    """(H, W, C) -> (1, C, H, W)."""
    return torch.from_numpy(pixels.transpose(2, 0, 1).copy())[None]


def contain(outputs, expected, *, scale):
    """``outputs`` are all boxes; each of (class, probability, left, top, right, bottom) is one.

    Tolerances: darknet and the others add up in another order (measured: 4e-6 in scores, and in
    boxes 1e-4 pixels or 1e-5 of their size; some are ten pictures large).
    """
    boxes, scores = (torch.from_numpy(np.asarray(y))[0].double() for y in outputs)
    boxes *= torch.tensor([*scale, *scale])
    assert expected
    assert boxes.isfinite().all()
    for label, probability, *sides in expected:
        wanted = torch.tensor(sides, dtype=torch.float64)
        nearest = (boxes - wanted).abs().amax(1).argmin()
        torch.testing.assert_close(
            boxes[nearest], wanted, atol=1e-3 + 1e-4 * float(wanted.abs().max()), rtol=0
        )
        assert scores[nearest, label] == pytest.approx(probability, abs=5e-5)
