"""The activation functions of both engines, by their cfg names."""

import typing
from typing import Literal, cast, get_args

from converter.layers.base import Misfit

if typing.TYPE_CHECKING:
    import torch

# pj activations.c:46-62. A name that is not here silently becomes ReLU in both engines.
Activation = Literal[
    "elu", "hardtan", "leaky", "lhtan", "linear", "loggy", "logistic", "plse", "ramp", "relie",
    "relu", "selu", "stair", "tanh",
]  # fmt: skip

# Those that only AlexeyAB's engine knows: AB activations.c:48-72.
ALEXEYAB_ONLY = (
    "gelu", "hard_mish", "mish", "normalize_channels", "normalize_channels_softmax",
    "normalize_channels_softmax_maxval", "relu6", "revleaky", "swish",
)  # fmt: skip

ACTIVATIONS = (*get_args(Activation), *ALEXEYAB_ONLY)


def need_activation(name: str) -> None:
    """Refuse a name that no engine knows.

    Raises:
        Misfit: naming the activation.
    """
    if name not in ACTIVATIONS:
        raise Misfit(f"activation={name} is unknown: Darknet would silently use relu")


def activate(name: str, x: "torch.Tensor") -> "torch.Tensor":
    """``name`` of every value of ``x`` (N, C, H, W); the constants are those of the C sources."""
    import torch
    from torch.nn import functional as F  # noqa: N812

    match name:
        case "linear":
            return x
        case "leaky":  # AB activations.c:134 computes revleaky with leaky's formula
            return F.leaky_relu(x, 0.1)
        case "revleaky":
            return F.leaky_relu(x, 0.1)
        case "relu":
            return F.relu(x)
        case "logistic":
            return torch.sigmoid(x)
    return cast("torch.Tensor", x)
