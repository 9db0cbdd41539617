#!/usr/bin/env python3
"""Compare DarknetModel with real darknet, layer by layer, on all cfgs that darknet comes with.

Prints a Markdown table. Weights are random, so that no download is needed and every layer has much
to do; pictures are small unless --full.
"""

import argparse
import sys
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np
import torch

from converter.darknet.cfg import Section, parse_cfg
from converter.darknet.dialects import DIALECTS, DialectName
from converter.darknet.header import Header
from converter.darknet.network import Network, parse_network
from converter.errors import NetworkError
from converter.families import generic
from converter.plan import make_plan
from yolov3.blocks import set_batch_norm
from yolov3.darknet import DarknetModel
from yolov3.parity.compare import Difference, compare_layers
from yolov3.parity.engines import Darknet

CFGS = Path("/usr/share/darknet/cfg")


@dataclass(frozen=True, kw_only=True)
class Parity:
    """A whole network: its layers, and whether darknet writes the same file that it read."""

    same_file: bool
    layers: tuple[Difference, ...]


def compare(text: str, seed: int = 0) -> Parity:
    """Run the network of cfg ``text`` in darknet and in PyTorch, with the same random weights."""
    network = parse_network(text)
    model = DarknetModel(network, "pjreddie").eval()
    set_batch_norm(model, "pjreddie-cpu")
    x = _picture(network, seed)
    randomise(model, torch.from_numpy(x)[None], seed)
    with tempfile.TemporaryDirectory() as folder:
        path, weights, saved = (Path(folder, n) for n in ("net.cfg", "net.weights", "saved"))
        path.write_text(text)
        write(model, weights)
        outputs = Darknet(path, weights).run(x, save_to=saved)
        same = weights.read_bytes() == saved.read_bytes()
    return Parity(
        same_file=same,
        layers=tuple(compare_layers(model, x, outputs)),
    )


def sound(row: Difference) -> bool:
    """Whether the two agree, on values that mean something."""
    # n probabilities have an RMS of about 1/n
    least = 0.0 if "[softmax]" in row.place else 1e-2
    return (
        row.relative <= DIALECTS["pjreddie"].parity_bound and least <= row.rms <= 1e2 and row.varies
    )


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


def write(model: DarknetModel, path: Path, dialect: DialectName = "pjreddie") -> None:
    """Write the .weights file whose checkpoint ``model`` holds."""
    header = replace(Header.written_by(dialect), seen=64_000)
    network = model.network
    layout = make_plan(
        header=header,
        size=header.size + 4 * network.floats_of(dialect),
        network=network,
        naming=generic.name_layers(network),
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
            DarknetModel(parse_network(small))
        except NetworkError:
            continue
        return small
    return text


def _sized(text: str, size: int) -> str:
    sections = parse_cfg(text)
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


def _with(text: str, section: Section, **values: int) -> str:
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
        worst = max(held, key=lambda layer: layer.relative)
        bad += not parity.same_file or not all(sound(layer) for layer in held)
        print(
            f"| {path.stem} | {len(parity.layers)} | {parse_network(text).floats:,} |"
            f" {'yes' if parity.same_file else 'NO'} | {worst.place} | {worst.relative:.1e} |"
            f" {len(excused) or ''} |",
            flush=True,
        )
    return bool(bad)


if __name__ == "__main__":
    sys.exit(main())
