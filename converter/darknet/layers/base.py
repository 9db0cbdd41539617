"""What every layer type has in common: options from a section, shapes, arrays on disk."""

import typing
from collections.abc import Callable, Iterator, Mapping
from dataclasses import field, fields, replace
from typing import Any, ClassVar, Literal, Self, TypeAlias

from converter.darknet.cfg import Option, Section
from converter.darknet.dialects import DialectName
from converter.darknet.remark import Remark
from converter.records import dataclass

if typing.TYPE_CHECKING:
    import torch
    from torch import nn

    from converter.darknet.layers import graph

# For annotations, which load neither PyTorch nor what draws graphs.
Tensor: TypeAlias = "torch.Tensor"
Modules: TypeAlias = "dict[str, nn.Module | nn.Parameter]"
Graph: TypeAlias = "graph.Graph"

# The arrays of batch norm beside its biases, in file order, and what they are called in PyTorch.
NORM = {
    "scales": "bn.weight",
    "rolling_mean": "bn.running_mean",
    "rolling_variance": "bn.running_var",
}

# A layer has at most this many values: Darknet counts in 32-bit ints and so wraps beyond it.
MAX_VALUES = 2**31 - 1


Stored: TypeAlias = Literal["as is", "transposed", "connected"]


@dataclass(frozen=True, slots=True)
class Shape:
    """A layer's output for one picture: ``outputs`` values, as ``c`` x ``h`` x ``w`` if an image.

    Darknet keeps both (``outputs`` beside ``out_c, out_h, out_w``); after a softmax or a route of
    unequal maps only the count is known, and c, h and w are 0.
    """

    outputs: int
    c: int = 0
    h: int = 0
    w: int = 0

    @classmethod
    def image(cls, c: int, h: int, w: int) -> Self:
        """An image of ``c`` channels, ``h`` rows and ``w`` columns."""
        if min(c, h, w) < 1:
            raise Misfit(f"leaves nothing: its output would be {c} x {h} x {w}")
        if c * h * w > MAX_VALUES:
            raise Misfit(f"its output {c} x {h} x {w} has more than {MAX_VALUES:,} values")
        return cls(c * h * w, c, h, w)

    @property
    def is_image(self) -> bool:
        """Whether c, h and w are known."""
        return self.c > 0

    def require_image(self) -> Self:
        """This shape, which must be an image, as most layers demand.

        Raises:
            Misfit: it is not.
        """
        if not self.is_image:
            raise Misfit(f"needs an image, and gets {self.outputs} values without height and width")
        return self

    @property
    def sides(self) -> tuple[int, ...]:
        """Of a tensor for one picture: (c, h, w), or (outputs,) where they are not known."""
        return (self.c, self.h, self.w) if self.is_image else (self.outputs,)

    def __str__(self) -> str:
        return " x ".join(map(str, self.sides))


