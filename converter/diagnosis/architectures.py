"""Architectures that a .weights file alone can be recognised as, by its number of floats.

Every head of a detector adds 3 * (5 + K) * (C + 1) floats for K classes, so the count is
``base + slope * K`` and K follows from it. What a count leaves open (anchors, input size) is
assumed to be as published, and reported as assumed.

``fits`` asks the same of all official cfgs. It is a proposal only: a file is read as no network
whose cfg nobody gave.
"""

from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache, partial

from converter.darknet.layers import Layer
from converter.darknet.layers.yolo import Yolo
from converter.darknet.network import Network, build_network, render_cfg
from converter.darknet.nodes import Net
from converter.errors import command, some
from converter.families.template import Spec, template
from converter.official import MAX_CLASSES, OfficialCfg, official_cfgs
from converter.published import PUBLISHED
from converter.records import dataclass

# Published anchors, (width, height) in pixels: YOLOv3 paper section 2.3 and the official cfgs.
_ANCHORS = (10, 13, 16, 30, 33, 23, 30, 61, 62, 45, 59, 119, 116, 90, 156, 198, 373, 326)
_ANCHORS_5L = (4, 4, 5, 5, 6, 6, 7, 7, 8, 8, 9, 9, *_ANCHORS)
_ANCHORS_TINY = (10, 14, 23, 27, 37, 58, 81, 82, 135, 169, 344, 319)


@dataclass(frozen=True, kw_only=True)
class Architecture:
    """A full-width published network.

    Attributes:
        name: as its cfg is called.
        size: width and height of the picture that its cfg asks for.
        layers: the layers for a number of classes.
        base: floats in its .weights file but for those of its classes.
        slope: floats that every class adds; 0 where the architecture fixes their number.
        classes: that number (0: none at all).
    """

    name: str
    size: int
    layers: Callable[[int], list[Layer]]
    base: int
    slope: int = 0
    classes: int | None = None

    def network(self, classes: int) -> Network:
        """The whole network, with cfg text in our own words."""
        return _network(self, classes)

    def floats(self, classes: int) -> int:
        """Float32 values in its .weights file."""
        return self.base + self.slope * classes


@lru_cache(maxsize=32)
def _network(architecture: Architecture, classes: int) -> Network:
    net = Net(width=architecture.size, height=architecture.size, channels=3)
    layers = architecture.layers(classes)
    return build_network(net, layers, render_cfg(net, layers))


@dataclass(frozen=True, kw_only=True)
class Match:
    """One architecture that a file of some length can be."""

    architecture: Architecture
    classes: int

    def __str__(self) -> str:
        if self.architecture.classes is not None:
            return self.architecture.name
        return f"{self.architecture.name} with {self.classes} classes"

    @property
    def assumed(self) -> dict[str, object]:
        """What the number of floats leaves open."""
        size = self.architecture.size
        heads = [n.layer for n in self.network.nodes if isinstance(n.layer, Yolo)]
        anchors = {"anchors": list(heads[0].anchors)} if heads else {}
        return {"architecture": self.architecture.name, "width": size, "height": size, **anchors}

    @property
    def network(self) -> Network:
        """The network of this reading."""
        return self.architecture.network(self.classes)


def recognise(floats: int) -> list[Match]:
    """Every reading of a file with ``floats`` values after its header."""
    found = (_reading(known, floats) for known in ARCHITECTURES)
    return [reading for reading in found if reading]


def _reading(known: Architecture, floats: int) -> Match | None:
    if known.classes is not None:
        return Match(architecture=known, classes=known.classes) if floats == known.base else None
    classes, rest = divmod(floats - known.base, known.slope)
    if rest or not 1 <= classes <= MAX_CLASSES:
        return None
    return Match(architecture=known, classes=classes)


