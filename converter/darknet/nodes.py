"""Layers in their places: which of them feed each, and the shapes of what passes between them."""

from collections.abc import Sequence
from dataclasses import field
from typing import ClassVar

from converter.darknet.cfg import Section
from converter.darknet.dialects import DialectName
from converter.darknet.layers import Layer, Misfit, Shape
from converter.darknet.layers.base import MAX_VALUES
from converter.records import dataclass

MAX_LINKS = 100_000  # from layers to those that feed them; official cfgs have hundreds


@dataclass(frozen=True, kw_only=True)
class Net(Layer):
    """The [net] section: the picture's size. Darknet's defaults are in pj parser.c:700-721."""

    type: ClassVar[str] = "net"

    height: int = 0
    width: int = 0
    channels: int = 0
    inputs: int = 0
    time_steps: int = 1
    # How an input is made of a picture: the network is the same.
    letter_box: int = field(default=0, metadata={"network": False})

    def infer(self, *_: Shape) -> Shape:
        """The network's input: an image, or ``inputs`` values."""
        if self.height or self.width or self.channels:
            return Shape.image(self.channels, self.height, self.width)
        if self.inputs < 1:
            raise Misfit("has no width=, height= and channels=")
        return Shape(self.inputs)


@dataclass(frozen=True, kw_only=True)
class Node:
    """A layer in its place: ``index`` counts from the first section after [net].

    ``sources`` are indices of the layers that feed it (-1 is the picture), ``inputs`` their shapes.
    """

    index: int
    layer: Layer
    sources: tuple[int, ...]
    inputs: tuple[Shape, ...]
    output: Shape

    @property
    def place(self) -> str:
        """Where it stands, for messages."""
        return place_of(self.index, self.layer)

    @property
    def map_index(self) -> int:
        """The layer whose output is the network's here: the raw map of a head, or its own."""
        return self.sources[0] if self.layer.is_head else self.index

    def layout(self, dialect: DialectName) -> list[tuple[str, tuple[int, ...]]]:
        """Suffix and shape of its arrays, in the order in which ``dialect``'s engine has them."""
        return [(array.suffix, array.shape) for array in self.layer.arrays(self.inputs, dialect)]


def place_of(index: int, part: Layer | Section) -> str:
    """Where a layer stands, or its section in a cfg, for messages; a line of 0 is none."""
    line = f", line {part.line}" if part.line else ""
    return f"layer {index} [{part.type}]{line}"


def resolve(nodes: list[Node], net: Net, layers: Sequence[Layer]) -> None:
    """Append each of ``layers`` in its place to ``nodes``, which is empty.

    Raises:
        Misfit: the first that is missing in ``nodes`` does not fit.
    """
    picture = net.infer()
    links = 0
    for index, layer in enumerate(layers):
        layer = layer.over(net.time_steps)
        sources = layer.sources(index)
        layer.owner(index)  # refuses one that is not before it
        links += len(sources)
        if links > MAX_LINKS:
            raise Misfit(f"is the one with which layers name more than {MAX_LINKS:,} others")
        inputs = tuple(nodes[i].output if i >= 0 else picture for i in sources)
        output = layer.infer(*inputs)
        if output.outputs > MAX_VALUES:
            raise Misfit(f"its output has more than {MAX_VALUES:,} values")
        nodes.append(Node(index=index, layer=layer, sources=sources, inputs=inputs, output=output))