class Misfit(ValueError):  # noqa: N818 - it is no error of the program
    """A layer cannot work on its input. The network adds the layer's place."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Array:
    """One float32 array of a layer in a .weights file.

    Attributes:
        kind: Darknet's name for it (``biases``, ``scales``, ``rolling_mean``, ...).
        suffix: its name in the layer's PyTorch module (``bn.bias``).
        shape: its shape there.
        stored: how the disk holds it: in that order; ``transposed`` (as a matrix of ``shape[0]``
            rows); or ``connected``: transposed if the file's header says so.
        on_disk: False where ``dontload`` or ``dontloadscales`` keep Darknet from reading it.
    """

    kind: str
    suffix: str
    shape: tuple[int, ...]
    stored: Stored = "as is"
    on_disk: bool = True


@dataclass(frozen=True, kw_only=True)
class Layer:
    """A section of a cfg: its options as typed fields, with Darknet's defaults.

    A subclass is one section type, all its faces together: which options it has (its fields), where
    its input comes from, its output shape, its arrays in file order, its PyTorch module and its
    ONNX nodes.
    """

    type: ClassVar[str]
    is_head: ClassVar[bool] = False  # whether its input is a raw map of the network
    has_output: ClassVar[bool] = True  # whether it leaves values behind at inference
    is_flat: ClassVar[bool] = False  # whether AB leaves its l.h and l.w at 0 or 1
    left_out: ClassVar[tuple[str, ...]] = ()  # options that ``signature`` does not have

    line: int = field(default=0, compare=False)
    # Options of every layer: pj parser.c:845-847, AB parser.c:1648.
    dontload: int = 0
    dontloadscales: int = 0
    numload: int = 0

    @classmethod
    def from_section(cls, section: Section) -> Self:
        """The layer that ``section`` describes; keys that no layer has are left alone.

        Raises:
            CfgError: a value that its option cannot have.
        """
        values: dict[str, Any] = {"line": section.line}
        for name, convert in converters(cls).items():
            option = section.find(name.rstrip("_"))
            if option is not None:
                values[name] = convert(option)
        return cls(**values)

    def remarks(self, section: Section) -> Iterator[Remark]:
        """What is unusual in its options, which ``section`` holds and the engines take."""
        for option in section.options:
            if option.has_gap and section.find(option.key) is option:
                value = getattr(self, option.key, None) or getattr(self, option.key + "_", None)
                if isinstance(value, tuple):
                    yield option.remark("has an empty item, which the engines read as 0")

    def sources(self, index: int) -> tuple[int, ...]:
        """Indices of the layers that feed layer ``index``; -1 is the picture."""
        return (index - 1,)

    def infer(self, *shapes: Shape) -> Shape:
        """The output's shape.

        Raises:
            Misfit: this layer cannot work on such an input.
        """
        return shapes[0]

    def arrays(self, shapes: tuple[Shape, ...], dialect: DialectName) -> Iterator[Array]:
        """The arrays of this layer, in the order in which ``dialect`` writes them."""
        yield from ()

    def array(self, kind: str, suffix: str, *shape: int, stored: Stored = "as is") -> Array:
        """One of its arrays, which the file has unless ``dontload``."""
        load = not self.dontload
        return Array(kind=kind, suffix=suffix, shape=shape, stored=stored, on_disk=load)

    def norm_arrays(self, count: int) -> Iterator[Array]:
        """Those of batch norm but for the biases, which the file has unless ``dontloadscales``."""
        for kind, suffix in NORM.items():
            array = self.array(kind, suffix, count)
            yield replace(array, on_disk=False) if self.dontloadscales else array

    def signature(self) -> dict[str, Any]:
        """What this layer computes, as comparable facts: equal for two ways to write the same."""
        counting = (f for f in fields(self) if f.compare and f.metadata.get("network", True))
        return {f.name: getattr(self, f.name) for f in counting if f.name not in self.left_out}

    def refusal(self, shapes: tuple[Shape, ...], dialect: DialectName) -> str | None:
        """Why ``dialect``'s engine does not load this layer, each of whose options it reads."""
        return None

    def obstacle(self, shapes: tuple[Shape, ...], dialect: DialectName) -> str | None:
        """Why this layer cannot run exactly in PyTorch; None if it can."""
        return None

    def multiply_adds(self, shapes: tuple[Shape, ...], dialect: DialectName) -> int:
        """Multiply-adds of its convolutions and matrices, for one picture and one step.

        Only these are counted, as darknet does: biases, batch norm, activations and pooling are a
        percent or less. Darknet prints twice as many as BFLOPs (a multiplication and an addition
        each): pj convolutional_layer.c:325, AB convolutional_layer.c:780.
        """
        return 0

    def over(self, time_steps: int) -> "Layer":
        """This layer in a network that reads sequences of so many steps."""
        return self

    def owner(self, index: int) -> int:
        """The layer whose arrays layer ``index`` computes with: itself, unless it shares."""
        return index

    def parameters(
        self, shapes: tuple[Shape, ...], dialect: DialectName, value: float = 0.0
    ) -> Modules:
        """A parameter for each of its arrays, filled with ``value``."""
        import torch
        from torch import nn

        return {
            array.suffix: nn.Parameter(torch.full(array.shape, value))
            for array in self.arrays(shapes, dialect)
        }

    def modules(self, shapes: tuple[Shape, ...], dialect: DialectName) -> Modules:
        """The PyTorch modules and parameters that hold this layer's arrays, by attribute name."""
        return {}

    def forward(self, m: Any, *inputs: Tensor) -> Tensor:
        """This layer's output.

        ``m`` has what ``modules()`` returned as attributes, and ``dialect``. For a single picture
        the inputs and the output have the shapes of ``infer``, preceded by the batch.
        """
        raise NotImplementedError

    def onnx(self, g: Graph, shapes: tuple[Shape, ...], *inputs: str) -> str:
        """The same as nodes of ``g``; the name of the output.

        ``inputs`` are the names of tensors of ``shapes``, preceded by the batch.
        """
        raise NotImplementedError


