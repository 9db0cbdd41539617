"""How long pictures take, on one thread: this project, onnxruntime, OpenCV's dnn, darknet itself.

Random weights, since the time does not depend on them. All take turns, in rounds and in random
order, and it is time on the processor that counts, so that a busy machine disturbs little. Prints
medians, and the ratio to what detect.py does. darknet computes one picture after the other, and
is timed with one.
"""

import ctypes
import itertools
import math
import os
import random
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))
# Before anything starts threads.
os.environ.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1")

import cv2  # noqa: E402 - after the path and the environment
import numpy as np  # noqa: E402
import onnxruntime  # noqa: E402
import torch  # noqa: E402
import torch._inductor.config  # noqa: E402

from converter import convert  # noqa: E402
from converter.darknet.network import read_network  # noqa: E402
from yolov3 import load  # noqa: E402
from yolov3.detection.detect import Detector  # noqa: E402
from yolov3.detection.in_torch import TorchModel  # noqa: E402
from yolov3.exporting.export import export  # noqa: E402

CFGS = Path("/usr/share/darknet/cfg")
LIBRARY = Path("/usr/lib/darknet/libdarknet.so")
Job = Callable[[], object]


def write_network(name: str, folder: Path) -> tuple[Path, Path]:
    """An official cfg at 416 x 416, and random weights that keep activations near 1.

    The heads' scores are all but zero: a few boxes, as on a photograph.
    """
    cfg, weights = folder / f"{name}.cfg", folder / f"{name}.weights"
    text = (CFGS / f"{name}.cfg").read_text()
    cfg.write_text(re.sub(r"(?m)^(width|height) *=.*", r"\1=416", text))
    rng = np.random.default_rng(0)
    with open(weights, "wb") as file:
        file.write(b"\0\0\0\0\2\0\0\0" + bytes(12))
        for node in read_network(cfg).nodes:
            head = not getattr(node.layer, "batch_normalize", 0)
            for array in node.layer.arrays(node.inputs, "pjreddie"):
                values = rng.uniform(0.5, 1.5, math.prod(array.shape))
                if array.kind == "weights":
                    spread = math.prod(array.shape[1:]) ** -0.5 / (20 if head else 1)
                    values = rng.normal(0, spread, values.size)
                elif head:
                    values -= 6
                file.write(values.astype("<f4").tobytes())
    return cfg, weights


def darknet(cfg: Path, weights: Path) -> float:
    """Seconds of one network_predict, in a process of its own; the first is not counted."""
    command = [sys.executable, __file__, str(cfg), str(weights)]
    environment = {**os.environ, "QT_QPA_PLATFORM": "offscreen"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=True)
    return float(done.stdout.split()[-1])


def predict(cfg: str, weights: str) -> None:
    """That process: what this file does when it is run."""
    lib = ctypes.CDLL(str(LIBRARY))
    lib.load_network.restype = ctypes.c_void_p
    network = ctypes.c_void_p(lib.load_network(cfg.encode(), weights.encode(), 0))
    lib.set_batch_network(network, 1)
    shape = read_network(cfg).input
    x = np.random.default_rng(0).random(shape.outputs, dtype=np.float32)
    start = time.process_time()
    lib.network_predict(network, x.ctypes.data_as(ctypes.c_void_p))
    print(time.process_time() - start)


def jobs(name: str, folder: Path, batch: int) -> dict[str, Callable[[], float]]:
    """Ways to run a network, each giving the seconds that ``batch`` pictures took."""
    torch._dynamo.reset()  # else it would compile again for any number of pictures
    cfg, weights = write_network(name, folder)
    model = load(convert(weights, cfg=cfg, force=True).output)
    shape = model.network.input
    x = torch.rand(batch, shape.c, shape.h, shape.w)
    packed = x.to(memory_format=torch.channels_last)
    fused = model.fuse().to(memory_format=torch.channels_last)
    compiled = model.fuse().to(memory_format=torch.channels_last)
    compiled.compile()
    detector = Detector(TorchModel(fused), 0.25, 0.45)
    photo = np.random.default_rng(0).integers(0, 256, (576, 768, 3), dtype=np.uint8)
    theirs = cv2.dnn.readNetFromDarknet(str(cfg), str(weights))
    theirs.setInput(x.numpy())
    outputs = theirs.getUnconnectedOutLayersNames()
    exported = session(export(model, folder / "model.onnx", dynamic=True, force=True).output)
    found = {
        "ours": seconds(lambda: fused(packed)),
        "ours, not fused": seconds(lambda: model(packed)),
        "ours, whole detection": seconds(lambda: detector([photo] * batch)),
        "ours, compiled": seconds(lambda: compiled(packed)),
        "onnxruntime": seconds(lambda: exported.run(None, {"images": x.numpy()})),
        "OpenCV": seconds(lambda: theirs.forward(outputs)),
    }
    if LIBRARY.exists() and batch == 1:
        found["darknet"] = lambda: darknet(cfg, weights)
    return found


def session(path: Path) -> onnxruntime.InferenceSession:
    """The exported model in onnxruntime, on one thread."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def seconds(job: Job) -> Callable[[], float]:
    """``job`` with its time taken; it has run once before."""
    job()

    def timed() -> float:
        start = time.process_time()
        job()
        return time.process_time() - start

    return timed


def bench(rounds: int) -> None:
    """Print a table for each network and number of pictures."""
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    torch._inductor.config.freezing = True  # as detect.py --compile
    with tempfile.TemporaryDirectory() as folder, torch.inference_mode():
        for name, batch in itertools.product(("yolov3-tiny", "yolov3"), (1, 8)):
            ways = jobs(name, Path(folder), batch)
            times: dict[str, list[float]] = {way: [] for way in ways}
            for _ in range(rounds):
                for way in random.sample(list(ways), len(ways)):
                    times[way].append(ways[way]())
            print(f"{f'{name}, batch {batch}':24}{'ms':>8}{'ratio':>7}")
            for way, found in times.items():
                ratio = statistics.median(a / b for a, b in zip(found, times["ours"], strict=True))
                print(f"{way:24}{1000 * statistics.median(found):8.1f}{ratio:7.2f}")


if __name__ == "__main__":
    predict(*sys.argv[1:])
