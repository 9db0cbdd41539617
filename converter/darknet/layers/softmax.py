"""[softmax]: pj softmax_layer.c."""

from typing import Any, ClassVar

from converter.darknet.dialects import DialectName
from converter.darknet.layers import tree
from converter.darknet.layers.base import Graph, Layer, Misfit, Shape, Tensor
from converter.records import dataclass


@dataclass(frozen=True, kw_only=True)
class Softmax(Layer):
    """Softmax over ``groups`` equal parts of all values: pj softmax_layer.c:39, blas.c:305.

    With ``tree`` the parts are its groups of siblings. ``spatial`` changes nothing, as on the CPU
    in pj and AB; pj's GPU code for it (softmax_layer.c:84) starts one channel further each time.
    """

    type: ClassVar[str] = "softmax"

    groups: int = 1
    temperature: float = 1.0
    tree: str = ""

    def infer(self, *shapes: Shape) -> Shape:
        """Only the count survives: pj softmax_layer.c:11 sets no out_c, out_h, out_w."""
        if self.groups < 1 or shapes[0].outputs % self.groups:
            raise Misfit(f"groups={self.groups} does not divide its {shapes[0].outputs} values")
        if self.temperature == 0:
            raise Misfit("temperature=0 is a division by zero")
        return Shape(shapes[0].outputs)

    def obstacle(self, shapes: tuple[Shape, ...], dialect: DialectName) -> str | None:
        """A tree that is not there, or of another number of classes."""
        return tree.obstacle(self.tree, shapes[0].outputs) if self.tree else None

    def forward(self, m: Any, *inputs: Tensor) -> Tensor:
        """(N, ...) -> (N, outputs)."""
        x = inputs[0].flatten(1) / self.temperature
        if self.tree:
            return tree.softmax(x, tree.group_sizes(self.tree), 1)
        return x.reshape(x.shape[0], self.groups, -1).softmax(2).flatten(1)

    def onnx(self, g: Graph, shapes: tuple[Shape, ...], *inputs: str) -> str:
        """(N, ...) -> (N, outputs)."""
        x = g.add("Flatten", inputs[0], axis=1)
        if self.temperature != 1.0:
            x = g.add("Div", x, self.temperature)
        if self.tree:
            return tree.softmax_onnx(g, x, tree.group_sizes(self.tree), 1)
        if self.groups == 1:
            return g.add("Softmax", x, axis=1)
        x = g.add("Softmax", g.reshape(x, 0, self.groups, -1), axis=2)
        return g.add("Flatten", x, axis=1)
