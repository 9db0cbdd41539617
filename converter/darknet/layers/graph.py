"""A network's ONNX graph as plain data, to which each layer adds its nodes.

Every layer adds the same nodes for the operator sets 11 to the newest but for what ``Graph`` itself
settles: where the axes of a reduction stand, and what [upsample] must give beside its factor.
"""

import typing
from collections.abc import Callable
from dataclasses import field, replace
from typing import Any, Self, TypeAlias

from converter.darknet.dialects import DialectName
from converter.options import BatchNormRule
from converter.records import dataclass

if typing.TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats: TypeAlias = NDArray[np.float32]
    Values: TypeAlias = NDArray[np.floating[Any]] | NDArray[np.int64]

FLOAT, FLOAT16 = 1, 10  # onnx.TensorProto's numbers of the types
LARGEST_HALF = 65504.0

# A tensor by its name; a number; or whole numbers, such as a shape. "" is an input left out.
Operand: TypeAlias = "str | float | tuple[int, ...]"


@dataclass(frozen=True, kw_only=True)
class Operation:
    """A node. It and its one output have the same name."""

    op: str
    name: str
    inputs: tuple[str, ...]
    attributes: dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Weight:
    """A layer's array as an input of nodes.

    Attributes:
        layer: whose it is.
        suffix: its name in that layer.
        shape: what its values are taken for; None for their own.
        change: what is computed from them, and from ``others``; None if they stay, bit for bit.
        others: further arrays of the layer.
        half: whether the values are rounded to float16 then.
    """

    layer: int
    suffix: str
    shape: tuple[int, ...] | None = None
    change: "Callable[..., Floats] | None" = None
    others: tuple[str, ...] = ()
    half: bool = False


