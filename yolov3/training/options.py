"""What a cfg says of the loss of its [yolo] layers, as one engine reads it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields
from math import inf
from typing import Any

from converter.darknet.cfg import Option, Section, parse_cfg
from converter.darknet.dialects import DIALECTS, Dialect, DialectName
from converter.darknet.dialects.base import Kind
from converter.darknet.layers.yolo import Yolo
from converter.darknet.network import Network
from converter.errors import NetworkError
from converter.records import dataclass

# What is not here, unless its value is this one.
MISSING = {
    "yolo": {
        "focal_loss": "0",
        "iou_thresh_kind": "iou",
        "map": "",
        "onlyforward": "0",
        "stopbackward": "0",
    },
    # These reject some of the deltas by what earlier batches had: AB yolo_layer.c:750-856.
    "net": {
        "badlabels_rejection_percentage": "0",
        "equidistant_point": "0",
        "num_sigmas_reject_badlabels": "0",
    },
}
IOU_LOSSES = ("mse", "giou", "ciou")  # those of the published cfgs; AB knows iou and diou as well

# Layers with a loss of their own that are no heads: AB softmax_layer.c, cost_layer.c.
LOSSES = ("contrastive", "cost", "softmax")

_READ: Mapping[Kind, Callable[[Option], Any]] = {
    "int": Option.integer,
    "float": Option.number,
    "str": lambda option: option.text,
    "ints": Option.integers,
}


@dataclass(frozen=True, kw_only=True)
class LossOptions:
    """The options of a [yolo] that its loss reads: pj parser.c:317-321, AB parser.c:455-509.

    An engine that does not read one of them has the value that is the default here.

    Attributes:
        max: how many objects of a picture count.
        ignore_thresh: above this IoU with an object, a box that is not its own need not say that
            there is none.
        truth_thresh: above this one it learns the object, too.
        iou_thresh: other anchors than the best one learn an object as well if their shape has more
            than this IoU with it; at 1 none does.
        iou_loss: what is asked of boxes: "mse", "giou" or "ciou".
        iou_normalizer: factor of what is asked of boxes, "mse" included.
        obj_normalizer: factor of what is asked of the objectness.
        cls_normalizer: factor of what is asked of an object's own class, beside
            ``counters_per_class``; without those the engine does not use it.
        delta_normalizer: factor of everything. The engine has it on the GPU only (AB
            yolo_layer.c:1225).
        label_smooth_eps: classes are asked to be this far from 0 and 1, halved.
        objectness_smooth: whether a box whose IoU is above a threshold is asked for that IoU.
        max_delta: what is asked of a box is clipped here, unless "mse".
        counters_per_class: how often each class occurs; rarer ones weigh more.
        show_details: whether the cost has IoU's part by another formula.
    """

    max: int
    ignore_thresh: float = 0.5
    truth_thresh: float = 1.0
    iou_thresh: float = 1.0
    iou_loss: str = "mse"
    iou_normalizer: float = 1.0
    obj_normalizer: float = 1.0
    cls_normalizer: float = 1.0
    delta_normalizer: float = 1.0
    label_smooth_eps: float = 0.0
    objectness_smooth: int = 0
    max_delta: float = inf
    counters_per_class: tuple[int, ...] = ()
    show_details: int = 1

    @property
    def class_weights(self) -> list[float]:
        """Factor of each class, at most ``max_delta``; none without counters: AB parser.c:419."""
        counters = [max(counter, 1) for counter in self.counters_per_class]
        return [min(max(counters) / counter, self.max_delta) for counter in counters]


@dataclass(frozen=True, kw_only=True)
class HeadLoss:
    """The loss of one [yolo].

    Attributes:
        index: of the layer in the cfg.
        layer: the layer.
        options: what the cfg says of its loss.
        dialect: whose engine it is.
        stride: pixels of the network's input that a cell has, across and down.
    """

    index: int
    layer: Yolo
    options: LossOptions
    dialect: DialectName
    stride: tuple[float, float]


def head_losses(network: Network, dialect: DialectName) -> list[HeadLoss]:
    """Those of the [yolo] layers of ``network``, fine to coarse, as ``dialect`` reads them.

    Raises:
        NetworkError: a layer has another loss than that of [yolo].
        CfgError: an option has a value that it cannot have, or whose effect is not here.
    """
    net, *sections = parse_cfg(network.text)
    record = DIALECTS[dialect]
    _require_none_missing(net, record)
    found = []
    for node in (*(node for node in network.nodes if node.layer.type in LOSSES), *network.levels):
        if not isinstance(node.layer, Yolo):
            raise NetworkError(
                "has another loss than that of [yolo]",
                place=node.place,
                remedy="train with darknet",
            )
        _require_none_missing(sections[node.index], record)
        found.append(
            HeadLoss(
                index=node.index,
                layer=node.layer,
                options=_read(sections[node.index], record, node.layer.classes),
                dialect=dialect,
                stride=(network.input.w / node.output.w, network.input.h / node.output.h),
            )
        )
    return found


def _read(section: Section, record: Dialect, classes: int) -> LossOptions:
    values: dict[str, Any] = {"max": int(record.defaults["yolo"]["max"])}
    if record.kind("yolo", "iou_normalizer"):
        values["iou_normalizer"] = 0.75  # AB parser.c:469
    given: dict[str, Option] = {}
    for field in fields(LossOptions):
        kind, option = record.kind("yolo", field.name), section.find(field.name)
        if kind and option:
            given[field.name], values[field.name] = option, _READ[kind](option)
    options = LossOptions(**values)
    if options.iou_loss not in IOU_LOSSES:
        remedy = f"use one of {', '.join(IOU_LOSSES)}"
        raise given["iou_loss"].error("is a loss that is not here", remedy)
    counters = len(options.counters_per_class)
    if counters not in (0, classes):  # AB parser.c:425 stops
        raise given["counters_per_class"].error(f"has {counters} values for classes={classes}")
    return options


def _require_none_missing(section: Section, record: Dialect) -> None:
    for key, harmless in MISSING[section.type].items():
        option = section.find(key)
        if option and record.kind(section.type, key) and option.text != harmless:
            raise option.error(
                "changes the loss in a way that is not here", "take it out, or train with darknet"
            )
