"""The structure of YOLOv3, Darknet's layers in file order, each with its module in our model.

The list is written out, since neither ``model.modules()`` nor shapes could tell it: in the file a
level's head comes before the next level's merge conv, and neck and head hold convolutions of equal
shape.
"""

from collections.abc import Iterator, Sequence
from typing import Literal

from converter.darknet.layers import Layer
from converter.darknet.layers.convolutional import Convolutional
from converter.darknet.layers.routing import Route, Upsample
from converter.darknet.layers.shortcut import Shortcut
from converter.darknet.layers.yolo import Yolo
from converter.records import dataclass

# Residual blocks in each stage of Darknet-53 (YOLOv3 paper, table 1).
BLOCKS = (1, 2, 8, 8, 4)
BACKBONE_LAYERS = 2 + 3 * BLOCKS[0] + sum(1 + 3 * blocks for blocks in BLOCKS[1:])  # 75


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
            with pooling, the 1x1 classifier and perhaps a softmax.
        wiring: of the neck: Darknet's, which its weights fill, or the article's, which they do not.
    """

    in_channels: int = 3
    width: int = 32
    classes: int = 80
    levels: int = 3
    num_repeats: int = 2
    merge_channels: tuple[int, ...] = ()
    spp: bool = False
    backbone: Literal["features", "classifier", "classifier and softmax"] = "features"
    wiring: Literal["darknet", "article"] = "darknet"

    @property
    def channels(self) -> tuple[int, ...]:
        """Channels of the backbone's features that the neck gets, fine to coarse."""
        stages = tuple(2 * self.width << i for i in range(len(BLOCKS)))
        return stages[len(stages) - self.levels :] if self.levels else ()


def template(spec: Spec) -> list[tuple[Layer, str]]:
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
    yield leaky(width, 3), "stem.0"
    for stage, blocks in enumerate(BLOCKS, start=1):
        width *= 2
        yield leaky(width, 3, stride=2), "stem.1" if stage == 1 else f"conv_{stage}_in"
        for block in range(blocks):
            yield leaky(width // 2, 1), f"res_conv_{stage}.{block}.conv1"
            yield leaky(width, 3), f"res_conv_{stage}.{block}.conv2"
            yield Shortcut(from_=(-3,)), ""


def _classifier(spec: Spec) -> Iterator[tuple[Layer, str]]:
    from converter.darknet.layers.pooling import Avgpool  # late, as below: few networks have them
    from converter.darknet.layers.softmax import Softmax

    if spec.backbone == "features":
        return
    yield Avgpool(), ""
    yield _plain_conv(spec.classes), "fc.2"
    if spec.backbone == "classifier and softmax":
        yield Softmax(), ""


def _level(spec: Spec, level: int) -> Iterator[tuple[Layer, str]]:
    """Lateral conv, repeats, tail and head of one level."""
    wide = spec.channels[level]
    yield leaky(wide // 2, 1), f"fpn.lateral_convs.{level}"
    for repeat in range(spec.num_repeats):
        yield leaky(wide, 3), f"fpn.fpn_convs.{level}.{2 * repeat}"
        yield leaky(wide // 2, 1), f"fpn.fpn_convs.{level}.{2 * repeat + 1}"
        if spec.spp and repeat == 0 and level == spec.levels - 1:
            yield from ((layer, "") for layer in pools())
            yield leaky(wide // 2, 1), "fpn.spp.conv"
    yield leaky(wide, 3), f"fpn.tail_convs.{level}"
    yield _plain_conv(3 * (5 + spec.classes)), f"heads.{level}.conv"
    first = 3 * level
    yield Yolo(classes=spec.classes, num=3 * spec.levels, mask=(first, first + 1, first + 2)), ""


def pools() -> list[Layer]:
    """Of 5, 9 and 13 beside the map itself: yolov3-spp.cfg, layers 78 to 83."""
    from converter.darknet.layers.pooling import Maxpool

    return [
        Maxpool(size=5, stride=1),
        Route(layers=(-2,)),
        Maxpool(size=9, stride=1),
        Route(layers=(-4,)),
        Maxpool(size=13, stride=1),
        Route(layers=(-1, -3, -5, -6)),
    ]


def _merge(spec: Spec, level: int, feature: int) -> Iterator[tuple[Layer, str]]:
    """From the level above, before its tail, to the concatenation with this level's feature."""
    yield Route(layers=(-4,)), ""
    yield leaky(spec.merge_channels[level], 1), f"fpn.merge_convs.{level}"
    yield Upsample(stride=2), ""
    yield Route(layers=(-1, feature)), ""


def leaky(filters: int, size: int, stride: int = 1) -> Convolutional:
    """A convolution with batch norm and a leaky ReLU."""
    return Convolutional(
        filters=filters, size=size, stride=stride, pad=1, batch_normalize=1, activation="leaky"
    )


def _plain_conv(filters: int) -> Convolutional:
    return Convolutional(filters=filters, pad=1, activation="linear")


def _stage_ends(layers: Sequence[tuple[Layer, str]]) -> list[int]:
    """Index of each stage's last layer: a shortcut that no other residual block follows."""
    downs = [i for i, (layer, _) in enumerate(layers) if getattr(layer, "stride", 1) == 2]
    return [down - 1 for down in downs[1:]] + [len(layers) - 1]