@dataclass(frozen=True, kw_only=True)
class Graph:
    """What has been added so far, and the layer that adds to it.

    Attributes:
        opset: the ONNX operator set.
        dialect: whose engine to follow.
        rule: of batch norm.
        dynamic: whether the numbers of pictures, and of rows and columns, are left open.
        batch: how many pictures of the network's size there are, unless that is left open.
        half: whether numbers and weights are float16 where nodes are added now.
        place: what the names of nodes begin with.
        layer: whose arrays ``weight`` names: the layer's own, unless it shares.
        part: what their suffixes begin with, in a layer that is made of others.
        operations, weights, constants: by name, in the order in which they were added.
    """

    opset: int
    dialect: DialectName
    rule: BatchNormRule = "torch"
    dynamic: bool = False
    batch: int = 1
    half: bool = False
    place: str = ""
    layer: int = -1
    part: str = ""
    operations: dict[str, Operation] = field(default_factory=dict)
    weights: dict[str, Weight] = field(default_factory=dict)
    constants: "dict[str, Values]" = field(default_factory=dict)

    def at(self, index: int, owner: int) -> Self:
        """The same graph for layer ``index``, which computes with the arrays of ``owner``."""
        return replace(self, place=f"layer{index}", layer=owner, part="")

    def inside(self, part: str) -> Self:
        """The same graph for a layer in a layer."""
        return replace(self, place=f"{self.place}/{part}", part=f"{self.part}{part}.")

    def add(self, op: str, *inputs: Operand, name: str = "", **attributes: Any) -> str:
        """Add a node; the name of its output."""
        base = f"{self.place}/{name or op.lower()}"
        taken = sum(known == base or known.startswith(f"{base}_") for known in self.operations)
        output = f"{base}_{taken + 1}" if taken else base
        self.operations[output] = Operation(
            op=op, name=output, inputs=tuple(map(self._operand, inputs)), attributes=attributes
        )
        return output

    def _operand(self, operand: Operand) -> str:
        import numpy as np

        if isinstance(operand, str):
            return operand
        if isinstance(operand, tuple):
            name = f"integers/{','.join(map(str, operand))}"
            values: Values = np.array(operand, np.int64)
        else:
            number = operand
            if self.half:  # the lowest number stays one
                number = max(-LARGEST_HALF, min(LARGEST_HALF, operand))
            name = f"{'half' if self.half else 'number'}/{operand!r}"
            values = np.array(number, self._type)
        self.constants[name] = values
        return name

    @property
    def _type(self) -> str:
        return "float16" if self.half else "float32"

    def constant(self, name: str, values: Any) -> str:
        """Numbers that are neither weights nor one alone."""
        import numpy as np

        name = f"{self.place}/{name}"
        self.constants[name] = np.array(values, self._type)
        return name

    def cast(self, x: str) -> str:
        """``x`` as the type of the numbers and weights."""
        return self.add("Cast", x, to=FLOAT16 if self.half else FLOAT)

    def axis(self, axis: int) -> str:
        """One whole number that is no list of one."""
        import numpy as np

        name = f"integer/{axis}"
        self.constants[name] = np.array(axis, np.int64)
        return name

    def weight(
        self,
        suffix: str,
        shape: tuple[int, ...] | None = None,
        change: "Callable[..., Floats] | None" = None,
        others: tuple[str, ...] = (),
    ) -> str:
        """An array of the layer. Layers that share it name it once."""
        name = f"layer{self.layer}/{self.part}{suffix}" + (f".{change.__name__}" if change else "")
        self.weights[name] = Weight(
            layer=self.layer,
            suffix=self.part + suffix,
            shape=shape,
            change=change,
            others=tuple(self.part + other for other in others),
            half=self.half,
        )
        return name

    def batch_norm(self, x: str, channels: int, *, bias: bool = True) -> str:
        """The layer's ``bn``, of (N, channels, ...); without ``bias`` it has none of its own."""
        if self.half:
            return self._scale(x, channels, bias=bias)
        pjreddie = self.rule == "pjreddie-cpu"
        return self.add(
            "BatchNormalization",
            x,
            self.weight("bn.weight"),
            self.weight("bn.bias") if bias else self.constant("zeros", [0] * channels),
            self.weight("bn.running_mean"),
            self.weight("bn.running_var", change=pjreddie_rule if pjreddie else None),
            name="bn",
            epsilon=0.0 if pjreddie else 1e-5,
        )

    def _scale(self, x: str, channels: int, *, bias: bool) -> str:
        """Batch norm as a factor and a summand, since variances do not fit into float16."""
        pjreddie, shape = self.rule == "pjreddie-cpu", (channels, 1, 1)
        statistics = ("bn.running_var", "bn.weight", *(("bn.bias",) if bias else ()))
        factors = self.weight(
            "bn.running_var", shape, pjreddie_factors if pjreddie else factors_of, ("bn.weight",)
        )
        summands = self.weight(
            "bn.running_mean", shape, pjreddie_summands if pjreddie else summands_of, statistics
        )
        return self.add("Add", self.add("Mul", x, factors, name="bn"), summands, name="bn")

    def reshape(self, x: str, *sides: int) -> str:
        """0 keeps a side, -1 is what remains."""
        return self.add("Reshape", x, sides)

    def slice(self, x: str, axis: int, start: int, stop: int, step: int = 1) -> str:
        """``x[start:stop:step]`` along ``axis``."""
        return self.add("Slice", x, (start,), (stop,), (axis,), (step,))

    def reduce(self, op: str, x: str, *axes: int) -> str:
        """ReduceSum, ReduceMax, ... along ``axes``, which keep a size of 1."""
        if self.opset >= (13 if op == "ReduceSum" else 18):
            return self.add(op, x, axes, keepdims=1)
        return self.add(op, x, axes=list(axes), keepdims=1)

    def enlarge(self, x: str, factor: int) -> str:
        """Each pixel ``factor`` x ``factor`` times."""
        # Of no use here; it may be left out from opset 13 on.
        full = replace(self, half=False)
        region = "" if self.opset >= 13 else full.constant("region", ())
        return self.add(
            "Resize",
            x,
            region,
            full.constant("factors", (1, 1, factor, factor)),
            mode="nearest",
            coordinate_transformation_mode="asymmetric",
            nearest_mode="floor",
        )

    def fold(
        self, x: str, shape: tuple[int, int, int], of: str, times: int = 1, parts: int = 1
    ) -> str:
        """``x`` taken for (N, c, h, w), of which h and w are those of ``of``, ``times / parts``.

        ``shape`` is (c, h, w) for a picture of the network's size.
        """
        if not self.dynamic:
            return self.reshape(x, 0, *shape)
        sides = self.slice(self.add("Shape", of), 0, 2, 4)
        sides = self.add("Div", self.add("Mul", sides, (times,)), (parts,))
        return self.add("Reshape", x, self.add("Concat", (0, shape[0]), sides, axis=0))

    def each(self, x: str, sides: tuple[int, ...], picture: str) -> str:
        """``x`` (1, *sides) for every one of ``picture`` (N, ...): (N, *sides)."""
        if not self.dynamic:
            return x if self.batch == 1 else self.add("Expand", x, (self.batch, *sides))
        count = self.slice(self.add("Shape", picture), 0, 0, 1)
        return self.add("Expand", x, self.add("Concat", count, sides, axis=0))

    def zeros(self, sides: tuple[int, ...], picture: str) -> str:
        """(N, *sides) zeros for ``picture`` (N, ...), whose rows and columns they have if any."""
        import numpy as np

        if not self.dynamic:
            return self.each(self.constant("zeros", np.zeros((1, *sides))), sides, picture)
        shape = self.add("Shape", picture)
        rest = (sides[:1], self.slice(shape, 0, 2, 4)) if len(sides) == 3 else (sides,)
        shape = self.add("Concat", self.slice(shape, 0, 0, 1), *rest, axis=0)
        return self.add("Expand", 0.0, shape)


def pjreddie_rule(variances: "Floats") -> "Floats":
    """Variances with which an epsilon of 0 does what pjreddie's CPU code does: pj blas.c:147."""
    import numpy as np

    deviations = np.sqrt(variances) + np.float32(1e-6)
    squares: Floats = deviations * deviations
    return squares


def factors_of(variances: "Floats", scales: "Floats", epsilon: float = 1e-5) -> "Floats":
    """What batch norm multiplies by."""
    import numpy as np

    factors: Floats = scales / np.sqrt(variances + np.float32(epsilon))
    return factors


def summands_of(
    means: "Floats", variances: "Floats", scales: "Floats", biases: "Floats | float" = 0.0
) -> "Floats":
    """What batch norm adds."""
    summands: Floats = biases - means * factors_of(variances, scales)
    return summands


def pjreddie_factors(variances: "Floats", scales: "Floats") -> "Floats":
    """``factors_of`` by pjreddie's rule."""
    return factors_of(pjreddie_rule(variances), scales, 0.0)


def pjreddie_summands(
    means: "Floats", variances: "Floats", scales: "Floats", biases: "Floats | float" = 0.0
) -> "Floats":
    """``summands_of`` by pjreddie's rule."""
    summands: Floats = biases - means * pjreddie_factors(variances, scales)
    return summands
