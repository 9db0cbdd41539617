"""A third engine: what a network makes of a picture, in plain numpy and double precision.

Written from the C sources; imports nothing of the project's. Batch norm as AlexeyAB's darknet and
PyTorch compute it: AB blas.c:292.
"""

import numpy as np
from properties.networks import Layer, Net, count


def weights(net: Net, seed: int) -> bytes:
    """A .weights file of values that keep activations near 1."""
    rng = np.random.default_rng(seed)
    parts = [b"\0\0\0\0\2\0\0\0\0\0\0\0", np.array([seed], "<u8").tobytes()]
    for layer in net.layers:
        for kind, shape in layer.arrays:
            if kind in ("scales", "variances"):
                values = rng.uniform(0.5, 1.5, count(shape))
            elif kind == "weights":
                values = rng.normal(0, 1 / np.sqrt(count(shape[1:])), count(shape))
            else:
                values = rng.normal(0, 0.1, count(shape))
            parts.append(values.astype("<f4").tobytes())
    return b"".join(parts)


def outputs(net: Net, data: bytes, picture: np.ndarray) -> list[np.ndarray]:
    """What each layer makes of ``picture`` (c, h, w), as (c, h, w)."""
    values = np.frombuffer(data, "<f4", offset=20).astype(float)
    made: list[np.ndarray] = []
    at = 0
    for layer in net.layers:
        arrays = {}
        for kind, shape in layer.arrays:
            arrays[kind] = values[at : at + count(shape)].reshape(shape)
            at += count(shape)
        inputs = [made[i] if i >= 0 else picture for i in layer.sources]
        made.append(_run(layer, arrays, inputs))
        assert made[-1].shape == layer.shape
    assert at == len(values)
    return made


def _run(layer: Layer, arrays: dict[str, np.ndarray], inputs: list[np.ndarray]) -> np.ndarray:
    x, options = inputs[0], layer.options
    if layer.type == "convolutional":
        x = _normed(_convolved(x, arrays["weights"], layer), arrays)
    elif layer.type == "connected":
        x = _normed((arrays["weights"] @ x.ravel())[:, None, None], arrays)
    elif layer.type == "maxpool":
        x = _pooled(x, int(options["size"]), int(options["stride"]))
    elif layer.type == "avgpool":
        x = x.mean((1, 2), keepdims=True)
    elif layer.type == "upsample":
        x = x.repeat(int(options["stride"]), 1).repeat(int(options["stride"]), 2)
    elif layer.type == "softmax":
        powers = np.exp(x.ravel() - x.max())
        x = (powers / powers.sum())[:, None, None]
    elif layer.type == "route":
        groups, group = int(options.get("groups", 1)), int(options.get("group_id", 0))
        x = np.concatenate([np.split(y, groups)[group] for y in inputs])
    elif layer.type == "shortcut":
        channels = min(len(x), len(inputs[1]))
        x = x.copy()
        x[:channels] += inputs[1][:channels]
    default = "logistic" if layer.arrays else "linear"
    return _activated(x, str(options.get("activation", default)))


def _convolved(x: np.ndarray, kernels: np.ndarray, layer: Layer) -> np.ndarray:
    size, stride = int(layer.options["size"]), int(layer.options["stride"])
    pad = size // 2 if "pad" in layer.options else int(layer.options["padding"])
    groups = int(layer.options.get("groups", 1))
    x = np.pad(x, ((0, 0), (pad, pad), (pad, pad)))
    windows = np.lib.stride_tricks.sliding_window_view(x, (size, size), (1, 2))
    windows = windows[:, ::stride, ::stride]  # c, h', w', size, size
    parts = zip(np.split(windows, groups), np.split(kernels, groups), strict=True)
    return np.concatenate([np.einsum("chwij,fcij->fhw", part, kernel) for part, kernel in parts])


def _pooled(x: np.ndarray, size: int, stride: int) -> np.ndarray:
    """A window starts (size - 1) / 2 before its pixel; outside counts for nothing."""
    before = (size - 1) // 2
    side = ((before, size),) * 2
    x = np.pad(x, ((0, 0), *side), constant_values=-np.inf)
    windows = np.lib.stride_tricks.sliding_window_view(x, (size, size), (1, 2)).max((3, 4))
    h, w = (x.shape[1] - before - size, x.shape[2] - before - size)
    return windows[:, :h:stride, :w:stride]


def _normed(x: np.ndarray, arrays: dict[str, np.ndarray]) -> np.ndarray:
    column = {
        kind: values.reshape(-1, 1, 1) for kind, values in arrays.items() if kind != "weights"
    }
    if "scales" in column:
        x = (x - column["means"]) / np.sqrt(column["variances"] + 1e-5) * column["scales"]
    return x + column["biases"]


def _activated(x: np.ndarray, name: str) -> np.ndarray:
    return {
        "linear": lambda: x,
        "leaky": lambda: np.where(x > 0, x, 0.1 * x),
        "relu": lambda: np.maximum(x, 0),
        "logistic": lambda: 1 / (1 + np.exp(-x)),
        "tanh": lambda: np.tanh(x),
    }[name]()
