"""Darknet's loss for models in PyTorch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from converter.errors import UsageError
from converter.records import dataclass
from yolov3.base import FromDarknet
from yolov3.training.deltas import HeadFigures, Objects, delta_of
from yolov3.training.options import head_losses


@dataclass(frozen=True, kw_only=True)
class Figures:
    """What the engine prints of a batch.

    Attributes:
        cost: the mean of the heads' costs for each picture, its "loss": pj network.c:243, 327, AB
            :317, 496. It is the sum of the squared deltas or something like it, and the delta is
            not its gradient.
        heads: those of each [yolo], fine to coarse.
    """

    cost: float
    heads: tuple[HeadFigures, ...]


class DarknetLoss:
    """What Darknet trains a detector of [yolo] heads with.

    The gradient by the raw maps is the engine's: minus the ``delta`` of its [yolo] layers (pj
    yolo_layer.c:132, AB :662), by the options of the model's cfg as that engine reads them whose
    model it is. The map of a [yolo] with ``new_coords`` is raw as well, though its convolution has
    made it logistic.

    It is summed over the pictures of a batch. Darknet divides its learning rate by their number (pj
    convolutional_layer.c:545-554): its step is ``(loss / len(pictures)).backward()`` and that of
    ``torch.optim.SGD`` with the cfg's ``learning_rate``, ``momentum`` and, for kernels, ``decay``.

    Args:
        model: what ``load`` returned, after ``replace_heads``: its cfg is read here.

    Raises:
        UsageError: the model has no cfg.
        NetworkError: a layer has another loss than that of [yolo].
        CfgError: an option has a value that it cannot have, or whose effect is not here.
    """

    def __init__(self, model: FromDarknet) -> None:
        network = getattr(model, "network", None)
        if network is None:
            raise UsageError(
                "the model comes from no checkpoint, and so has no cfg that says its anchors",
                remedy="load it from a checkpoint",
            )
        self._classes = network.classes
        self._heads = head_losses(network, model.dialect)

    def __call__(self, maps: Sequence[Tensor], targets: Sequence[Any]) -> tuple[Tensor, Figures]:
        """Loss and figures of a batch.

        Args:
            maps: what the model gives: (N, anchors * (5 + classes), h, w) of any floating type,
                fine to coarse. Pictures may have another size than the cfg says.
            targets: for each picture its objects, an array or tensor (objects, 5): class, counted
                from 0, and centre x, centre y, width, height in parts of the network's input (with
                its borders, if the picture was letterboxed). Those after the first ``max`` of the
                cfg (90 in pjreddie's, 200 in AlexeyAB's) do not count.

        Returns:
            A scalar with ``Figures.cost`` as its value, whose gradient by ``maps`` is minus the
            engine's delta; and what the engine prints.

        Raises:
            UsageError: maps or targets are not as said.
        """
        self._require_maps(maps, len(targets))
        rows = [self._rows(i, target) for i, target in enumerate(targets)]
        deltas: list[Tensor] = []
        figures: list[HeadFigures] = []
        for head, raw in zip(self._heads, maps, strict=True):
            objects = _objects([each[: head.options.max] for each in rows], raw.device)
            delta, said = delta_of(head, raw.detach().float(), objects)
            deltas.append(delta * head.options.delta_normalizer)
            figures.append(said)
        cost = sum(each.cost for each in figures) / len(figures) / len(targets)
        loss: Tensor = _Surrogate.apply(cost, deltas, *maps)  # type: ignore[no-untyped-call]
        return loss, Figures(cost=cost, heads=tuple(figures))

    def _require_maps(self, maps: Sequence[Tensor], pictures: int) -> None:
        if len(maps) != len(self._heads):
            raise UsageError(f"there are {len(maps)} maps for {len(self._heads)} [yolo] layers")
        for head, raw in zip(self._heads, maps, strict=True):
            channels = head.layer.channels(head.layer.classes)
            if raw.dim() != 4 or raw.shape[1] != channels or not raw.is_floating_point():
                raise UsageError(
                    f"the map of layer {head.index} is {raw.dtype} {tuple(raw.shape)},"
                    f" not (pictures, {channels}, h, w) of floats"
                )
            if len(raw) != pictures or not pictures:
                raise UsageError(
                    f"there are targets for {pictures} pictures, and maps of {len(raw)}"
                )

    def _rows(self, picture: int, target: Any) -> Tensor:
        rows = torch.as_tensor(target, dtype=torch.float32)
        rows = rows if rows.numel() else rows.reshape(0, 5)
        if rows.dim() != 2 or rows.shape[1] != 5:
            raise UsageError(f"targets[{picture}] is {tuple(rows.shape)}, not (objects, 5)")
        label, centre, sides = rows[:, 0], rows[:, 1:3], rows[:, 3:]
        known = (label >= 0) & (label < self._classes) & (label == label.round())
        inside = ((centre > 0) & (centre < 1) & (sides > 0) & sides.isfinite()).all(1)
        wrong = (~(known & inside)).nonzero()
        if len(wrong):
            row = int(wrong[0])
            values = ", ".join(f"{value:g}" for value in rows[row].tolist())
            raise UsageError(
                f"targets[{picture}][{row}] is {values}",
                remedy=f"give a class of 0 to {self._classes - 1}, and x, y, width, height in parts"
                " of the input, with the centre inside",
            )
        return rows


def _objects(rows: Sequence[Tensor], device: torch.device) -> Objects:
    joined = torch.cat(list(rows)).to(device)
    counts = [len(each) for each in rows]
    return Objects(counts=counts, label=joined[:, 0].long(), box=joined[:, 1:].T.contiguous())


class _Surrogate(torch.autograd.Function):
    """A number whose gradient by each map is minus its delta."""

    @staticmethod
    def forward(ctx: Any, cost: float, deltas: Sequence[Tensor], *maps: Tensor) -> Tensor:
        ctx.gradients = [-delta.to(raw.dtype) for delta, raw in zip(deltas, maps, strict=True)]
        return maps[0].new_tensor(cost, dtype=torch.float32)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        return None, None, *(gradient.to(each.dtype) * each for each in ctx.gradients)
