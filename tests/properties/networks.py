"""Random valid networks, with shapes and float counts by the tests' own arithmetic.

Nothing here imports ``converter``; the rules are those of the C sources (pj parser.c,
convolutional_layer.c:40, maxpool_layer.c:30).
"""

from dataclasses import dataclass, field

from hypothesis import strategies as st

ACTIVATIONS = ("linear", "leaky", "relu", "logistic", "tanh")
ALIASES = {"convolutional": "conv", "maxpool": "max", "avgpool": "avg", "connected": "conn",
           "softmax": "soft"}  # fmt: skip


@dataclass
class Layer:
    """One section: its options, the layers that it reads, and what comes out.

    ``shape`` is (c, h, w); after a softmax or connected layer h and w are 1.
    """

    type: str
    shape: tuple[int, int, int]
    sources: tuple[int, ...]
    options: dict[str, object] = field(default_factory=dict)
    arrays: list[tuple[str, tuple[int, ...]]] = field(default_factory=list)

    @property
    def flat(self) -> bool:
        """Whether Darknet forgets height and width."""
        return self.type == "softmax"


@dataclass
class Net:
    """A network on a picture of ``picture`` (c, h, w)."""

    picture: tuple[int, int, int]
    layers: list[Layer]
    style: int

    def shape(self, index: int) -> tuple[int, int, int]:
        """What layer ``index`` makes; -1 is the picture."""
        return self.picture if index < 0 else self.layers[index].shape

    @property
    def floats(self) -> int:
        """Values in its .weights file."""
        return sum(count(shape) for layer in self.layers for _, shape in layer.arrays)

    @property
    def text(self) -> str:
        """As a cfg, in one of several legal styles."""
        c, h, w = self.picture
        lines = ["[net]" if self.style & 1 else "# a comment\n\n[network]",
                 f"channels={c}", f"height={h}", f"width={w}"]  # fmt: skip
        for layer in self.layers:
            name = ALIASES.get(layer.type, layer.type) if self.style & 2 else layer.type
            lines.append(f"[{name}]")
            equals = " = " if self.style & 4 else "="
            lines += [f"{key}{equals}{value}" for key, value in layer.options.items()]
            if self.style & 8:
                lines += [f"{key}=99  # not the first" for key in layer.options]
        end = "\r\n" if self.style & 16 else "\n"
        return end.join(lines) + ("" if self.style & 32 else end)


def count(shape: tuple[int, ...]) -> int:
    total = 1
    for size in shape:
        total *= size
    return total


@st.composite
def networks(draw) -> Net:
    """Up to eight layers on a small picture."""
    picture = draw(st.tuples(st.integers(1, 4), st.integers(4, 9), st.integers(4, 9)))
    net = Net(picture, [], draw(st.integers(0, 63)))
    for _ in range(draw(st.integers(1, 8))):
        previous = net.shape(len(net.layers) - 1)
        flat = bool(net.layers) and net.layers[-1].flat
        kinds = [_connected, _softmax]
        if not flat:
            kinds += [*[_convolutional] * 3, _maxpool, _avgpool, _dropout]
            kinds += [_upsample] if previous[1] * previous[2] < 200 else []
            kinds += [_route, _shortcut] if net.layers else []
        net.layers.append(draw(draw(st.sampled_from(kinds))(net)))
    if not net.floats:
        net.layers.append(draw(_connected(net)))
    return net


def _before(net: Net) -> tuple[int, tuple[int, int, int]]:
    return len(net.layers) - 1, net.shape(len(net.layers) - 1)


