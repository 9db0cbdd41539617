"""What Darknet's [yolo] wants of a raw map: its ``delta``, for all anchors of a batch at once.

Pj yolo_layer.c:83-240; AB yolo_layer.c:131-355, 388-660. C computes in float, and so is done here.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import nan
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from converter.darknet.dialects import DIALECTS
from converter.darknet.layers.cells import by_anchor, in_torch
from converter.records import dataclass
from yolov3.training.options import HeadLoss
from yolov3.training.overlap import ascent, giou, iou

LIKELY = 0.25  # AB yolo_layer.c:440


@dataclass(frozen=True, kw_only=True)
class HeadFigures:
    """What the engines print of one [yolo] after a batch.

    Attributes:
        layer: its index in the cfg.
        cost: its share of the loss that the engine prints, summed over the pictures.
        count: boxes that were given an object; without any, the means are NaN.
        iou: mean IoU of these with their objects.
        category: mean score of their classes.
        objectness: their mean objectness.
        no_objectness: mean objectness of all boxes.
        recall50: part of them whose IoU is above 0.5.
        recall75: above 0.75.
    """

    layer: int
    cost: float
    count: int
    iou: float
    category: float
    objectness: float
    no_objectness: float
    recall50: float
    recall75: float


class Objects(NamedTuple):
    """The objects of a batch, picture by picture.

    Attributes:
        counts: how many each picture has.
        label: the class of each (S,).
        box: (4, S) float32, in parts of the network's input.
    """

    counts: list[int]
    label: Tensor
    box: Tensor


class _Pairs(NamedTuple):
    """Boxes of a map with an object for each."""

    cell: Tensor  # (4, M): picture, anchor of the map, row, column
    box: Tensor  # (4, M)
    truth: Tensor  # (4, M)
    label: Tensor  # (M,)


def delta_of(head: HeadLoss, raw: Tensor, objects: Objects) -> tuple[Tensor, HeadFigures]:
    """A layer's ``delta`` for a raw map, and what the engine says of it.

    Args:
        head: the layer.
        raw: (N, anchors * (5 + classes), h, w) float32, what the layer receives.
        objects: of the N pictures, on the same device.
    """
    return _Batch(head, raw, objects).run()


class _Batch:
    """One map on the way to its delta. Both are (N, anchors, values, h, w) here."""

    def __init__(self, head: HeadLoss, raw: Tensor, objects: Objects) -> None:
        self.head, self.options, self.objects = head, head.options, objects
        self.accumulates = DIALECTS[head.dialect].yolo_accumulates
        layer = head.layer
        self.out = by_anchor(layer.values(raw, head.dialect), layer.anchor_count)
        self.delta = torch.zeros_like(self.out)
        rows, columns = self.out.shape[3:]
        self.grid = raw.new_tensor([columns, rows])
        self.size = (self.grid * raw.new_tensor(head.stride)).round()
        # All that heads may use, in pixels; absent ones are 0.5: pj yolo_layer.c:44.
        count = max(layer.num, *(index + 1 for index in layer.used_mask))
        anchors = raw.new_tensor([*layer.anchors, *[0.5] * 2 * count])
        self.anchors = anchors[: 2 * count].reshape(count, 2)
        self.mask = torch.tensor(layer.used_mask, device=raw.device)
        self.weights = raw.new_tensor(head.options.class_weights or [1.0] * layer.classes)

    def run(self) -> tuple[Tensor, HeadFigures]:
        """The delta, and what the engine says of it."""
        overlap, nearest = self._nearest()
        self._ask_for_no_object(overlap)
        self._ask(nearest, own=False)
        pairs = self._assigned()
        for turn in _turns(pairs.cell, self.out.shape):
            self._ask(_Pairs(*(part[..., turn] for part in pairs)), own=True)
        if self.options.iou_thresh < 1:
            self._average()
        return self.delta.flatten(1, 2), self._figures(pairs)

    def _boxes(self, cell: Tensor) -> Tensor:
        """The boxes of some cells, in parts of the input: pj yolo_layer.c:83, AB :131."""
        picture, anchor, row, column = cell
        values = self.out[picture, anchor, :4, row, column]
        centre = (torch.stack([column, row], 1) + values[:, :2]) / self.grid
        sides = self.head.layer.sides(values[:, 2:].double(), in_torch())
        sides = sides * self.anchors[self.mask[anchor]]
        return torch.cat([centre, (sides / self.size).float()], 1).T

    def _nearest(self) -> tuple[Tensor, _Pairs]:
        """The largest IoU of each box, and the objects of those above ``truth_thresh``.

        The first is (N, anchors, h, w): pj yolo_layer.c:162, AB :424.
        """
        score = self.out[:, :, 4]
        boxes = self._boxes(torch.ones_like(score).nonzero().T).reshape(4, *score.shape)
        overlap, number = torch.zeros_like(score), torch.zeros_like(score, dtype=torch.long)
        first = 0
        for picture, truth in enumerate(torch.split(self.objects.box, self.objects.counts, 1)):
            if truth.numel():
                every = iou(boxes[:, picture, ..., None], truth[:, None, None, None])
                overlap[picture], number[picture] = every.max(-1)
                number[picture] += first
                first += truth.shape[1]
        near = overlap > self.options.truth_thresh
        return overlap, self._pairs(near.nonzero().T, number[near])

    def _pairs(self, cell: Tensor, number: Tensor) -> _Pairs:
        objects = self.objects
        return _Pairs(cell, self._boxes(cell), objects.box[:, number], objects.label[number])

    def _assigned(self) -> _Pairs:
        """The boxes that are to find an object, in the order in which the engine has them.

        They are in the object's cell: that of the anchor whose shape is nearest, and with
        ``iou_thresh`` all of a near shape; of the anchors of all heads, those of this one. Pj
        yolo_layer.c:195, AB :505.
        """
        truth, total = self.objects.box, self.head.layer.num
        sides = (self.anchors[:total] / self.size).T
        shapes = torch.cat([torch.zeros_like(sides), sides])
        true_shapes = torch.cat([torch.zeros_like(truth[2:]), truth[2:]])
        overlap = iou(shapes[:, None], true_shapes[..., None])
        chosen = F.one_hot(overlap.argmax(1), total).bool()
        chosen |= overlap > self.options.iou_thresh
        here = self.mask == torch.arange(total, device=truth.device)[:, None]
        number, anchor = (chosen & here.any(1)).nonzero().unbind(1)
        counts = torch.tensor(self.objects.counts, device=truth.device)
        picture = torch.arange(len(counts), device=truth.device).repeat_interleave(counts)
        column, row = (truth[:2] * self.grid[:, None]).long()
        own = here.int().argmax(1)
        cell = torch.stack([picture[number], own[anchor], row[number], column[number]])
        return self._pairs(cell, number)

    def _ask_for_no_object(self, overlap: Tensor) -> None:
        """Of all boxes, but for those that are near an object: pj yolo_layer.c:178, AB :454."""
        options, score = self.options, self.out[:, :, 4]
        none = options.obj_normalizer * (0 - score)
        near = overlap > options.ignore_thresh
        if self.accumulates:
            near &= (self.out[:, :, 5:] > LIKELY).any(2)
        instead = torch.zeros_like(none)
        if options.objectness_smooth:
            instead = options.obj_normalizer * (overlap - score)
            near &= instead > none
        self.delta[:, :, 4] = torch.where(near, instead, none)

    def _ask(self, pairs: _Pairs, *, own: bool) -> None:
        """Ask boxes, none of them twice, for their objects; ``own`` are those of ``_assigned``."""
        picture, anchor, row, column = pairs.cell
        out = self.out[picture, anchor, :, row, column]
        delta = self.delta[picture, anchor, :, row, column]
        weight = self.weights[pairs.label]
        wanted = self._wanted_box(pairs, out[:, :4], weight)
        delta[:, :4] = delta[:, :4] + wanted if self.accumulates else wanted
        smooth, square = self.options.objectness_smooth, iou(pairs.box, pairs.truth).square()
        goal = square if smooth and not own else torch.ones_like(square)
        factor = self.options.obj_normalizer * (weight if own else 1)
        objectness = factor * (goal - out[:, 4])
        if smooth and own:  # AB yolo_layer.c:568: one that is not 0 stays as it is
            objectness = torch.where(delta[:, 4] == 0, objectness, delta[:, 4])
        delta[:, 4] = objectness
        delta[:, 5:] = self._wanted_classes(pairs.label, out[:, 5:], delta[:, 5:], weight)
        if smooth and not own:
            label = 5 + pairs.label[:, None]
            delta.scatter_(1, label, weight[:, None] * (square[:, None] - out.gather(1, label)))
        self.delta[picture, anchor, :, row, column] = delta

    def _wanted_box(self, pairs: _Pairs, values: Tensor, weight: Tensor) -> Tensor:
        """(M, 4): pj yolo_layer.c:93, AB :173."""
        factor = (self.options.iou_normalizer * weight)[:, None]
        if self.options.iou_loss == "mse":
            scale = (2 - pairs.truth[2] * pairs.truth[3])[:, None]
            return scale * (self._values_of(pairs) - values) * factor
        wanted = ascent(pairs.box, pairs.truth, self.options.iou_loss).T
        if not self.head.layer.new_coords:
            wanted[:, 2:] = (wanted[:, 2:] * values[:, 2:].double().exp()).float()
        wanted = (wanted * factor).nan_to_num(0, 0, 0)
        return wanted.clamp(-self.options.max_delta, self.options.max_delta)

    def _values_of(self, pairs: _Pairs) -> Tensor:
        """What (M, 4) gives the box of an object: AB yolo_layer.c:193."""
        _, anchor, row, column = pairs.cell
        centre, sides = pairs.truth[:2].T, pairs.truth[2:].T
        place = centre * self.grid - torch.stack([column, row], 1)
        pixels, anchors = sides * self.size, self.anchors[self.mask[anchor]]
        if self.head.layer.new_coords:
            return torch.cat([place, (pixels / (4 * anchors)).sqrt()], 1)
        return torch.cat([place, (pixels / anchors).double().log().float()], 1)

    def _wanted_classes(self, label: Tensor, out: Tensor, before: Tensor, weight: Tensor) -> Tensor:
        """(M, classes): pj yolo_layer.c:111, AB :308.

        A box that has had an object already learns the new class alone. It shows by a delta that
        is not 0: of that class, or of class 0 where the engine does not accumulate.
        """
        options, label = self.options, label[:, None]
        eps = options.label_smooth_eps
        true = torch.zeros_like(out).scatter_(1, label, 1)
        wanted = true * (1 - eps) + 0.5 * eps - out
        again = before.scatter(1, label, weight[:, None] * wanted.gather(1, label))
        if options.counters_per_class:
            factor = (weight * options.cls_normalizer)[:, None]
            wanted = wanted.scatter(1, label, factor * wanted.gather(1, label))
        sign = before.gather(1, label) if self.accumulates else before[:, :1]
        return torch.where(sign != 0, again, wanted)

    def _average(self) -> None:
        """What is asked of a box, by how many classes should grow: AB yolo_layer.c:291, 638."""
        classes = (self.delta[:, :, 5:] > 0).sum(2).clamp(min=1)
        some = self.delta[:, :, 4] != 0
        self.delta[:, :, :4] /= torch.where(some, classes, 1)[:, :, None]

    def _figures(self, pairs: _Pairs) -> HeadFigures:
        picture, anchor, row, column = pairs.cell
        out = self.out[picture, anchor, :, row, column]
        overlap, count = iou(pairs.box, pairs.truth), len(pairs.label)

        def mean(values: Tensor) -> float:
            return values.double().mean().item() if count else nan

        return HeadFigures(
            layer=self.head.index,
            cost=self._cost(pairs, overlap),
            count=count,
            iou=mean(overlap),
            category=mean(out.gather(1, 5 + pairs.label[:, None])),
            objectness=mean(out[:, 4]),
            no_objectness=self.out[:, :, 4].double().mean().item(),
            recall50=mean(overlap > 0.5),
            recall75=mean(overlap > 0.75),
        )

    def _cost(self, pairs: _Pairs, overlap: Tensor) -> float:
        """Pj yolo_layer.c:238, AB :859-919."""
        options, squares = self.options, self.delta.double().square()
        if options.iou_loss == "mse" or not options.show_details:
            return squares.sum().item()
        if options.iou_loss == "giou":
            overlap = giou(pairs.box, pairs.truth)
        lost = (1 - overlap).double().mean().item() if len(overlap) else 0.0
        rest = squares[:, :, 4:].sum().item()
        return options.iou_normalizer * lost + options.obj_normalizer * rest


def _turns(cell: Tensor, shape: Sequence[int]) -> Iterator[Tensor]:
    """Indices of boxes, no box twice in one turn, and those that are there again in later ones."""
    picture, anchor, row, column = cell
    slots = ((picture * shape[1] + anchor) * shape[3] + row) * shape[4] + column
    slots, order = slots.sort(stable=True)
    turn = torch.arange(len(slots), device=slots.device) - torch.searchsorted(slots, slots)
    for number in range(int(turn.max()) + 1 if len(turn) else 0):
        yield order[turn == number]
