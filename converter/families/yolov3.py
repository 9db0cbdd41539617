"""Families: which network gets which tensor names.

A family is a test and a list. ``yolov3`` takes a network that equals, layer by layer, the template
for some width, classes, levels, repeats, merge widths and SPP; its list says in which module of the
article's model each layer with weights lives. The list is in file order and written out, since
neither ``model.modules()`` nor shapes could tell it: in the file a level's head comes before the
next level's merge conv, and neck and head hold convolutions of equal shape.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from converter.darknet.layers import Layer
from converter.darknet.layers.combining import Shortcut
from converter.darknet.layers.convolutional import Convolutional
from converter.darknet.layers.heads import Yolo
from converter.darknet.layers.pooling import Avgpool, Maxpool
from converter.darknet.layers.routing import Route, Upsample
from converter.darknet.layers.softmax import Softmax
from converter.darknet.network import Network, Node
from converter.errors import FamilyError

FamilyName = Literal["yolov3", "article", "generic"]
FAMILIES: tuple[FamilyName, ...] = ("yolov3", "article", "generic")

# Residual blocks in each stage of Darknet-53 (YOLOv3 paper, table 1).
BLOCKS = (1, 2, 8, 8, 4)


@dataclass(frozen=True, kw_only=True)
class Family:
    """Where the arrays of each layer go.

    Attributes:
        name: which family.
        modules: layer index -> module path, in file order; a layer that is not in it is left out.
        linear: layer whose 1x1 convolution becomes a Linear of the same values, if there is one.
        unfilled: tensors of the model that the file has no values for, with their shapes.
        spec: what to build the model from (yolov3 and article only).
    """

    name: FamilyName
    modules: Mapping[int, str]
    linear: int | None = None
    unfilled: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    spec: "Spec | None" = None


@dataclass(frozen=True, kw_only=True)
class Spec:
    """Hyper-parameters of the modular YOLOv3, or of its backbone alone.

    Attributes:
        in_channels: channels of the picture.
        width: filters of the stem (32 in the published nets).
        classes: of the detector, or of the classifier.
        levels: output maps, 3 to 5; 0 is a backbone without detector.
        num_repeats: (3x3, 1x1) pairs of each level.
        merge_channels: filters of the merge convs, fine to coarse.
        spp: whether the top level has spatial pyramid pooling.
        backbone: for ``levels == 0``, whether the file ends with the last stage ("features") or
        with
            pooling, the 1x1 classifier and perhaps a softmax ("classifier").
    """

    in_channels: int = 3
    width: int = 32
    classes: int = 80
    levels: int = 3
    num_repeats: int = 2
    merge_channels: tuple[int, ...] = ()
    spp: bool = False
    backbone: Literal["features", "classifier", "classifier and softmax"] = "features"

    @property
    def channels(self) -> tuple[int, ...]:
        """Channels of the backbone's features that the neck gets, fine to coarse."""
        stages = tuple(2 * self.width << i for i in range(len(BLOCKS)))
        return stages[len(stages) - self.levels :] if self.levels else ()


Template = list[tuple[Layer, str]]


def named(network: Network, name: FamilyName) -> Family:
    """The family called ``name`` for ``network``.

    Raises:
        FamilyError: the network is not of that family.
    """
    return {"yolov3": yolov3, "article": article, "generic": generic}[name](network)


def generic(network: Network) -> Family:
    """The family that always fits: ``layers.{index}``."""
    return Family(name="generic", modules={n.index: f"layers.{n.index}" for n in network.nodes})


def yolov3(network: Network) -> Family:
    """The modular model's names for ``network``.

    Raises:
        FamilyError: naming the first layer that deviates from the template.
    """
    spec = _guess(network)
    expected = template(spec)
    for node, (index, (layer, _)) in zip(network.nodes, enumerate(expected), strict=False):
        _compare(node, layer, layer.sources(index))
    if len(network.nodes) != len(expected):
        raise FamilyError(
            f"has {len(network.nodes)} layers, a YOLOv3 like it has {len(expected)}",
            remedy="--family generic converts it",
        )
    modules = {i: path for i, (_, path) in enumerate(expected) if path}
    linear = next((i for i, path in modules.items() if path == "fc.2"), None)
    return Family(name="yolov3", modules=modules, linear=linear, spec=spec)


