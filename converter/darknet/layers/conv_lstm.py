"""AlexeyAB's layers with a memory of pictures: [conv_lstm] and [history]. AB conv_lstm_layer.c."""

from typing import Any, ClassVar

from converter.darknet.dialects import DialectName
from converter.darknet.layers.activation import require_activation
from converter.darknet.layers.base import Graph, Layer, Shape, Tensor, at_least
from converter.darknet.layers.convolutional import Convolutional
from converter.darknet.layers.recurrent import Recurrent
from converter.records import dataclass


@dataclass(frozen=True, kw_only=True)
class ConvLstm(Recurrent):
    """An LSTM of convolutions; with ``peephole`` the gates also see the cell (v*).

    AB conv_lstm_layer.c, parser.c:311. Its CPU code knows no ``lstm_activation`` but tanh, and no
    ``shortcut``.
    """

    type: ClassVar[str] = "conv_lstm"

    output: int = 1
    size: int = 3
    stride: int = 1
    dilation: int = 1
    pad: int = 0
    padding: int = 0
    groups: int = 1
    activation: str = "linear"
    batch_normalize: int = 0
    xnor: int = 0
    peephole: int = 0
    bottleneck: int = 0
    shortcut: int = 0
    lstm_activation: str = "tanh"
    state_constrain: int = -1

    def infer(self, *shapes: Shape) -> Shape:
        """(c, h, w) -> (output, h', w')."""
        require_activation(self.lstm_activation)
        return self._conv().infer(shapes[0].require_image())

    def obstacle(self, shapes: tuple[Shape, ...], dialect: DialectName) -> str | None:
        """What only GPU code does, and a state of another size than the picture."""
        for name in ("bottleneck", "shortcut"):
            if getattr(self, name):
                return f"{name}=1, which only AlexeyAB's GPU code does"
        if self.lstm_activation != "tanh":
            return f"lstm_activation={self.lstm_activation}, which only AlexeyAB's GPU code does"
        out = self.infer(*shapes)
        if (out.h, out.w) != (shapes[0].h, shapes[0].w):
            return f"its state is {out}, and its convolutions expect that of {shapes[0]}"
        return super().obstacle(shapes, dialect)

    def parts(self, shape: Shape, dialect: DialectName) -> dict[str, tuple[Layer, Shape]]:
        """[vf vi vo,] wf [wi wg wo] uf ui ug uo: AB parser.c:2323; wf alone with ``bottleneck``."""
        state = Shape.image(self.output, shape.h, shape.w)
        double = Shape.image(2 * self.output, shape.h, shape.w)
        inside = ["wf"] if self.bottleneck else ["wf", "wi", "wg", "wo"]
        peep = ["vf", "vi", "vo"] if self.peephole else []
        return {
            **{name: (self._conv(), state) for name in peep},
            **{name: (self._conv(), double if self.bottleneck else state) for name in inside},
            **{name: (self._conv(), shape) for name in ("uf", "ui", "ug", "uo")},
        }

    def _conv(self) -> Convolutional:
        return Convolutional(
            filters=self.output, size=self.size, stride=self.stride, dilation=self.dilation,
            pad=self.pad, padding=self.padding, groups=self.groups, activation=self.activation,
            batch_normalize=self.batch_normalize, xnor=self.xnor,
        )  # fmt: skip

    def forward(self, m: Any, *inputs: Tensor) -> Tensor:
        """(T * N, c, h, w) -> (T * N, output, h, w): AB conv_lstm_layer.c:639."""
        x = inputs[0]
        conv = self._conv()
        limit = self.time_steps * 32 if self.state_constrain == -1 else self.state_constrain

        def gate(name: str, now: Tensor, h: Tensor, c: Tensor) -> Tensor:
            total = conv.forward(getattr(m, f"w{name}"), h)
            total = total + conv.forward(getattr(m, f"u{name}"), now)
            if self.peephole and name != "g":
                total = total + conv.forward(getattr(m, f"v{name}"), c)
            return total

        def step(now: Tensor, state: tuple[Tensor, Tensor]) -> tuple[Tensor, tuple[Tensor, Tensor]]:
            h, c = state
            f, i, g = (gate(name, now, h, c) for name in "fig")
            c = f.sigmoid() * c + i.sigmoid() * g.tanh()
            h = gate("o", now, h, c).sigmoid() * c.tanh()
            return h, (h, c.clamp(-limit, limit) if limit else c)

        blank = self.blank(x, self.output, *x.shape[2:])
        return self.over_steps(x, (blank, blank), step)

    def onnx(self, g: Graph, shapes: tuple[Shape, ...], *inputs: str) -> str:
        """(N, c, h, w) -> (N, output, h, w)."""
        run = self.parts_onnx(g, shapes)
        out = self.infer(*shapes)
        state = g.zeros((out.c, out.h, out.w), inputs[0])

        def gate(name: str, cell: str, activation: str) -> str:
            total = g.add("Add", run(f"w{name}", state), run(f"u{name}", inputs[0]))
            if self.peephole and name != "g":
                total = g.add("Add", total, run(f"v{name}", cell))
            return g.add(activation, total)

        cell = g.add("Mul", gate("i", state, "Sigmoid"), gate("g", state, "Tanh"))
        return g.add("Mul", gate("o", cell, "Sigmoid"), g.add("Tanh", cell))


@dataclass(frozen=True, kw_only=True)
class History(Recurrent):
    """The last ``history_size`` pictures of a sequence as channels, the newest first.

    Pictures from before the first are zeros: AB conv_lstm_layer.c:288.
    """

    type: ClassVar[str] = "history"

    history_size: int = 4

    def infer(self, *shapes: Shape) -> Shape:
        """(c, h, w) -> (c * history_size, h, w)."""
        shape = shapes[0].require_image()
        at_least(1, history_size=self.history_size)
        return Shape.image(shape.c * self.history_size, shape.h, shape.w)

    def parts(self, shape: Shape, dialect: DialectName) -> dict[str, tuple[Layer, Shape]]:
        """It has no weights."""
        return {}

    def forward(self, m: Any, *inputs: Tensor) -> Tensor:
        """(T * N, c, h, w) -> (T * N, c * history_size, h, w)."""
        import torch

        x = inputs[0]

        def step(now: Tensor, past: Tensor) -> tuple[Tensor, Tensor]:
            seen = torch.cat([now, past], 1)[:, : past.shape[1]]
            return seen, seen

        blank = self.blank(x, x.shape[1] * self.history_size, *x.shape[2:])
        return self.over_steps(x, blank, step)

    def onnx(self, g: Graph, shapes: tuple[Shape, ...], *inputs: str) -> str:
        """(N, c, h, w) -> (N, c * history_size, h, w); there was no picture before."""
        self.parts_onnx(g, shapes)
        shape, before = shapes[0], self.history_size - 1
        if not before:
            return inputs[0]
        past = g.zeros((shape.c * before, shape.h, shape.w), inputs[0])
        return g.add("Concat", inputs[0], past, axis=1)
