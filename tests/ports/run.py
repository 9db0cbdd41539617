"""Compares with the ports themselves: python tests/ports/run.py [PORT[=PYTHON] ...] > table.md

Not part of the tests: it installs each port from PyPI in a virtual environment that is thrown away
(or takes PYTHON, of one that has it), lets the port's own loader read what ``convert`` wrote, and
compares what the convolutions before the heads give for the same picture with ours. Weights are
random, of the published width. Where a port asks for another PyTorch, installing takes minutes.
"""

import json
import os
import site
import subprocess
import sys
import venv
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

import nets  # noqa: E402
import numpy as np  # noqa: E402
import reference  # noqa: E402
import torch  # noqa: E402

from converter import convert  # noqa: E402
from converter.families import name_layers  # noqa: E402
from converter.options import BatchNormRule  # noqa: E402
from yolov3 import load  # noqa: E402

# Options of [net] that some ports demand, as every official cfg has them.
TRAINING = "momentum=0.9\ndecay=0.0005\nlearning_rate=0.001\nburn_in=1000\nmax_batches=500200\n\
policy=steps\nsteps=400000,450000\nscales=.1,.1\nhue=.1\nsaturation=1.5\nexposure=1.5\nangle=0\n"
LOADERS = Path(__file__).parent / "loaders.py"
SIZE = 64


@dataclass(frozen=True)
class Port:
    """A port that PyPI has: what to install, whose names it reads, and a network of its."""

    packages: str
    family: str
    network: Callable[[], str]
    suffix: str = ".pth"
    bn: BatchNormRule = "torch"


def tiny() -> str:
    return nets.tiny(16, 80, size=SIZE)


def yolov3() -> str:
    return nets.yolov3(32, 80, size=SIZE)


def darknet53() -> str:
    return nets.classifier(32, 1000, size=SIZE)


PORTS = {
    "pytorchyolo": Port("pytorchyolo", "pytorchyolo", yolov3),
    "timm": Port("timm", "timm", darknet53),
    "libreyolo": Port("libreyolo", "libreyolo", tiny, ".pt", "pjreddie-cpu"),
    "darknet2any": Port("darknet2any", "tianxiaomo", yolov3),
    "lightnet": Port("lightnet", "lightnet", yolov3),
    "mmdet": Port("mmdet mmengine mmcv-lite<2.2 torchvision", "mmdet", yolov3),
}


def install(port: Port, folder: Path) -> Path:
    """The Python of a new environment that has the port, and all that this one has."""
    venv.create(folder, with_pip=True)
    python = folder / "bin" / "python"
    (packages,) = folder.glob("lib/python3*/site-packages")
    (packages / "shared.pth").write_text("\n".join(site.getsitepackages()))
    command = [python, "-m", "pip", "install", "-q", "--prefer-binary", *port.packages.split()]
    subprocess.run(command, check=True, stdout=sys.stderr, timeout=3600)
    return python


def heads(text: str, weights: Path, family: str) -> tuple[list[str], list[str]]:
    """The last convolutions of a network: modules of the port, and of a ``DarknetModel``."""
    network = convert(weights, dry_run=True).plan.network
    naming = name_layers(network, family)
    bare = [node for node in network.nodes if getattr(node.layer, "batch_normalize", 1) == 0]
    theirs = [naming.tensor(node.index, "conv.bias").removesuffix(".bias") for node in bare]
    return theirs, [f"layers.{node.index}.conv" for node in bare]


def outputs(model: torch.nn.Module, paths: list[str], x: torch.Tensor) -> list[np.ndarray]:
    """What modules of ``model`` give."""
    found: dict[str, np.ndarray] = {}
    for path in paths:
        model.get_submodule(path).register_forward_hook(
            lambda module, inputs, output, path=path: found.update({path: output.numpy()})
        )
    with torch.no_grad():
        model.eval()(x)
    return [found[path] for path in paths]


def compare(name: str, folder: Path, python: Path | None = None) -> str:
    """A row of the table."""
    port = PORTS[name]
    text = port.network().replace("channels=3\n", f"channels=3\n{TRAINING}")
    text = text.replace("[yolo]\n", "[yolo]\nscale_x_y=1\n")
    weights = folder / "net.weights"
    weights.write_bytes(reference.random_weights(text))
    weights.with_suffix(".cfg").write_text(text)
    written = convert(weights, folder / f"theirs{port.suffix}", family=port.family).output
    theirs, ours = heads(text, weights, port.family)
    x = np.random.default_rng(0).random((1, 3, SIZE, SIZE), np.float32)
    np.save(folder / "x.npy", x)
    model = load(convert(weights, folder / "ours.safetensors", family="generic").output, port.bn)
    wanted = outputs(model, ours, torch.from_numpy(x))
    environment = {**os.environ, "HOME": str(folder), "PYTHONPATH": ""}
    python = python or install(port, folder / "venv")
    done = subprocess.run(
        [python, LOADERS, name, written, json.dumps(theirs)],
        cwd=folder, env=environment, capture_output=True, text=True, timeout=900,
    )  # fmt: skip
    if done.returncode:
        return f"| {name} | {port.family} | failed: {done.stderr.strip().splitlines()[-1]} | |"
    facts = json.loads(done.stdout.splitlines()[-1])
    with np.load(folder / "outputs.npz") as found:
        pairs = [(wanted[n].ravel(), found[str(n)].ravel()) for n in range(len(wanted))]
    assert all(np.isfinite(a).all() and np.isfinite(b).all() for a, b in pairs)
    most = max(abs(a - b).max() / abs(a).max() for a, b in pairs)
    return f"| {name} {facts['version']} | {port.family} | {facts['loaded']} | {most:.1e} |"


if __name__ == "__main__":
    print("| port | `--family` | its own loader | largest difference, of the largest value |")
    print("| --- | --- | --- | --- |")
    for chosen in sys.argv[1:] or PORTS:
        name, _, given = chosen.partition("=")
        with TemporaryDirectory() as temporary:
            print(compare(name, Path(temporary), Path(given) if given else None), flush=True)
