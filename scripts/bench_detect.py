"""How long pictures take, on one thread: this project, onnxruntime, OpenCV's dnn, darknet itself.

Random weights, since the time does not depend on them. All take turns, in rounds and in random
order, and it is time on the processor that counts, so that a busy machine disturbs little. Prints
medians, the ratio to what detect.py does, and pictures a second. darknet computes one picture after
the other, and is timed with one.

On a GPU it is the time that passes until the device is done, without TF32, of this project and of
onnxruntime, if that was built for CUDA.
"""

import ctypes
import itertools
import math
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from bench_times import in_turns, medians

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))
# Before anything starts threads.
os.environ.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1")

import cv2  # noqa: E402 - after the path and the environment
import numpy as np  # noqa: E402
import onnxruntime  # noqa: E402
import torch  # noqa: E402
import torch._inductor.config  # noqa: E402

from converter import UsageError, convert  # noqa: E402
from converter.cli.detector import usable_device  # noqa: E402
from converter.darknet.network import read_network  # noqa: E402
from yolov3 import load  # noqa: E402
from yolov3.blocks import without_tf32  # noqa: E402
from yolov3.detection.detect import Detector  # noqa: E402
from yolov3.detection.in_torch import TorchModel  # noqa: E402
from yolov3.exporting.export import export  # noqa: E402
from yolov3.exporting.layouts import Array  # noqa: E402

CFGS = Path("/usr/share/darknet/cfg")
LIBRARY = Path("/usr/lib/darknet/libdarknet.so")
PROVIDERS = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider"}  # of onnxruntime
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


def jobs(
    name: str, folder: Path, batch: int, device: torch.device
) -> dict[str, Callable[[], float]]:
    """Ways to run a network, each giving the seconds that ``batch`` pictures took."""
    torch._dynamo.reset()  # else it would compile again for any number of pictures
    cfg, weights = write_network(name, folder)
    model = load(convert(weights, cfg=cfg, force=True).output)
    shape = model.network.input
    x = torch.rand(batch, shape.c, shape.h, shape.w)
    exported = export(model, folder / "model.onnx", dynamic=True, force=True).output
    model = model.to(device)
    packed = x.to(device, memory_format=torch.channels_last)
    fused = model.fuse().to(memory_format=torch.channels_last)
    compiled = model.fuse().to(memory_format=torch.channels_last)
    compiled.compile()
    detector = Detector(TorchModel(fused), 0.25, 0.45)
    photo = np.random.default_rng(0).integers(0, 256, (576, 768, 3), dtype=np.uint8)
    ways: dict[str, Job] = {
        "ours": lambda: fused(packed),
        "ours, not fused": lambda: model(packed),
        "ours, whole detection": lambda: detector([photo] * batch),
        "ours, compiled": lambda: compiled(packed),
    }
    provider = PROVIDERS[device.type]
    if provider in onnxruntime.get_available_providers():
        ways["onnxruntime"] = in_onnxruntime(exported, provider, x.numpy())
    else:
        print(f"{provider} is not in this onnxruntime: not measured")
    if device.type == "cpu":
        theirs = cv2.dnn.readNetFromDarknet(str(cfg), str(weights))
        theirs.setInput(x.numpy())
        outputs = theirs.getUnconnectedOutLayersNames()
        ways["OpenCV"] = lambda: theirs.forward(outputs)
    found = {way: seconds(job, device) for way, job in ways.items()}
    if LIBRARY.exists() and batch == 1 and device.type == "cpu":
        found["darknet"] = lambda: darknet(cfg, weights)
    return found


def in_onnxruntime(path: Path, provider: str, x: Array) -> Job:
    """The exported model, on one thread; on a GPU without TF32 and with the pictures there."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    exact = {"use_tf32": "0"} if provider == PROVIDERS["cuda"] else {}
    session = onnxruntime.InferenceSession(path, options, providers=[(provider, exact)])
    if not exact:
        return lambda: session.run(None, {"images": x})
    binding = session.io_binding()
    binding.bind_ortvalue_input("images", onnxruntime.OrtValue.ortvalue_from_numpy(x, "cuda", 0))
    for output in session.get_outputs():
        binding.bind_output(output.name, "cuda")
    return lambda: session.run_with_iobinding(binding)  # which waits for the GPU


def seconds(job: Job, device: torch.device) -> Callable[[], float]:
    """``job`` with its time taken; it has run once before."""
    job()

    def timed() -> float:
        if device.type == "cpu":
            start = time.process_time()
            job()
            return time.process_time() - start
        torch.cuda.synchronize(device)
        start = time.perf_counter()
        job()
        torch.cuda.synchronize(device)
        return time.perf_counter() - start

    return timed


def bench(rounds: int, device_name: str) -> None:
    """Print a table for each network and number of pictures."""
    try:
        device = usable_device(device_name)
    except UsageError as error:
        sys.exit(f"error: {error}")
    if device.type == "cuda":
        print(torch.cuda.get_device_name(device))
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    torch._inductor.config.freezing = True  # as detect.py --compile
    with tempfile.TemporaryDirectory() as folder, torch.inference_mode(), without_tf32():
        for name, batch in itertools.product(("yolov3-tiny", "yolov3"), (1, 8)):
            ways = jobs(name, Path(folder), batch, device)
            print(f"{f'{name}, batch {batch}':24}{'ms':>8}{'ratio':>7}{'a second':>10}")
            for way, median, ratio in medians(in_turns(ways, rounds)):
                print(f"{way:24}{1000 * median:8.1f}{ratio:7.2f}{batch / median:10.1f}")


if __name__ == "__main__":
    predict(*sys.argv[1:])