def article(network: Network) -> Family:
    """The names of the article's own wiring, which has no place for the lateral and merge convs.

    Raises:
        FamilyError: ``network`` is no YOLOv3, or one that the article's model cannot be.
    """
    family = yolov3(network)
    spec = family.spec
    if spec is None or not spec.levels:
        raise FamilyError("is a backbone, and the article's wiring is about the neck")
    if spec.spp:
        raise FamilyError("has spatial pyramid pooling, which the article's FPN lacks")
    modules = {
        index: path
        for index, path in family.modules.items()
        if not path.startswith(("fpn.lateral_convs", "fpn.merge_convs"))
    }
    return Family(name="article", modules=modules, unfilled=_article_unfilled(spec), spec=spec)


def _article_unfilled(spec: Spec) -> dict[str, tuple[int, ...]]:
    unfilled: dict[str, tuple[int, ...]] = {
        # the article's Darknet53() keeps its 1000-class classifier
        "backbone.fc.2.weight": (1000, 32 * spec.width),
        "backbone.fc.2.bias": (1000,),
    }
    channels = spec.channels
    for i, c in enumerate(channels):
        unfilled[f"fpn.lateral_convs.{i}.weight"] = (c // 2, c, 1, 1)
        unfilled[f"fpn.lateral_convs.{i}.bias"] = (c // 2,)
    for i, c in enumerate(channels[:-1]):
        unfilled[f"fpn.merge_convs.{i}.weight"] = (c // 2, c + channels[i + 1] // 2, 1, 1)
        unfilled[f"fpn.merge_convs.{i}.bias"] = (c // 2,)
    return unfilled


def template(spec: Spec) -> Template:
    """The layers of a YOLOv3 in file order, each with its module path ("" without weights)."""
    prefix = "backbone." if spec.levels else ""
    layers = [(layer, prefix + path if path else "") for layer, path in _backbone(spec)]
    if not spec.levels:
        return [*layers, *_classifier(spec)]
    features = _stage_ends(layers)[-spec.levels :]
    for level in reversed(range(spec.levels)):
        if level < spec.levels - 1:
            layers += _merge(spec, level, features[level])
        layers += _level(spec, level)
    return layers


def _backbone(spec: Spec) -> Iterator[tuple[Layer, str]]:
    """Darknet-53 without its classifier: layers 0 to 74 of darknet53.cfg."""
    width = spec.width
    yield _conv(width, 3), "stem.0"
    for stage, blocks in enumerate(BLOCKS, start=1):
        width *= 2
        yield _conv(width, 3, stride=2), "stem.1" if stage == 1 else f"conv_{stage}_in"
        for block in range(blocks):
            yield _conv(width // 2, 1), f"res_conv_{stage}.{block}.conv1"
            yield _conv(width, 3), f"res_conv_{stage}.{block}.conv2"
            yield Shortcut(from_=(-3,)), ""


def _classifier(spec: Spec) -> Iterator[tuple[Layer, str]]:
    if spec.backbone == "features":
        return
    yield Avgpool(), ""
    yield _plain_conv(spec.classes), "fc.2"
    if spec.backbone == "classifier and softmax":
        yield Softmax(), ""


def _level(spec: Spec, level: int) -> Iterator[tuple[Layer, str]]:
    """Lateral conv, repeats, tail and head of one level."""
    wide = spec.channels[level]
    yield _conv(wide // 2, 1), f"fpn.lateral_convs.{level}"
    for repeat in range(spec.num_repeats):
        yield _conv(wide, 3), f"fpn.fpn_convs.{level}.{2 * repeat}"
        yield _conv(wide // 2, 1), f"fpn.fpn_convs.{level}.{2 * repeat + 1}"
        if spec.spp and repeat == 0 and level == spec.levels - 1:
            yield from _spp(wide // 2)
    yield _conv(wide, 3), f"fpn.tail_convs.{level}"
    yield _plain_conv(3 * (5 + spec.classes)), f"heads.{level}.conv"
    first = 3 * level
    yield Yolo(classes=spec.classes, num=3 * spec.levels, mask=(first, first + 1, first + 2)), ""


def _spp(filters: int) -> Iterator[tuple[Layer, str]]:
    """Pools of 5, 9 and 13 beside the map itself: yolov3-spp.cfg, layers 78 to 84."""
    yield Maxpool(size=5, stride=1), ""
    yield Route(layers=(-2,)), ""
    yield Maxpool(size=9, stride=1), ""
    yield Route(layers=(-4,)), ""
    yield Maxpool(size=13, stride=1), ""
    yield Route(layers=(-1, -3, -5, -6)), ""
    yield _conv(filters, 1), "fpn.spp.conv"


def _merge(spec: Spec, level: int, feature: int) -> Iterator[tuple[Layer, str]]:
    """From the level above, before its tail, to the concatenation with this level's feature."""
    yield Route(layers=(-4,)), ""
    yield _conv(spec.merge_channels[level], 1), f"fpn.merge_convs.{level}"
    yield Upsample(stride=2), ""
    yield Route(layers=(-1, feature)), ""


def _conv(filters: int, size: int, stride: int = 1) -> Convolutional:
    return Convolutional(
        filters=filters, size=size, stride=stride, pad=1, batch_normalize=1, activation="leaky"
    )


def _plain_conv(filters: int) -> Convolutional:
    return Convolutional(filters=filters, pad=1, activation="linear")


def _stage_ends(layers: Sequence[tuple[Layer, str]]) -> list[int]:
    """Index of each stage's last layer: a shortcut that no other residual block follows."""
    downs = [i for i, (layer, _) in enumerate(layers) if getattr(layer, "stride", 1) == 2]
    return [down - 1 for down in downs[1:]] + [len(layers) - 1]


def _guess(network: Network) -> Spec:
    """The one spec that ``network`` could be of; the comparison follows."""
    nodes = network.nodes
    stem = nodes[0].layer
    if not isinstance(stem, Convolutional):
        raise _deviates(nodes[0], "a YOLOv3 starts with [convolutional]")
    heads = [(node.index, node.layer) for node in nodes if isinstance(node.layer, Yolo)]
    if not heads:
        return _guess_backbone(network, stem.filters)
    if not 3 <= len(heads) <= len(BLOCKS):
        raise FamilyError(
            f"has {len(heads)} [yolo] layers, a YOLOv3 has 3 to {len(BLOCKS)}",
            remedy="--family generic converts it",
        )
    spp = any(isinstance(node.layer, Maxpool) for node in nodes)
    merges = [nodes[n.sources[0]].layer for n in nodes if isinstance(n.layer, Upsample)]
    backbone = sum(1 for _ in _backbone(Spec()))
    # The top level: lateral conv, pairs, tail, head, yolo; SPP adds seven layers.
    end, first = heads[0]
    pairs = end - backbone - 3 - (7 if spp else 0)
    return Spec(
        in_channels=network.input.c,
        width=stem.filters,
        classes=first.classes,
        levels=len(heads),
        num_repeats=max(1, pairs // 2),
        merge_channels=tuple(
            merge.filters if isinstance(merge, Convolutional) else 1 for merge in reversed(merges)
        )
        + (1,) * (len(heads) - 1 - len(merges)),
        spp=spp,
    )


def _guess_backbone(network: Network, width: int) -> Spec:
    rest = [node.layer for node in network.nodes[sum(1 for _ in _backbone(Spec())) :]]
    classes = rest[1].filters if len(rest) > 1 and isinstance(rest[1], Convolutional) else 1000
    return Spec(
        in_channels=network.input.c,
        width=width,
        classes=classes,
        levels=0,
        backbone=(
            "classifier and softmax" if len(rest) > 2 else "classifier" if rest else "features"
        ),
    )


def _compare(node: Node, expected: Layer, sources: tuple[int, ...]) -> None:
    if type(node.layer) is not type(expected):
        raise _deviates(node, f"a YOLOv3 has [{expected.type}] there")
    if node.sources != sources:
        raise _deviates(node, f"it reads layers {_list(node.sources)}, not {_list(sources)}")
    facts, wanted = node.layer.signature(), expected.signature()
    for name, value in wanted.items():
        if facts[name] != value:
            raise _deviates(node, f"{name.rstrip('_')} is {facts[name]}, not {value}")


def _deviates(node: Node, how: str) -> FamilyError:
    return FamilyError(
        f"is not a YOLOv3: {how}", place=node.place, remedy="--family generic converts it"
    )


def _list(indices: tuple[int, ...]) -> str:
    return ", ".join(map(str, indices))
