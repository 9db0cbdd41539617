"""Which engine wrote a file: pjreddie's or AlexeyAB's.

The two agree on most layers, but order the arrays of [gru], [lstm] and [batchnorm] differently, and
read some options differently. Nothing in a .weights file says which of them it comes from, so it is
told, in this order, by

1. what the user says;
2. the file's size, where only one of them would have written that many bytes;
3. sections, options and activations that only one of them knows;
4. the version in the header: 0.2.0 is pjreddie's (pj parser.c:1018), 0.2.5 AlexeyAB's (AB
   parser.c:1993) and its successors'; anything else is read as pjreddie's.
"""

from collections.abc import Iterator
from dataclasses import dataclass, fields

from converter.darknet.header import Header
from converter.darknet.layers import DIALECTS, Dialect
from converter.darknet.layers.activation import ALEXEYAB_ONLY
from converter.darknet.network import Network, Node
from converter.errors import WeightsError

# Keys for training that only one engine reads, in sections that both know: AB parser.c:459-516,
# 1151-1210; pj parser.c:663, 684. Only such as appear in cfgs of theirs.
TRAINING_KEYS: dict[Dialect, dict[str, tuple[str, ...]]] = {
    "alexeyab": {
        "net": (
            "contrastive", "cutmix", "ema_alpha", "letter_box", "mosaic", "sgdr_cycle", "track",
        ),
        "yolo": (
            "beta_nms", "cls_normalizer", "counters_per_class", "iou_loss", "iou_normalizer",
            "iou_thresh", "max_delta", "nms_kind", "obj_normalizer", "resize",
        ),
    },
    "pjreddie": {"net": ("center", "notruth")},
}  # fmt: skip

_NAMES: dict[Dialect, str] = {"pjreddie": "pjreddie's darknet", "alexeyab": "AlexeyAB's darknet"}


@dataclass(frozen=True, kw_only=True)
class Choice:
    """A dialect, and a sentence about what speaks against it, if anything does."""

    dialect: Dialect
    warning: str | None = None


def choose(network: Network, head: bytes, size: int, explicit: Dialect | None = None) -> Choice:
    """The dialect of a file of ``size`` bytes that starts with ``head``.

    Raises:
        WeightsError: the order of its arrays depends on it, and the signs contradict each other or
            there are none.
    """
    header = Header.decode(head)
    signs = _signs(network, header, head, size)
    if explicit:
        return Choice(dialect=explicit, warning=_warning(explicit, signs))
    strength = {d: sorted({sign.strength for sign in signs[d]} | {_NONE}) for d in DIALECTS}
    best: Dialect = min(DIALECTS, key=lambda d: strength[d])
    sure = _SIZE in strength[best] or (signs[best] and not all(signs.values()))
    if not sure and _order_differs(network):
        raise WeightsError(
            f"may be of either engine, and their orders differ: {_both(signs)}",
            remedy="say which with --dialect pjreddie or --dialect alexeyab",
        )
    return Choice(dialect=best, warning=_warning(best, signs))


_SIZE, _CFG, _HEADER, _NONE = range(4)


@dataclass(frozen=True, kw_only=True)
class _Sign:
    """Something that speaks for a dialect; smaller ``strength`` is stronger."""

    strength: int
    text: str


def _signs(
    network: Network, header: Header, head: bytes, size: int
) -> dict[Dialect, tuple[_Sign, ...]]:
    signs: dict[Dialect, list[_Sign]] = {dialect: [] for dialect in DIALECTS}
    fitting = [
        dialect
        for dialect in DIALECTS
        if size == Header.decode(head, dialect).size + 4 * network.floats_of(dialect)
    ]
    if len(fitting) == 1:
        signs[fitting[0]].append(_Sign(strength=_SIZE, text=f"its size, {size:,} bytes"))
    for dialect, text in evidence(network):
        signs[dialect].append(_Sign(strength=_CFG, text=text))
    version = (header.major, header.minor, header.revision)
    writer: Dialect | None = {(0, 2, 0): DIALECTS[0], (0, 2, 5): DIALECTS[1]}.get(version)
    if writer:
        text = "version " + ".".join(map(str, version)) + " in its header"
        signs[writer].append(_Sign(strength=_HEADER, text=text))
    return {dialect: tuple(found) for dialect, found in signs.items()}


def evidence(network: Network) -> Iterator[tuple[Dialect, str]]:
    """What in the cfg only one engine knows: (dialect, description with its line)."""
    for node in network.nodes:
        if node.layer.dialect:
            yield node.layer.dialect, node.place
        for dialect, key in _telling_options(node):
            yield dialect, f"{key}= of {node.place}"
    for section in network.sections:
        for dialect, keys in TRAINING_KEYS.items():
            for option in section.options:
                if option.key in keys.get(section.type, ()):
                    yield dialect, f"{option.key}= in line {option.line}"


def _telling_options(node: Node) -> Iterator[tuple[Dialect, str]]:
    layer = node.layer
    for option in fields(layer):
        value = getattr(layer, option.name)
        if option.name == "activation" and value in ALEXEYAB_ONLY:
            yield "alexeyab", option.name
        elif option.metadata.get("dialect") and value != option.default:
            yield option.metadata["dialect"], option.name.rstrip("_")
    if layer.type == "shortcut" and len(node.sources) > 2:
        yield "alexeyab", "from"  # pj parser.c:542 reads only the first


def _order_differs(network: Network) -> bool:
    """Whether the two engines would read another thing out of the same bytes."""
    first, second = (
        [
            (node.index, array.suffix, array.shape)
            for node in network.nodes
            for array in node.layer.arrays(node.inputs, dialect)
        ]
        for dialect in DIALECTS
    )
    return first != second


def _warning(dialect: Dialect, signs: dict[Dialect, tuple[_Sign, ...]]) -> str | None:
    against = next((d for d in DIALECTS if d != dialect and signs[d]), None)
    if against is None:
        return None
    return f"read as a file of {_NAMES[dialect]}, though {_first(signs, against)}"


def _first(signs: dict[Dialect, tuple[_Sign, ...]], dialect: Dialect) -> str:
    return f"{signs[dialect][0].text} is of {_NAMES[dialect]}"


def _both(signs: dict[Dialect, tuple[_Sign, ...]]) -> str:
    found = [_first(signs, dialect) for dialect in DIALECTS if signs[dialect]]
    return ", ".join(found) or "nothing in cfg and header tells"
