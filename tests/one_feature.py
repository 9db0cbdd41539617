"""Networks of one feature each, and random weights for them, from the C sources alone.

Nothing here imports ``converter``. What a layer's arrays are is written beside each network, in
file order: ``"b6 s6 m6 v6 w6x3x3x3"`` are six biases, scales, means, variances and a kernel.
"""

import numpy as np


def section(kind: str, **options: object) -> str:
    """``section("route", layers="-1,-2")``; ``from_`` is ``from``."""
    lines = [f"{key.rstrip('_')}={value}\n" for key, value in options.items()]
    return f"[{kind}]\n" + "".join(lines) + "\n"


def conv(**options: object) -> str:
    """A 3x3 convolution of 6 filters that keeps the size, by default."""
    usual = {"filters": 6, "size": 3, "stride": 1, "pad": 1, "activation": "leaky"}
    return section("convolutional", **{**usual, **options})


def network(*layers: str, channels: int = 3, height: int = 10, width: int = 13) -> str:
    """Of a small picture, not square and of an odd width."""
    net = section("net", batch=1, subdivisions=1, height=height, width=width, channels=channels)
    return net + "".join(layers)


def sequence(*layers: str, inputs: int = 9) -> str:
    """A network without pictures."""
    return section("net", batch=1, subdivisions=1, inputs=inputs) + "".join(layers)


def weights(arrays: str, seed: int = 0, version: tuple[int, int, int] = (0, 2, 0)) -> bytes:
    """A .weights file of random arrays: kernels scaled to their fan-in, variances positive."""
    rng = np.random.default_rng(seed)
    parts = [np.array(version, "<i4").tobytes(), np.array([64_000], "<u8").tobytes()]
    for array in arrays.split():
        kind, shape = array[0], [int(n) for n in array[1:].split("x")]
        if kind == "w":
            values = rng.normal(0, np.sqrt(2 / np.prod(shape[1:])), shape)
        elif kind in "sv":
            values = rng.uniform(0.5, 1.5, shape)
        else:
            values = rng.normal(0, 0.1, shape)
        parts.append(values.astype("<f4").tobytes())
    return b"".join(parts)


def picture(*shape: int, seed: int = 1) -> np.ndarray:
    """Values of both signs, near 1."""
    return np.random.default_rng(seed).normal(0, 1, shape).astype(np.float32)