@dataclass(frozen=True, kw_only=True)
class Composite(Layer):
    """A layer that is made of others, each with a part of its arrays."""

    def parts(self, shape: Shape, dialect: DialectName) -> "dict[str, tuple[Layer, Shape]]":
        """The layers inside with their input shapes, by attribute name, in file order."""
        raise NotImplementedError

    def arrays(self, shapes: tuple[Shape, ...], dialect: DialectName) -> Iterator[Array]:
        """The arrays of each part in turn; ``dontload`` skips them all."""
        for name, (part, shape) in self.parts(shapes[0], dialect).items():
            for array in part.arrays((shape,), dialect):
                yield replace(
                    array,
                    kind=f"{name} {array.kind}",
                    suffix=f"{name}.{array.suffix}",
                    on_disk=not self.dontload,
                )

    def obstacle(self, shapes: tuple[Shape, ...], dialect: DialectName) -> str | None:
        """The first obstacle of a part."""
        parts = self.parts(shapes[0], dialect).values()
        return next(filter(None, (part.obstacle((shape,), dialect) for part, shape in parts)), None)

    def multiply_adds(self, shapes: tuple[Shape, ...], dialect: DialectName) -> int:
        """Those of its parts."""
        parts = self.parts(shapes[0], dialect).values()
        return sum(part.multiply_adds((shape,), dialect) for part, shape in parts)

    def modules(self, shapes: tuple[Shape, ...], dialect: DialectName) -> Modules:
        """A container for each part."""
        return {
            name: container(part.modules((shape,), dialect), dialect)
            for name, (part, shape) in self.parts(shapes[0], dialect).items()
        }


def container(modules: Modules, dialect: DialectName) -> "nn.Module":
    """A module with ``modules`` and ``dialect`` as attributes: the ``m`` of ``Layer.forward``."""
    from torch import nn

    m = nn.Module()
    for name, module in modules.items():
        setattr(m, name, module)
    m.dialect = dialect  # type: ignore[assignment]
    return m


def converters(cls: type[Layer]) -> Mapping[str, Callable[[Option], Any]]:
    """How each option of a layer is read: field name -> function."""
    if cls not in _CONVERTERS:
        options = (f for f in fields(cls) if f.metadata.get("option", f.name != "line"))
        _CONVERTERS[cls] = {f.name: _BY_TYPE[f.type] for f in options}
    return _CONVERTERS[cls]


_CONVERTERS: dict[type[Layer], Mapping[str, Callable[[Option], Any]]] = {}
_BY_TYPE: dict[Any, Callable[[Option], Any]] = {
    int: Option.integer,
    float: Option.number,
    str: lambda option: option.text,
    tuple[int, ...]: Option.integers,
    tuple[float, ...]: Option.numbers,
}


def at_least(minimum: int, **options: int) -> None:
    """Refuse options below ``minimum``.

    Raises:
        Misfit: naming the option.
    """
    for name, value in options.items():
        if value < minimum:
            raise Misfit(f"{name.rstrip('_')}={value} must be at least {minimum}")


def absolute(index: int, reference: int) -> int:
    """A layer index as ``route`` and ``shortcut`` write it, counted from the first layer.

    Negative is relative to the layer itself (pj parser.c:542, 617).

    Raises:
        Misfit: it names no earlier layer.
    """
    target = index + reference if reference < 0 else reference
    if not 0 <= target < index:
        raise Misfit(f"refers to layer {target}, which is not before it")
    return target