@dataclass(frozen=True, kw_only=True)
class Fit:
    """Official cfgs whose .weights files would have some number of floats.

    Attributes:
        cfgs: those that have it with as many classes, the likeliest first.
        classes: their number; 0 where it is fixed.
    """

    cfgs: tuple[OfficialCfg, ...]
    classes: int

    @property
    def command(self) -> str:
        """What brings the first of them, with these classes."""
        cfg = self.cfgs[0]
        other = self.classes not in (0, cfg.classes)
        classes = ("--classes", str(self.classes)) if other else ()
        return command("download", "--cfg", cfg.key, *classes)

    def __str__(self) -> str:
        owners = dict.fromkeys(cfg.owner for cfg in self.cfgs)
        files = [
            some([cfg.file for cfg in self.cfgs if cfg.owner == owner]) + f" of {owner}'s"
            for owner in owners
        ]
        classes = f" with {self.classes} classes" if self.classes else ""
        return " or ".join(files) + classes

    def as_dict(self) -> dict[str, object]:
        """One of the ``fits`` of ``info --json``."""
        return {
            "classes": self.classes or None,
            "cfgs": [{"repository": c.repository, "path": c.path} for c in self.cfgs],
            "command": self.command,
        }


def fits(floats: int) -> list[Fit]:
    """The official cfgs that a file with ``floats`` values after its header can be of.

    Those that need no change come first, then those that people begin with; of the others those
    with the fewest classes: the more there are, the likelier it is by chance.
    """
    found: dict[tuple[int, int, int], list[OfficialCfg]] = {}
    for cfg in official_cfgs():
        classes = cfg.classes_in(floats)
        if classes is not None:
            found.setdefault((classes, cfg.floats, cfg.slope), []).append(cfg)
    every = [
        Fit(cfgs=tuple(sorted(found[key], key=partial(_rarity, key[0]))), classes=key[0])
        for key in found
    ]
    return sorted(every, key=lambda fit: (_rarity(fit.classes, fit.cfgs[0])[:2], fit.classes))


def _rarity(classes: int, cfg: OfficialCfg) -> tuple[bool, bool, int]:
    """What to sort by: first those that need no change, then those that people begin with."""
    known = any(file.cfg == cfg.key for file in PUBLISHED)
    return bool(classes) and cfg.classes != classes, not known, len(cfg.name)


def _yolov3(anchors: tuple[int, ...] = _ANCHORS, **spec: object) -> Callable[[int], list[Layer]]:
    def layers(classes: int) -> list[Layer]:
        found = template(Spec(classes=classes, **spec))  # type: ignore[arg-type]
        return [_with_anchors(layer, anchors) for layer, _ in found]

    return layers


def _with_anchors(layer: Layer, anchors: tuple[int, ...]) -> Layer:
    if not isinstance(layer, Yolo):
        return layer
    return replace(layer, num=len(anchors) // 2, anchors=tuple(map(float, anchors)))


def _tiny(classes: int) -> list[Layer]:
    from converter.families.structures import tiny  # late: the other networks need none of it

    return [_with_anchors(layer, _ANCHORS_TINY) for layer in tiny(16, classes)]


# The counts are those of the published files, (bytes - 20) / 4, less ``slope`` times their classes;
# to build all the networks for them would take longer than all the rest of a plan.
ARCHITECTURES = (
    Architecture(
        name="yolov3",
        size=416,
        base=61_570_957,
        slope=3 * (1025 + 513 + 257),
        layers=_yolov3(merge_channels=(128, 256)),
    ),
    Architecture(
        name="yolov3-spp",
        size=416,
        base=62_621_581,
        slope=3 * (1025 + 513 + 257),
        layers=_yolov3(merge_channels=(128, 256), spp=True),
    ),
    Architecture(
        name="yolov3_5l",
        size=416,
        base=61_922_411,
        slope=3 * (1025 + 513 + 257 + 129 + 65),
        layers=_yolov3(_ANCHORS_5L, levels=5, merge_channels=(128, 128, 128, 256)),
    ),
    Architecture(name="yolov3-tiny", size=416, base=8_673_934, slope=3 * (513 + 257), layers=_tiny),
    Architecture(
        name="darknet53",
        size=256,
        base=41_645_640,
        classes=1000,
        layers=_yolov3(levels=0, backbone="classifier and softmax"),
    ),
    Architecture(
        name="darknet53.conv.74", size=256, base=40_620_640, classes=0, layers=_yolov3(levels=0)
    ),
)
