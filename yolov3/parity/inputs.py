"""What an engine and our model are both given: a smaller cfg, random weights, a random picture."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch

from converter.darknet.cfg import Section, parse_cfg
from converter.darknet.dialects import DialectName
from converter.darknet.network import Network, parse_network
from converter.errors import DarknetError
from yolov3.darknet import DarknetModel


def one_picture(text: str) -> str:
    """The cfg for one picture, or one step of a sequence, at a time.

    Raises:
        CfgError: it cannot be read.
    """
    return _with(text, parse_cfg(text)[0], time_steps=1, batch=1, subdivisions=1)


def shrink(text: str, dialect: DialectName) -> str:
    """The cfg for one square picture, the smallest from 64 x 64 on that its layers allow.

    It is left at its size if they allow none that is smaller.

    Raises:
        CfgError: it cannot be read.
    """
    text = one_picture(text)
    height = parse_cfg(text)[0].find("height")
    for size in range(64, min(256, height.integer()) if height else 0, 32):
        small = _sized(text, size)
        try:
            with torch.device("meta"):  # its weights would only cost time
                DarknetModel(parse_network(small, dialect), dialect)
        except DarknetError:
            continue
        return small
    return text


def _sized(text: str, size: int) -> str:
    net, *layers = parse_cfg(text)
    for layer in layers:
        if layer.type == "crop":
            text = _with(text, layer, crop_height=size - 8, crop_width=size - 8)
    return _with(text, net, height=size, width=size)


def _with(text: str, section: Section, **values: int) -> str:
    """``text`` with other values of those options that ``section`` has."""
    lines = text.split("\n")
    for key, value in values.items():
        option = section.find(key)
        if option is not None:
            lines[option.line - 1] = f"{key}={value}"
    return "\n".join(lines)


def noise(network: Network, seed: int = 0) -> npt.NDArray[np.float32]:
    """An input of both signs near 1: (channels, height, width), or (inputs,)."""
    return np.random.default_rng(seed).normal(0, 1, network.input.sides).astype(np.float32)


def randomise(model: DarknetModel, x: npt.NDArray[np.float32], seed: int = 0) -> None:
    """Give ``model`` random weights under which every layer's output keeps an RMS near 1 on ``x``.

    Args:
        model: in eval mode, on the CPU.
        x: one input, without the batch.
        seed: of the weights.
    """
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
        for index, output in model.forward_layers(torch.from_numpy(x)[None]):
            if output is not None and any(True for _ in model.layers[index].parameters()):
                rms = output.square().mean().sqrt().clamp(0.1, 10)
                for name, tensor in model.layers[index].state_dict().items():
                    if name.endswith(("conv.weight", "fc.weight")) or name == "weight":
                        tensor /= rms
                output /= rms