@st.composite
def _convolutional(draw, net: Net) -> Layer:
    source, (c, h, w) = _before(net)
    groups = draw(st.sampled_from([g for g in (1, 2, 3) if c % g == 0]))
    filters = groups * draw(st.integers(1, 4))
    size = draw(st.sampled_from([1, 2, 3]))
    pad = draw(st.booleans()) or min(h, w) < size
    stride = draw(st.integers(1, 2))
    options: dict[str, object] = {"filters": filters, "size": size, "stride": stride}
    # Any pad but 0 means half of the size, which an explicit padding is not.
    padding = size // 2 if pad else draw(st.integers(0, 2))
    options |= {"pad": draw(st.integers(1, 3))} if pad else {"padding": padding}
    normed = draw(st.booleans())
    if normed:
        options["batch_normalize"] = 1
    if groups > 1:
        options["groups"] = groups
    activation = draw(st.sampled_from(ACTIVATIONS))
    if activation != "logistic" or draw(st.booleans()):  # which is the default
        options["activation"] = activation
    shape = (filters, *((side + 2 * padding - size) // stride + 1 for side in (h, w)))
    arrays: list[tuple[str, tuple[int, ...]]] = [("biases", (filters,))]
    if normed:
        arrays += [(kind, (filters,)) for kind in ("scales", "means", "variances")]
    arrays.append(("weights", (filters, c // groups, size, size)))
    return Layer("convolutional", shape, (source,), options, arrays)


@st.composite
def _connected(draw, net: Net) -> Layer:
    source, shape = _before(net)
    output = draw(st.integers(1, 6))
    normed = draw(st.booleans())
    activation = draw(st.sampled_from(ACTIVATIONS))
    options: dict[str, object] = {"output": output, "activation": activation}
    arrays: list[tuple[str, tuple[int, ...]]] = [
        ("biases", (output,)),
        ("weights", (output, count(shape))),
    ]
    if normed:
        options["batch_normalize"] = 1
        arrays += [(kind, (output,)) for kind in ("scales", "means", "variances")]
    return Layer("connected", (output, 1, 1), (source,), options, arrays)


@st.composite
def _maxpool(draw, net: Net) -> Layer:
    source, (c, h, w) = _before(net)
    size, stride = draw(st.integers(1, 3)), draw(st.integers(1, 2))
    # The padding is size - 1 by default.
    shape = (c, (h - 1) // stride + 1, (w - 1) // stride + 1)
    return Layer("maxpool", shape, (source,), {"size": size, "stride": stride})


@st.composite
def _upsample(draw, net: Net) -> Layer:
    source, (c, h, w) = _before(net)
    stride = draw(st.integers(1, 2))
    return Layer("upsample", (c, h * stride, w * stride), (source,), {"stride": stride})


def _avgpool(net: Net) -> st.SearchStrategy[Layer]:
    source, (c, _, _) = _before(net)
    return st.just(Layer("avgpool", (c, 1, 1), (source,)))


def _softmax(net: Net) -> st.SearchStrategy[Layer]:
    source, shape = _before(net)
    return st.just(Layer("softmax", (count(shape), 1, 1), (source,)))


def _dropout(net: Net) -> st.SearchStrategy[Layer]:
    source, shape = _before(net)
    return st.just(Layer("dropout", shape, (source,)))


@st.composite
def _route(draw, net: Net) -> Layer:
    first = draw(st.sampled_from([i for i, layer in enumerate(net.layers) if not layer.flat]))
    _, h, w = net.shape(first)
    alike = [
        i for i, layer in enumerate(net.layers) if layer.shape[1:] == (h, w) and not layer.flat
    ]
    sources = (first, *draw(st.lists(st.sampled_from(alike), max_size=2)))
    index = len(net.layers)
    named = [draw(st.sampled_from([source, source - index])) for source in sources]
    channels = [net.shape(source)[0] for source in sources]
    groups = draw(st.sampled_from([g for g in (1, 2) if all(c % g == 0 for c in channels)]))
    options: dict[str, object] = {"layers": ", ".join(map(str, named))}
    if groups > 1:
        options |= {"groups": groups, "group_id": draw(st.integers(0, groups - 1))}
    return Layer("route", (sum(channels) // groups, h, w), sources, options)


@st.composite
def _shortcut(draw, net: Net) -> Layer:
    source, shape = _before(net)
    alike = [i for i, layer in enumerate(net.layers) if layer.shape[1:] == shape[1:]
             and not layer.flat]  # fmt: skip
    other = draw(st.sampled_from(alike))
    named = draw(st.sampled_from([other, other - len(net.layers)]))
    activation = draw(st.sampled_from(ACTIVATIONS))
    return Layer("shortcut", shape, (source, other), {"from": named, "activation": activation})
