"""[shortcut]: maps added value by value.

pj shortcut_layer.c, parser.c:539; AB shortcut_layer.c, parser.c:915-1000.
"""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any, ClassVar

from converter.darknet.dialects import DIALECTS, DialectName
from converter.darknet.layers.activation import activate, activate_onnx, require_activation, zeroed
from converter.darknet.layers.base import (
    Array,
    Graph,
    Layer,
    Misfit,
    Modules,
    Shape,
    Tensor,
    absolute,
)
from converter.records import dataclass

# AB parser.c:920-936: per_layer is per_feature, and avg_relu is relu.
WEIGHTS_TYPES = ("none", "per_feature", "per_layer", "per_channel")
NORMALIZATIONS = {"none": "none", "relu": "relu", "avg_relu": "relu", "softmax": "softmax"}


@dataclass(frozen=True, kw_only=True)
class Shortcut(Layer):
    """The previous layer's output plus earlier ones': pj blas.c:68, AB blas.c:77.

    A map with fewer channels is added to the first ones. pj also takes a map of another size: of a
    larger one every n-th pixel, a smaller one goes to every n-th pixel; ``alpha`` and ``beta`` are
    factors of the two where they meet. AB takes several maps of one size, and weighs them; one of
    another size is stopped by an assertion (parser.c:979), or without it by nothing.
    """

    type: ClassVar[str] = "shortcut"
    left_out: ClassVar[tuple[str, ...]] = ("from_",)  # ``sources`` resolves it

    from_: tuple[int, ...] = ()
    activation: str = "linear"
    alpha: float = 1.0
    beta: float = 1.0
    weights_type: str = "none"
    weights_normalization: str = "none"

    def sources(self, index: int) -> tuple[int, ...]:
        """The previous layer, then those it names."""
        if not self.from_:
            raise Misfit("has no from=")
        return (absolute(index, -1), *(absolute(index, layer) for layer in self.from_))

    def infer(self, *shapes: Shape) -> Shape:
        """The previous layer's shape."""
        require_activation(self.activation)
        if self.weights_type not in WEIGHTS_TYPES:
            raise Misfit(f"weights_type={self.weights_type} is unknown to Darknet")
        if self.weighted and (self.alpha, self.beta) != (1.0, 1.0):
            raise Misfit("has alpha= or beta= of one engine and weights_type= of the other")
        shape = shapes[0].require_image()
        for other in map(Shape.require_image, shapes[1:]):
            if len(shapes) > 2 and (other.h, other.w) != (shape.h, shape.w):
                raise Misfit(f"adds {other} to {shape}: several maps must be of one size")
            # pj blas.c:70-73
            if (other.w // shape.w, shape.w // other.w) != (other.h // shape.h, shape.h // other.h):
                raise Misfit(f"adds {other} to {shape}: the ratios of height and width differ")
        return shape

    @property
    def weighted(self) -> bool:
        """Whether it has a weight for each map, or for each of their channels."""
        return self.weights_type != "none"

    def arrays(self, shapes: tuple[Shape, ...], dialect: DialectName) -> Iterator[Array]:
        """weights, one a map or one a map and channel: AB shortcut_layer.c:49, parser.c:2212."""
        if self.weighted:
            channels = (shapes[0].c,) if self.weights_type == "per_channel" else ()
            yield self.array("weights", "weight", len(shapes), *channels)

    @property
    def normalization(self) -> str:
        """How the weights of each value are scaled: not at all, to a sum of 1, or by a softmax."""
        return NORMALIZATIONS.get(self.weights_normalization, "none")

    def refusal(self, shapes: tuple[Shape, ...], dialect: DialectName) -> str | None:
        """A map of another size (AB parser.c:979), or weights that nothing scales (:933)."""
        record = DIALECTS[dialect]
        if self.weighted and self.normalization == "none" and record.shortcut_needs_normalization:
            return f"weights_type={self.weights_type} needs weights_normalization=relu or softmax"
        here = shapes[0]
        other = next((s for s in shapes[1:] if (s.h, s.w) != (here.h, here.w)), None)
        if other is None or record.strided_shortcut:
            return None
        strided = next(d for d in DIALECTS.values() if d.strided_shortcut)
        return (
            f"it adds {other} to {here}; {record.mixed_sizes}, where {strided.engine} adds every"
            " n-th pixel"
        )

    def obstacle(self, shapes: tuple[Shape, ...], dialect: DialectName) -> str | None:
        """An activation that it makes zeros of: AB shortcut_layer.c:150."""
        return zeroed(self.activation, known=("swish", "mish"))

    def modules(self, shapes: tuple[Shape, ...], dialect: DialectName) -> Modules:
        """``weight``, if weighted."""
        return self.parameters(shapes, dialect, value=1.0)

    def forward(self, m: Any, *inputs: Tensor) -> Tensor:
        """[(N, c, h, w), (N, c', h', w'), ...] -> (N, c, h, w)."""
        x, *others = inputs
        if self.weighted:
            weights = self._factors(m.weight).unbind(0)
            x = x * weights[0]
            for other, weight in zip(others, weights[1:], strict=True):
                met = other[:, : x.shape[1]]
                x = _add(x, met * weight[: met.shape[1]])
        else:
            for other in others:
                x = _add(x, other, self.alpha, self.beta)
        return activate(self.activation, x)

    def _factors(self, weight: Tensor) -> Tensor:
        """(maps, channels or 1, 1, 1) factors of each map: AB blas.c:95-117."""
        from torch.nn import functional as F

        parts = weight
        if self.normalization == "relu":
            parts = F.relu(weight)
        elif self.normalization == "softmax":
            parts = (weight - weight.amax(0)).exp()
        if self.normalization != "none":
            parts = parts / (parts.sum(0) + 1e-4)
        return parts.reshape(len(parts), -1, 1, 1)

    def onnx(self, g: Graph, shapes: tuple[Shape, ...], *inputs: str) -> str:
        """[(N, c, h, w), (N, c', h', w'), ...] -> (N, c, h, w)."""
        x, shape = inputs[0], shapes[0]
        others = list(zip(inputs[1:], shapes[1:], strict=True))
        if self.weighted:
            weights = self._factors_onnx(g)
            x = g.add("Mul", x, g.slice(weights, 0, 0, 1))
            for i, (other, theirs) in enumerate(others, start=1):
                weight = g.slice(weights, 0, i, i + 1)
                if theirs.c != shape.c:
                    met = min(theirs.c, shape.c)
                    other, theirs = g.slice(other, 1, 0, met), replace(theirs, c=met)
                    if self.weights_type == "per_channel":
                        weight = g.slice(weight, 1, 0, met)
                x = _add_onnx(g, x, shape, g.add("Mul", other, weight), theirs)
        else:
            for other, theirs in others:
                x = _add_onnx(g, x, shape, other, theirs, self.alpha, self.beta)
        return activate_onnx(g, self.activation, x)

    def _factors_onnx(self, g: Graph) -> str:
        parts = g.weight("weight")
        if self.normalization == "relu":
            parts = g.add("Relu", parts)
        elif self.normalization == "softmax":
            parts = g.add("Exp", g.add("Sub", parts, g.reduce("ReduceMax", parts, 0)))
        if self.normalization != "none":
            parts = g.add("Div", parts, g.add("Add", g.reduce("ReduceSum", parts, 0), 1e-4))
        return g.reshape(parts, 0, -1, 1, 1)


def _add_onnx(
    g: Graph,
    x: str,
    shape: Shape,
    other: str,
    theirs: Shape,
    alpha: float = 1.0,
    beta: float = 1.0,
) -> str:
    """``_add`` as nodes: what is missing of ``other`` is filled up with zeros."""
    import numpy as np

    c, h, w = min(shape.c, theirs.c), min(shape.h, theirs.h), min(shape.w, theirs.w)
    step, spread = max(1, theirs.w // shape.w), max(1, shape.w // theirs.w)
    if theirs.c > c:
        other = g.slice(other, 1, 0, c)
    for axis, count, side in ((2, h, theirs.h), (3, w, theirs.w)):
        if count * step != side or step > 1:
            other = g.slice(other, axis, 0, count * step, step)
    if beta != 1.0:
        other = g.add("Mul", other, beta)
    if spread > 1:
        ones = g.constant("ones", [[[[1]]]] * c)
        other = g.add("ConvTranspose", other, ones, group=c, strides=[spread] * 2)
    after = (shape.c - c, shape.h - (h - 1) * spread - 1, shape.w - (w - 1) * spread - 1)
    if any(after):
        other = g.add("Pad", other, (0, 0, 0, 0, 0, *after))
    if alpha != 1.0:
        factors = np.ones((1, shape.c, shape.h, shape.w), np.float32)
        factors[:, :c, : h * spread : spread, : w * spread : spread] = alpha  # where the two meet
        x = g.add("Mul", x, g.constant("alpha", factors))
    return g.add("Add", x, other)


def _add(x: Tensor, other: Tensor, alpha: float = 1.0, beta: float = 1.0) -> Tensor:
    """``alpha * x + beta * other`` where the two meet, and ``x`` elsewhere: pj blas.c:68."""
    if x.shape == other.shape:
        return alpha * x + beta * other if (alpha, beta) != (1.0, 1.0) else x + other
    _, c, h, w = (min(*pair) for pair in zip(x.shape, other.shape, strict=True))
    step = max(1, other.shape[3] // x.shape[3])
    spread = max(1, x.shape[3] // other.shape[3])
    picked = other[:, :c, : h * step : step, : w * step : step]
    result = x.clone()
    met = result[:, :c, : h * spread : spread, : w * spread : spread]
    result[:, :c, : h * spread : spread, : w * spread : spread] = alpha * met + beta * picked
    return result
