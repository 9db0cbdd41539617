#!/usr/bin/env python3
"""Compare DarknetModel with real darknet, layer by layer, on all cfgs that darknet comes with.

Prints a Markdown table. Weights are random, so that no download is needed and every layer has much
to do; pictures are small unless --full.
"""

import argparse
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np
import torch

from converter import cfg, families, plan
from converter import network as networks
from converter.errors import NetworkError
from converter.layers import Dialect
from converter.network import Network
from converter.weights import Header
from yolov3.blocks import set_batch_norm
from yolov3.darknet import DarknetModel
from yolov3.engines import Darknet

CFGS = Path("/usr/share/darknet/cfg")

# Sums of up to 10^5 float32 products, in another order: measured up to 3e-6.
TOLERANCE = 1e-5


@dataclass(frozen=True, kw_only=True)
class Layer:
    """One layer of both: relative L2 distance, RMS of darknet's values, whether they vary."""

    index: int
    place: str
    distance: float
    rms: float
    varies: bool
    excuse: str | None

    @property
    def ok(self) -> bool:
        """Whether the two agree, on values that mean something."""
        return self.distance <= TOLERANCE and 1e-2 <= self.rms <= 1e2 and self.varies


@dataclass(frozen=True, kw_only=True)
class Parity:
    """A whole network: its layers, and whether darknet writes the same file that it read."""

    floats: int
    same_file: bool
    layers: tuple[Layer, ...]


def compare(text: str, seed: int = 0) -> Parity:
    """Run the network of cfg ``text`` in darknet and in PyTorch, with the same random weights."""
    network = networks.parse(text)
    model = DarknetModel(network, "pjreddie").eval()
    set_batch_norm(model, "pjreddie-cpu")
    x = _picture(network, seed)
    randomise(model, torch.from_numpy(x)[None], seed)
    with tempfile.TemporaryDirectory() as folder:
        path, weights, saved = (Path(folder, n) for n in ("net.cfg", "net.weights", "saved"))
        path.write_text(text)
        write(model, weights)
        engine = Darknet(path, weights)
        engine.save_weights(saved)
        same = weights.read_bytes() == saved.read_bytes()
        outputs = engine.run(x)
    return Parity(
        floats=network.floats,
        same_file=same,
        layers=tuple(_layers(model, torch.from_numpy(x)[None], outputs)),
    )


def _layers(
    model: DarknetModel, x: torch.Tensor, outputs: Sequence[np.ndarray | None]
) -> Iterator[Layer]:
    """Layer against layer. After a known bug of darknet, both go on with its values."""
    nodes = model.network.nodes
    excuses = {node.index: excuse(model.network, node.index) for node in nodes}
    given = {
        index: torch.from_numpy(outputs[index])[None]
        for index, reason in excuses.items()
        if reason and outputs[index] is not None
    }
    with torch.no_grad():
        for index, found in model.forward_layers(x, given):
            expected = outputs[index]
            if found is None and expected is None:
                continue
            if found is None or expected is None or found[0].numel() != expected.size:
                raise ValueError(f"{nodes[index].place}: one of the two has another output")
            if expected.ndim > 1 and found[0].shape != expected.shape:
                raise ValueError(f"{nodes[index].place}: has another shape in darknet")
            both = np.stack([found[0].numpy().ravel(), expected.ravel()]).astype(np.float64)
            norm = np.linalg.norm(both[1])
            yield Layer(
                index=index,
                place=nodes[index].place,
                distance=float(np.linalg.norm(both[0] - both[1]) / norm)
                if np.isfinite(both).all() and norm
                else float("inf"),
                rms=float(norm / np.sqrt(expected.size)),
                varies=bool(np.ptp(expected) > 0),
                excuse=excuses[index],
            )


def excuse(network: Network, index: int) -> str | None:
    """Why darknet's own output of a layer is known to be wrong; None if it should be right."""
    layer = network.nodes[index].layer
    if layer.type == "convolutional" and layer.size == 1 and max(layer.strides) > 1:
        return (
            "darknet reads the wrong pixels in 1x1 convolutions with a stride (gemm without im2col)"
        )
    if layer.type == "region" and layer.tree:
        return "darknet divides by its temperature, which is 0 in [region]"
    return None


