"""Darknet files as the tests understand them, from the C sources alone.

Nothing here imports ``converter``: a mistake there must not repeat itself in what it is compared
with. Only [convolutional] owns weights in the networks that this reads.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np


@dataclass(frozen=True)
class Entry:
    """One array: cfg layer, Darknet's name, shape, and its first float after the header."""

    layer: int
    kind: str
    shape: tuple[int, ...]
    first: int


def sections(text: str) -> list[dict[str, str]]:
    """The sections of a plain cfg; "" holds the type. The first of equal keys wins."""
    found: list[dict[str, str]] = []
    for raw in text.splitlines():
        line = "".join(raw.split())
        if not line or line[0] in "#;":
            continue
        if line[0] == "[":
            found.append({"": line[1:-1]})
        else:
            key, value = line.split("=", 1)
            found[-1].setdefault(key, value)
    return found


def layout(text: str) -> Iterator[Entry]:
    """The arrays of a network of convolutions, in file order (pj parser.c:1164)."""
    net, *layers = sections(text)
    depth: list[int] = []
    first = 0
    channels = int(net["channels"])
    for index, section in enumerate(layers):
        kind = section[""]
        if kind == "convolutional":
            filters, size = int(section["filters"]), int(section.get("size", "1"))
            batch_norm = int(section.get("batch_normalize", "0"))
            names = ["biases", "scales", "rolling_mean", "rolling_variance"]
            for name in names if batch_norm else names[:1]:
                yield Entry(index, name, (filters,), first)
                first += filters
            shape = (filters, channels // int(section.get("groups", "1")), size, size)
            yield Entry(index, "weights", shape, first)
            first += int(np.prod(shape))
            channels = filters
        elif kind == "route":
            numbers = [int(n) for n in section["layers"].split(",")]
            channels = sum(depth[n if n >= 0 else index + n] for n in numbers)
        depth.append(channels)


def floats(text: str) -> int:
    """Floats of the network's .weights file."""
    *_, last = layout(text)
    return last.first + int(np.prod(last.shape))


def random_weights(text: str, seed: int = 0, version: tuple[int, int, int] = (0, 2, 0)) -> bytes:
    """A whole .weights file of seeded random values that keep activations near 1.

    Kernels are scaled to their fan-in (without a gain for the activation: the 23 residual additions
    make up for what leaky ReLU takes away), means are N(0, 0.1), variances and scales in [0.5,
    1.5].
    """
    rng = np.random.default_rng(seed)
    parts = [np.array(version, "<i4").tobytes(), np.array([64_000], "<u8").tobytes()]
    for entry in layout(text):
        count = int(np.prod(entry.shape))
        if entry.kind == "weights":
            spread = np.sqrt(1 / np.prod(entry.shape[1:]))
            values = rng.normal(0, spread, count)
        elif entry.kind in ("scales", "rolling_variance"):
            values = rng.uniform(0.5, 1.5, count)
        else:
            values = rng.normal(0, 0.1, count)
        parts.append(values.astype("<f4").tobytes())
    return b"".join(parts)


def read(text: str, path: Path, header: int = 20) -> dict[tuple[int, str], np.ndarray]:
    """All arrays of a file: (layer, kind) -> values; the file must end with the last."""
    values = np.fromfile(path, "<f4", offset=header)
    arrays = {}
    end = 0
    for entry in layout(text):
        end = entry.first + int(np.prod(entry.shape))
        arrays[entry.layer, entry.kind] = values[entry.first : end].reshape(entry.shape)
    assert end == len(values), f"{path} has {len(values)} floats, the cfg asks for {end}"
    return arrays


TORCH_NAMES = {
    "scales": "bn.weight",
    "rolling_mean": "bn.running_mean",
    "rolling_variance": "bn.running_var",
    "weights": "conv.weight",
}


def yolov3_modules(levels: int = 3, repeats: int = 2, *, spp: bool = False) -> list[str]:
    """The article's modules in the order in which darknet stores their weights, by hand."""
    names = ["stem.0", "stem.1"]
    for stage, blocks in ((1, 1), (2, 2), (3, 8), (4, 8), (5, 4)):
        if stage > 1:
            names.append(f"conv_{stage}_in")
        for block in range(blocks):
            names += [f"res_conv_{stage}.{block}.conv1", f"res_conv_{stage}.{block}.conv2"]
    names = [f"backbone.{name}" for name in names]
    for level in range(levels - 1, -1, -1):
        if level < levels - 1:
            names.append(f"fpn.merge_convs.{level}")
        names.append(f"fpn.lateral_convs.{level}")
        for conv in range(2 * repeats):
            names.append(f"fpn.fpn_convs.{level}.{conv}")
            if spp and level == levels - 1 and conv == 1:
                names.append("fpn.spp.conv")
        names += [f"fpn.tail_convs.{level}", f"heads.{level}"]
    return names


def expected_tensors(text: str, path: Path, modules: list[str]) -> dict[str, np.ndarray]:
    """The checkpoint that ``path`` should become, by ``modules`` in file order."""
    arrays = read(text, path)
    convolutions = sorted({layer for layer, _ in arrays})
    assert len(convolutions) == len(modules)
    tensors = {}
    for layer, module in zip(convolutions, modules, strict=True):
        normed = (layer, "scales") in arrays
        for (owner, kind), values in arrays.items():
            if owner == layer:
                bias = "bn.bias" if normed else "conv.bias"
                tensors[f"{module}.{TORCH_NAMES.get(kind, bias)}"] = values
    return tensors
