"""Layers with a memory: [rnn], [crnn], [gru], [lstm]. pj and AB {rnn,crnn,gru,lstm}_layer.c.

Darknet lays the steps of a sequence out as a batch, step after step: with ``time_steps=T`` in
[net], N pictures are T steps of N / T sequences. Every call starts from a zero state; Darknet goes
on from the last call's.
"""

import typing
from collections.abc import Callable
from dataclasses import field, replace
from typing import Any, ClassVar, Self, TypeVar

from converter.darknet.dialects import DIALECTS, DialectName
from converter.darknet.layers.activation import activate, activate_onnx, require_activation
from converter.darknet.layers.base import Composite, Graph, Layer, Misfit, Shape, Tensor, at_least
from converter.darknet.layers.connected import Connected
from converter.darknet.layers.convolutional import Convolutional
from converter.records import dataclass

State = TypeVar("State")


@dataclass(frozen=True, kw_only=True)
class Recurrent(Composite):
    """A layer that runs over the steps of a sequence."""

    # Not an option of the section: the network sets it to that of [net].
    time_steps: int = field(default=1, metadata={"option": False})

    def over(self, time_steps: int) -> Self:
        """The same, for sequences of so many steps."""
        return replace(self, time_steps=time_steps)

    def blank(self, x: Tensor, *sides: int) -> Tensor:
        """(N, *sides) zeros, the state before the first step of ``x`` (T * N, ...)."""
        return x.new_zeros(x.shape[0] // self.time_steps, *sides)

    def over_steps(
        self, x: Tensor, state: State, step: Callable[[Tensor, State], tuple[Tensor, State]]
    ) -> Tensor:
        """``step(input, state) -> (output, state)`` for each step of ``x`` (T * N, ...)."""
        import torch

        if x.shape[0] % self.time_steps:
            raise Misfit(f"{x.shape[0]} pictures are no sequences of {self.time_steps} steps")
        outputs = []
        for now in x.chunk(self.time_steps):
            output, state = step(now, state)
            outputs.append(output)
        return torch.cat(outputs) if len(outputs) > 1 else outputs[0]

    def parts_onnx(self, g: Graph, shapes: tuple[Shape, ...]) -> Callable[[str, str], str]:
        """``run(part, x)``, which adds a part's nodes.

        A graph is for single steps: each begins from a state of zeros, so what a gate multiplies
        with that state is left out.

        Raises:
            Misfit: the network reads sequences.
        """
        if self.time_steps > 1:
            raise Misfit(f"single pictures are no sequences of {self.time_steps} steps")
        parts = self.parts(shapes[0], g.dialect)

        def run(name: str, x: str) -> str:
            layer, shape = parts[name]
            return layer.onnx(g.inside(name), (shape,), x)

        return run


class _Elman(Recurrent):
    """state = input_layer(x) + self_layer(state); output = output_layer(state)."""

    shortcut: int

    def forward(self, m: Any, *inputs: Tensor) -> Tensor:
        """(T * N, ...) -> (T * N, output, ...): pj rnn_layer.c:89, crnn_layer.c:91."""
        x = inputs[0]
        shape = Shape.image(*x.shape[1:]) if x.dim() == 4 else Shape(x.shape[1])
        (first, _), (again, hidden), (last, _) = self.parts(shape, m.dialect).values()
        sides = (hidden.c, hidden.h, hidden.w) if hidden.is_image else (hidden.outputs, 1, 1)

        def step(now: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
            new = first.forward(m.input_layer, now) + again.forward(m.self_layer, state)
            if self.shortcut:
                new = new + state
            return last.forward(m.output_layer, new), new

        return self.over_steps(x, self.blank(x, *sides), step)

    def onnx(self, g: Graph, shapes: tuple[Shape, ...], *inputs: str) -> str:
        """(N, ...) -> (N, output, ...)."""
        run = self.parts_onnx(g, shapes)
        state = g.zeros(self.parts(shapes[0], g.dialect)["self_layer"][1].sides, inputs[0])
        new = g.add("Add", run("input_layer", inputs[0]), run("self_layer", state))
        return run("output_layer", new)


@dataclass(frozen=True, kw_only=True)
class Rnn(_Elman):
    """A plain recurrent layer. pj knows no ``hidden`` size: it has that of the output."""

    type: ClassVar[str] = "rnn"
    is_flat: ClassVar[bool] = True  # AB rnn_layer.c:39

    output: int = 1
    hidden: int = 1
    activation: str = "logistic"
    batch_normalize: int = 0
    shortcut: int = 0
    logistic: int = 0

    def infer(self, *shapes: Shape) -> Shape:
        """Any shape -> (output, 1, 1): AB rnn_layer.c:39."""
        at_least(1, output=self.output, hidden=self.hidden)
        require_activation(self.activation)
        return Shape.image(self.output, 1, 1)

    def parts(self, shape: Shape, dialect: DialectName) -> dict[str, tuple[Layer, Shape]]:
        """input, self and output layer: pj parser.c:1263, AB :2300."""
        implied = DIALECTS[dialect].implied.get(self.type, {})
        hidden = self.output if "hidden" in implied else self.hidden
        own = {1: "logistic", 2: "loggy"}.get(self.logistic, self.activation)  # AB rnn_layer.c:53

        def part(output: int, activation: str) -> Connected:
            return Connected(
                output=output, activation=activation, batch_normalize=self.batch_normalize
            )

        return {
            "input_layer": (part(hidden, self.activation), shape),
            "self_layer": (part(hidden, own), Shape(hidden)),
            "output_layer": (part(self.output, self.activation), Shape(hidden)),
        }


@dataclass(frozen=True, kw_only=True)
class Crnn(_Elman):
    """A recurrent layer of convolutions, which keep the picture's size.

    pj calls its sizes ``output_filters`` and ``hidden_filters``, its kernels are 3x3: parser.c:209.
    """

    type: ClassVar[str] = "crnn"

    output: int = 0
    hidden: int = 0
    output_filters: int = 0
    hidden_filters: int = 0
    size: int = 3
    stride: int = 1
    dilation: int = 1
    pad: int = 0
    padding: int = 0
    groups: int = 1
    activation: str = "logistic"
    batch_normalize: int = 0
    shortcut: int = 0
    xnor: int = 0

    @property
    def is_alexeyab(self) -> bool:
        """Whether it is written with AlexeyAB's names, which also leave the kernel open."""
        return bool(self.output or self.hidden)

    @property
    def filters(self) -> tuple[int, int]:
        """Filters of the hidden state and of the output."""
        if self.is_alexeyab:
            return self.hidden or 1, self.output or 1
        return self.hidden_filters or 1, self.output_filters or 1

    def infer(self, *shapes: Shape) -> Shape:
        """(c, h, w) -> (output, h, w); AB demands that size: the asserts of crnn_layer.c:72."""
        shape = shapes[0].require_image()
        pj = (self.hidden_filters, self.output_filters)
        if self.is_alexeyab and any(pj) and pj != self.filters:
            raise Misfit(
                "has other sizes in output=, hidden= than in output_filters=, hidden_filters="
            )
        hidden, output = self.filters
        inner = self._conv(hidden).infer(shape)
        if (inner.h, inner.w) != (shape.h, shape.w):
            raise Misfit(
                f"its convolutions make {inner} of {shape}, and must keep height and width"
            )
        self._conv(hidden).infer(inner)
        return self._conv(output).infer(inner)

    def refusal(self, shapes: tuple[Shape, ...], dialect: DialectName) -> str | None:
        """Pj's names where they are not read: without padding AB's assertion fails."""
        if self.is_alexeyab or DIALECTS[dialect].kind(self.type, "output_filters"):
            return None
        return "without output= and hidden= its convolutions have no padding, and lose the border"

    def parts(self, shape: Shape, dialect: DialectName) -> dict[str, tuple[Layer, Shape]]:
        """input, self and output layer: pj parser.c:1258, AB :2295."""
        hidden, output = self.filters
        state = Shape.image(hidden, shape.h, shape.w)
        return {
            "input_layer": (self._conv(hidden), shape),
            "self_layer": (self._conv(hidden), state),
            "output_layer": (self._conv(output), state),
        }

    def _conv(self, filters: int) -> Convolutional:
        if not self.is_alexeyab:
            return Convolutional(
                filters=filters, size=3, pad=1, activation=self.activation,
                batch_normalize=self.batch_normalize,
            )  # fmt: skip
        return Convolutional(
            filters=filters, size=self.size, stride=self.stride, dilation=self.dilation,
            pad=self.pad, padding=self.padding, groups=self.groups, activation=self.activation,
            batch_normalize=self.batch_normalize, xnor=self.xnor,
        )  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Gru(Recurrent):
    """A gated recurrent unit; the new values are logistic, or tanh with ``tanh``."""

    type: ClassVar[str] = "gru"
    is_flat: ClassVar[bool] = True  # AB gru_layer.c:33

    output: int = 1
    batch_normalize: int = 0
    tanh: int = 0

    def infer(self, *shapes: Shape) -> Shape:
        """Any shape -> output values: pj and AB set no out_c, out_h, out_w."""
        at_least(1, output=self.output)
        return Shape(self.output)

    def parts(self, shape: Shape, dialect: DialectName) -> dict[str, tuple[Layer, Shape]]:
        """pj: those of the state first (parser.c:1278); AB: those of the input (parser.c:2305)."""
        layer = Connected(
            output=self.output, activation="linear", batch_normalize=self.batch_normalize
        )
        inputs = {f"input_{gate}": (layer, shape) for gate in "zrh"}
        states = {f"state_{gate}": (layer, Shape(self.output)) for gate in "zrh"}
        first = DIALECTS[dialect].gru_states_first
        return {**states, **inputs} if first else {**inputs, **states}

    def forward(self, m: Any, *inputs: Tensor) -> Tensor:
        """(T * N, ...) -> (T * N, output): pj gru_layer.c:128."""
        x = inputs[0].flatten(1)

        def step(now: Tensor, h: Tensor) -> tuple[Tensor, Tensor]:
            z = (_linear(m.input_z, now) + _linear(m.state_z, h)).sigmoid()
            r = (_linear(m.input_r, now) + _linear(m.state_r, h)).sigmoid()
            new = _linear(m.input_h, now) + _linear(m.state_h, r * h)
            h = z * h + (1 - z) * activate("tanh" if self.tanh else "logistic", new)
            return h, h

        return self.over_steps(x, self.blank(x, self.output), step)

    def onnx(self, g: Graph, shapes: tuple[Shape, ...], *inputs: str) -> str:
        """(N, ...) -> (N, output)."""
        run = self.parts_onnx(g, shapes)
        state = g.zeros((self.output,), inputs[0])

        def gate(name: str) -> str:
            return g.add("Add", run(f"input_{name}", inputs[0]), run(f"state_{name}", state))

        forget = g.add("Sub", 1.0, g.add("Sigmoid", gate("z")))
        new = activate_onnx(g, "tanh" if self.tanh else "logistic", gate("h"))
        return g.add("Flatten", g.add("Mul", forget, new), axis=1)


@dataclass(frozen=True, kw_only=True)
class Lstm(Recurrent):
    """A long short-term memory: w* see the state, u* the input; gates f, i, o and new values g."""

    type: ClassVar[str] = "lstm"
    is_flat: ClassVar[bool] = True  # AB lstm_layer.c:33

    output: int = 1
    batch_normalize: int = 0

    def infer(self, *shapes: Shape) -> Shape:
        """Any shape -> (output, 1, 1)."""
        at_least(1, output=self.output)
        return Shape.image(self.output, 1, 1)

    def parts(self, shape: Shape, dialect: DialectName) -> dict[str, tuple[Layer, Shape]]:
        """pj: i f o g (parser.c:1268); AB: f i g o (parser.c:2313)."""
        layer = Connected(
            output=self.output, activation="linear", batch_normalize=self.batch_normalize
        )
        gates = DIALECTS[dialect].lstm_gates
        return {
            **{f"w{gate}": (layer, Shape(self.output)) for gate in gates},
            **{f"u{gate}": (layer, shape) for gate in gates},
        }

    def forward(self, m: Any, *inputs: Tensor) -> Tensor:
        """(T * N, ...) -> (T * N, output, 1, 1): pj lstm_layer.c:156."""
        x = inputs[0].flatten(1)

        def step(now: Tensor, state: tuple[Tensor, Tensor]) -> tuple[Tensor, tuple[Tensor, Tensor]]:
            h, c = state
            f, i, g, o = (
                _linear(getattr(m, f"w{gate}"), h) + _linear(getattr(m, f"u{gate}"), now)
                for gate in "figo"
            )
            c = f.sigmoid() * c + i.sigmoid() * g.tanh()
            h = o.sigmoid() * c.tanh()
            return h, (h, c)

        blank = self.blank(x, self.output)
        return self.over_steps(x, (blank, blank), step)[:, :, None, None]

    def onnx(self, g: Graph, shapes: tuple[Shape, ...], *inputs: str) -> str:
        """(N, ...) -> (N, output, 1, 1)."""
        run = self.parts_onnx(g, shapes)
        state = g.zeros((self.output,), inputs[0])

        def gate(name: str, activation: str) -> str:
            total = g.add("Add", run(f"w{name}", state), run(f"u{name}", inputs[0]))
            return g.add(activation, total)

        cell = g.add("Mul", gate("i", "Sigmoid"), gate("g", "Tanh"))
        return g.add("Mul", gate("o", "Sigmoid"), g.add("Tanh", cell))


def _linear(m: Any, x: Tensor) -> Tensor:
    """The part's connected layer with activation linear: (N, inputs) -> (N, outputs)."""
    x = m.fc(x)
    return typing.cast(Tensor, m.bn(x) if hasattr(m, "bn") else x)
