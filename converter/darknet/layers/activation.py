"""The activation functions of the engines, by their cfg names.

Constants and formulas: pj activations.h:19-63, AB activations.h:48-102, activations.c:138-250.
"""

from collections.abc import Callable

from converter.darknet.dialects import ACTIVATIONS
from converter.darknet.layers.base import Graph, Misfit, Tensor

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


def activate(name: str, x: Tensor) -> Tensor:
    """``name`` of every value of ``x`` (N, C, ...); only normalize_channels* looks at several."""
    import torch
    from torch.nn import functional as F

    functions: dict[str, Callable[[Tensor], Tensor]] = {
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
        "normalize_channels": lambda x: _share(x.clamp(min=0)),
        "normalize_channels_softmax": lambda x: _share(x.exp()),
        "normalize_channels_softmax_maxval": lambda x: _share((x - x.amax(1, keepdim=True)).exp()),
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


def activate_onnx(g: Graph, name: str, x: str) -> str:
    """``activate`` as nodes."""
    nodes: dict[str, Callable[[], str]] = {
        "elu": lambda: g.add("Elu", x),
        "gelu": lambda: _gelu_onnx(g, x),
        "hard_mish": lambda: _hard_mish_onnx(g, x),
        "hardtan": lambda: g.add("Clip", x, -1.0, 1.0),
        "leaky": lambda: g.add("LeakyRelu", x, alpha=0.1),
        "lhtan": lambda: _lhtan_onnx(g, x),
        "linear": lambda: x,
        "loggy": lambda: g.add("Sub", g.add("Mul", g.add("Sigmoid", x), 2.0), 1.0),
        "logistic": lambda: g.add("Sigmoid", x),
        "mish": lambda: g.add("Mul", x, g.add("Tanh", g.add("Softplus", x))),
        "normalize_channels": lambda: _share_onnx(g, g.add("Relu", x)),
        "normalize_channels_softmax": lambda: _share_onnx(g, g.add("Exp", x)),
        "normalize_channels_softmax_maxval": lambda: _share_onnx(
            g, g.add("Exp", g.add("Sub", x, g.reduce("ReduceMax", x, 1)))
        ),
        "plse": lambda: _plse_onnx(g, x),
        "ramp": lambda: g.add("Add", g.add("Relu", x), g.add("Mul", x, 0.1)),
        "relie": lambda: g.add("LeakyRelu", x, alpha=0.01),
        "relu": lambda: g.add("Relu", x),
        "relu6": lambda: g.add("Clip", x, 0.0, 6.0),
        "revleaky": lambda: g.add("LeakyRelu", x, alpha=0.1),
        "selu": lambda: g.add("Selu", x, alpha=1.6732, gamma=1.0507),
        "stair": lambda: _stair_onnx(g, x),
        "swish": lambda: g.add("Mul", x, g.add("Sigmoid", x)),
        "tanh": lambda: g.add("Tanh", x),
    }
    return nodes[name]()


def _gelu_onnx(g: Graph, x: str) -> str:
    cube = g.add("Mul", x, g.add("Mul", x, x))
    bend = g.add("Tanh", g.add("Add", g.add("Mul", x, 0.797885), g.add("Mul", cube, 0.035677)))
    return g.add("Mul", g.add("Mul", x, 0.5), g.add("Add", bend, 1.0))


def _hard_mish_onnx(g: Graph, x: str) -> str:
    bend = g.add("Add", g.add("Mul", g.add("Mul", x, x), 0.5), x)
    below = g.add("Where", g.add("Greater", x, -2.0), bend, 0.0)
    return g.add("Where", g.add("Greater", x, 0.0), x, below)


def _lhtan_onnx(g: Graph, x: str) -> str:
    inside = g.add("Clip", x, 0.0, 1.0)
    return g.add("Add", inside, g.add("Mul", g.add("Sub", x, inside), 0.001))


def _share_onnx(g: Graph, parts: str) -> str:
    """Of the sum over the channels."""
    return g.add("Div", parts, g.add("Add", g.reduce("ReduceSum", parts, 1), 1e-4))


def _plse_onnx(g: Graph, x: str) -> str:
    low = g.add("Mul", g.add("Add", x, 4.0), 0.01)
    high = g.add("Add", g.add("Mul", g.add("Sub", x, 4.0), 0.01), 1.0)
    steep = g.add("Add", g.add("Mul", x, 0.125), 0.5)
    above = g.add("Where", g.add("Greater", x, 4.0), high, steep)
    return g.add("Where", g.add("Less", x, -4.0), low, above)


def _stair_onnx(g: Graph, x: str) -> str:
    below, half = g.add("Floor", x), g.add("Floor", g.add("Mul", x, 0.5))
    rising = g.add("Sub", below, g.add("Mul", half, 2.0))  # 0 or 1
    return g.add("Add", half, g.add("Mul", rising, g.add("Sub", x, below)))


def _plse(x: Tensor) -> Tensor:
    import torch

    steep = 0.125 * x + 0.5
    return torch.where(x < -4, 0.01 * (x + 4), torch.where(x > 4, 0.01 * (x - 4) + 1, steep))


def _stair(x: Tensor) -> Tensor:
    """Flat from 2n to 2n + 1, then up by one until 2n + 2."""
    import torch

    below = torch.floor(x)
    rising = torch.remainder(below, 2) != 0
    return torch.floor(x / 2) + torch.where(rising, x - below, 0.0)


def _share(parts: Tensor) -> Tensor:
    """Of the sum over the channels."""
    return parts / (parts.sum(1, keepdim=True) + 1e-4)