def randomise(model: DarknetModel, x: torch.Tensor, seed: int) -> None:
    """Random weights under which every layer's output keeps an RMS near 1."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, tensor in model.state_dict().items():
            if name.endswith(("running_var", "bn.weight")):
                tensor.uniform_(0.5, 1.5, generator=generator)
            elif name.endswith("weight"):
                fan_in = tensor[0].numel()
                tensor.normal_(0, (2 / fan_in) ** 0.5, generator=generator)
            elif tensor.is_floating_point():
                tensor.normal_(0, 0.1, generator=generator)
        # Products of random matrices drift away from 1 in a hundred layers: pull each one back.
        outputs = model.forward_layers(x)
        for index, output in outputs:
            if output is not None:
                rms = output.square().mean().sqrt()
                for name, tensor in model.layers[index].state_dict().items():
                    if name.endswith(("conv.weight", "fc.weight")) or name == "weight":
                        tensor /= rms.clamp(0.1, 10)
                if any(True for _ in model.layers[index].parameters()):
                    output /= rms.clamp(0.1, 10)


def write(model: DarknetModel, path: Path, dialect: Dialect = "pjreddie") -> None:
    """Write the .weights file whose checkpoint ``model`` holds."""
    revision = 0 if dialect == "pjreddie" else 5
    header = Header(major=0, minor=2, revision=revision, seen=64_000, size=20)
    network = model.network
    layout = plan.make(
        header=header,
        size=header.size + 4 * network.floats_of(dialect),
        network=network,
        family=families.generic(network),
        dialect=dialect,
    )
    tensors = model.state_dict()
    with open(path, "wb") as file:
        file.write(header.encode())
        for slot in layout.slots:
            values = tensors[slot.tensor].numpy().reshape(slot.shape[0], -1)
            file.write((values.T if slot.transposed else values).astype("<f4").tobytes())


def _picture(network: Network, seed: int) -> np.ndarray:
    shape = network.input
    size = (shape.c, shape.h, shape.w) if shape.is_image else (shape.outputs,)
    return np.random.default_rng(seed).normal(0, 1, size).astype(np.float32)


def shrink(text: str) -> str:
    """The cfg for the smallest picture (from 64 x 64 on) that its layers allow, one step."""
    for size in range(64, 256, 32):
        try:
            small = _sized(text, size)
            DarknetModel(networks.parse(small))
        except NetworkError:
            continue
        return small
    return text


def _sized(text: str, size: int) -> str:
    sections = cfg.parse(text)
    net = sections[0]
    text = _with(text, net, time_steps=1, batch=1, subdivisions=1)
    height = net.find("height")
    if height is None:
        return text
    size = min(size, height.integer())
    for section in sections:
        if section.type == "crop":
            text = _with(text, section, crop_height=size - 8, crop_width=size - 8)
    return _with(text, net, height=size, width=size)


def _with(text: str, section: cfg.Section, **values: int) -> str:
    lines = text.split("\n")
    for key, value in values.items():
        option = section.find(key)
        if option is not None:
            lines[option.line - 1] = f"{key}={value}"
    return "\n".join(lines)


def main() -> int:
    """Print the table; 1 if a layer disagrees without an excuse."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("cfg", nargs="*", help="default: all of /usr/share/darknet/cfg", type=Path)
    parser.add_argument(
        "--full", action="store_true", help="pictures of the size that the cfg says"
    )
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    bad = 0
    print("| cfg | layers | floats | same file | worst layer | relative L2 | excused |")
    print("| --- | ---: | ---: | --- | --- | ---: | --- |")
    for path in arguments.cfg or sorted(CFGS.glob("*.cfg")):
        text = path.read_text()
        parity = compare(text if arguments.full else shrink(text))
        held = [layer for layer in parity.layers if not layer.excuse]
        excused = [layer for layer in parity.layers if layer.excuse]
        worst = max(held, key=lambda layer: layer.distance)
        bad += not parity.same_file or not all(layer.ok for layer in held)
        print(
            f"| {path.stem} | {len(parity.layers)} | {parity.floats:,} |"
            f" {'yes' if parity.same_file else 'NO'} | {worst.place} | {worst.distance:.1e} |"
            f" {len(excused) or ''} |",
            flush=True,
        )
    return bool(bad)


if __name__ == "__main__":
    sys.exit(main())
