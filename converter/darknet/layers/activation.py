"""The activation functions of both engines, by their cfg names.

Constants and formulas: pj activations.h:19-63, AB activations.h:48-102, activations.c:138-250.
"""

import typing
from collections.abc import Callable

from converter.darknet.layers.base import Misfit

if typing.TYPE_CHECKING:
    import torch

# pj activations.c:45-63, AB activations.c:48-72. What an engine does not know becomes ReLU there.
ACTIVATIONS = (
    "elu", "gelu", "hard_mish", "hardtan", "leaky", "lhtan", "linear", "loggy", "logistic", "mish",
    "normalize_channels", "normalize_channels_softmax", "normalize_channels_softmax_maxval", "plse",
    "ramp", "relie", "relu", "relu6", "revleaky", "selu", "stair", "swish", "tanh",
)  # fmt: skip

# What other frameworks call those that Darknet has under another name: torch.nn.
_ELSEWHERE = {"hardtanh": "hardtan", "identity": "linear", "sigmoid": "logistic", "silu": "swish"}

_OUTSIDE = (
    "hard_mish", "mish", "normalize_channels", "normalize_channels_softmax",
    "normalize_channels_softmax_maxval", "swish",
)  # fmt: skip


def require_activation(name: str) -> None:
    """Refuse a name that no engine knows.

    Raises:
        Misfit: naming the activation.
    """
    if name in ACTIVATIONS:
        return
    problem = f"activation={name} is unknown: Darknet would silently use relu"
    if name in _ELSEWHERE:
        problem += (
            f"; the same function is {_ELSEWHERE[name]} there, but a network that darknet trained"
            " with this cfg has learned with relu"
        )
    raise Misfit(problem)


def zeroed(name: str, known: tuple[str, ...] = ()) -> str | None:
    """Why ``name`` does not run in a layer that is no convolution; None if it does.

    AlexeyAB's engine computes these outside of its general function, which answers 0 for them, on
    the CPU and on the GPU (AB activations.c:77-113, activation_kernels.cu:92). ``known`` are those
    that a layer computes all the same.
    """
    if name in _OUTSIDE and name not in known:
        return f"activation={name}: AlexeyAB's engine knows it in convolutions, here it makes zeros"
    return None


def activate(name: str, x: "torch.Tensor") -> "torch.Tensor":
    """``name`` of every value of ``x`` (N, C, ...); only normalize_channels* looks at several."""
    import torch
    from torch.nn import functional as F

    functions: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
        "elu": F.elu,
        "gelu": lambda x: 0.5 * x * (1 + torch.tanh(0.797885 * x + 0.035677 * x**3)),
        "hard_mish": lambda x: torch.where(x > 0, x, torch.where(x > -2, x * x / 2 + x, 0.0)),
        "hardtan": lambda x: x.clamp(-1, 1),
        "leaky": lambda x: F.leaky_relu(x, 0.1),
        "lhtan": lambda x: x.clamp(0, 1) + 0.001 * (x - x.clamp(0, 1)),
        "linear": lambda x: x,
        "loggy": lambda x: 2 * torch.sigmoid(x) - 1,
        "logistic": torch.sigmoid,
        "mish": F.mish,
        "normalize_channels": _normalize_channels,
        "normalize_channels_softmax": lambda x: _normalize_exponentials(x, 0.0),
        "normalize_channels_softmax_maxval": lambda x: _normalize_exponentials(
            x, x.amax(1, keepdim=True)
        ),
        "plse": _plse,
        "ramp": lambda x: F.relu(x) + 0.1 * x,
        "relie": lambda x: F.leaky_relu(x, 0.01),
        "relu": F.relu,
        "relu6": F.relu6,
        # The forward pass is leaky's: AB activations.c:98.
        "revleaky": lambda x: F.leaky_relu(x, 0.1),
        "selu": lambda x: 1.0507 * F.elu(x, alpha=1.6732),
        "stair": _stair,
        "swish": F.silu,
        "tanh": torch.tanh,
    }
    return functions[name](x)


def _plse(x: "torch.Tensor") -> "torch.Tensor":
    import torch

    steep = 0.125 * x + 0.5
    return torch.where(x < -4, 0.01 * (x + 4), torch.where(x > 4, 0.01 * (x - 4) + 1, steep))


def _stair(x: "torch.Tensor") -> "torch.Tensor":
    """Flat from 2n to 2n + 1, then up by one until 2n + 2."""
    import torch

    below = torch.floor(x)
    rising = torch.remainder(below, 2) != 0
    return torch.floor(x / 2) + torch.where(rising, x - below, 0.0)


def _normalize_channels(x: "torch.Tensor") -> "torch.Tensor":
    """Positive values as parts of their sum over the channels."""
    positive = x.clamp(min=0)
    return positive / (positive.sum(1, keepdim=True) + 1e-4)


def _normalize_exponentials(x: "torch.Tensor", largest: "torch.Tensor | float") -> "torch.Tensor":
    """A softmax over the channels, but for the epsilon."""
    powers = (x - largest).exp()
    return powers / (powers.sum(1, keepdim=True) + 1e-4)
