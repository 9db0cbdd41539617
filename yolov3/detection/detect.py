"""detect(): pictures in, what is on them out, as Darknet itself answers."""

from __future__ import annotations

import os
import typing
from collections.abc import Iterable, Sequence
from dataclasses import replace
from difflib import get_close_matches

import numpy as np

from converter.darknet.dialects import DIALECTS
from converter.darknet.layers.heads import MaskedHead
from converter.errors import NetworkError, UsageError, some
from converter.options import DETECTOR_RESIZES, Resize
from yolov3.detection.decode import Doubles, Runner, decode, require_boxes
from yolov3.detection.detections import Detections
from yolov3.detection.image import Picture, Pixels, image_errors, read
from yolov3.detection.nms import Overlap, iou, measure, suppress, suppress_all
from yolov3.detection.prepare import choose, inner_size, prepare_all, usual_resize

if typing.TYPE_CHECKING:
    from torch import nn


@typing.overload
def detect(  # type: ignore[overload-overlap]  # a str is iterable, too
    model: nn.Module | Runner, images: Picture, threshold: float = ...,
    nms: float = ..., *, classes: Iterable[str | int] | None = ..., agnostic: bool = ...,
    max_boxes: int | None = ..., resize: Resize | None = ..., batch: int = ..., bgr: bool = ...,
) -> Detections: ...  # fmt: skip


@typing.overload
def detect(
    model: nn.Module | Runner, images: Iterable[Picture], threshold: float = ...,
    nms: float = ..., *, classes: Iterable[str | int] | None = ..., agnostic: bool = ...,
    max_boxes: int | None = ..., resize: Resize | None = ..., batch: int = ..., bgr: bool = ...,
) -> list[Detections]: ...  # fmt: skip
def detect(
    model: nn.Module | Runner,
    images: Picture | Iterable[Picture],
    threshold: float = 0.25,
    nms: float = 0.45,
    *,
    classes: Iterable[str | int] | None = None,
    agnostic: bool = False,
    max_boxes: int | None = None,
    resize: Resize | None = None,
    batch: int = 1,
    bgr: bool = False,
) -> Detections | list[Detections]:
    """Find what is on pictures, with the boxes and scores that Darknet gives.

    Args:
        model: what ``load`` returned, or that fused, cast, compiled, on any device; or an
            ``OnnxModel``.
        images: a path, a PIL image, an array (H, W, 3) of uint8 in RGB order, or several of them.
            Only a file is turned by its EXIF orientation.
        threshold: 0..1; what scores above it is reported. Darknet's own default is 0.25 in
            AlexeyAB's and 0.5 in pjreddie's.
        nms: if two boxes of a class have an intersection over union above it, only the likelier
            one stays; 0 keeps both.
        classes: names, or numbers from 0, of those that are looked for; default: all. Boxes of
            others are gone before any two are compared.
        agnostic: of two boxes of any classes only the likelier one stays, and of a box only its
            likeliest class. Darknet's own rule is by class.
        max_boxes: how many stay at most on a picture, the likeliest; default: all.
        resize: how a picture becomes the network's input; default: as the engine does it whose
            checkpoint this is. pjreddie's keeps the picture's shape ("letterbox"); AlexeyAB's does
            not ("stretch"), unless the cfg says letter_box=1; for YOLOv1 neither does. hank-ai's
            stretches as OpenCV does ("opencv").
        batch: how many pictures to compute at once; on the CPU more gain little.
        bgr: whether arrays are in BGR order, as OpenCV's are.

    Returns:
        For one picture its ``Detections``, for several a list of them.

    Raises:
        UsageError: an argument, or a model, that cannot be meant.
        ImageError: a picture that cannot be read.
        CheckpointError: the model is not whole.
        NetworkError: the network is no detector, or computes values that are no numbers.
    """
    find = Detector(
        runner_of(model),
        threshold,
        nms,
        resize,
        classes=classes,
        agnostic=agnostic,
        max_boxes=max_boxes,
    )
    parts, several = in_parts(images, batch)
    found = []
    for part in parts:
        pixels = [find.read(picture, bgr=bgr) for picture in part]
        for picture, values, detections in zip(part, pixels, find(pixels), strict=True):
            # Arrays as they were understood; of a file its name, not all that is in it.
            known = values if isinstance(values, np.ndarray) else picture
            found.append(replace(detections, picture=known))
    return found if several else found[0]


class Detector:
    """A network made ready to find things: ``detect`` for those who have the pixels already.

    Arguments and errors are those of ``detect``.

    Attributes:
        names: of the network's classes; their numbers if the checkpoint has no names.
    """

    def __init__(
        self,
        runner: Runner,
        threshold: float,
        nms: float,
        resize: Resize | None = None,
        *,
        classes: Iterable[str | int] | None = None,
        agnostic: bool = False,
        max_boxes: int | None = None,
    ) -> None:
        for name, value in (("threshold", threshold), ("nms", nms)):
            if not 0 <= value <= 1:
                raise UsageError(f"{name}={value} is outside 0 to 1")
        if max_boxes is not None and max_boxes < 1:
            raise UsageError(f"max_boxes={max_boxes} must be at least 1")
        network, dialect = runner.network, runner.dialect
        self._heads = network.outputs
        require_boxes(self._heads, dialect)
        self._runner, self._channels = runner, network.input.c
        self._size = network.input.h, network.input.w
        self.names = tuple(runner.names or map(str, range(network.classes or 0)))
        self._threshold, self._nms = threshold, nms
        self._left_out = _left_out(classes, self.names)
        self._agnostic, self._max_boxes = agnostic, max_boxes
        self._how = choose(resize, usual_resize(network, dialect), DETECTOR_RESIZES)
        self._overlap: Overlap = iou
        last = self._heads[-1].layer
        if DIALECTS[dialect].nms_kinds and isinstance(last, MaskedHead):
            self._overlap = measure(last.nms_kind, last.beta_nms)

    def read(self, picture: Picture, *, bgr: bool = False) -> Pixels:
        """The pixels (H, W, channels) of a picture that this network can use.

        Raises:
            ImageError, UsageError: it cannot be read, or used.
        """
        pixels = read(picture, self._channels, bgr=bgr)
        if self._how == "letterbox":
            with image_errors(picture if isinstance(picture, str | os.PathLike) else None):
                inner_size(pixels.shape[:2], *self._size)
        return pixels

    def __call__(self, pictures: Sequence[Pixels]) -> list[Detections]:
        """What is on each of ``pictures``, (H, W, channels) of any size, computed at once."""
        maps = self._runner.maps(prepare_all(pictures, *self._size, self._how))
        decoded = decode(self._heads, maps, self._size, self._threshold, self._runner.dialect)
        return [
            self._choose(boxes, scores, picture.shape)
            for picture, (boxes, scores) in zip(pictures, decoded, strict=True)
        ]

    def _choose(self, boxes: Doubles, scores: Doubles, shape: tuple[int, ...]) -> Detections:
        """Boxes in parts of the input -> those that stay, in pixels: pj yolo_layer.c:246."""
        if self._how == "letterbox":
            share = np.divide(inner_size(shape[:2], *self._size), self._size)[::-1]
            boxes = np.hstack([(boxes[:, :2] - (1 - share) / 2) / share, boxes[:, 2:] / share])
        # Darknet keeps and compares boxes and scores as floats.
        with np.errstate(over="ignore", invalid="ignore"):
            relative, probabilities = boxes.astype(np.float32), scores.astype(np.float32)
        if not np.isfinite(relative).all():
            raise NetworkError(
                "gives boxes that are infinite or no numbers",
                remedy="the weights are damaged, or not for this network",
            )
        probabilities[:, self._left_out] = 0
        suppressed = suppress_all if self._agnostic else suppress
        where, labels = (
            kept[: self._max_boxes]
            for kept in suppressed(relative, probabilities, self._nms, self._overlap)
        )
        sides = np.array([shape[1], shape[0]] * 2, np.float64)
        pixels = relative[where] * sides
        xy, wh = pixels[:, :2], pixels[:, 2:]
        corners = np.hstack([xy - wh / 2, xy + wh / 2])
        if DIALECTS[self._runner.dialect].clips:
            corners = corners.clip(0, sides)
        return Detections(
            boxes=corners.astype(np.float32),
            scores=probabilities[where, labels],
            labels=labels.astype(np.int64),
            names=tuple(self.names[label] for label in labels.tolist()),
            size=(shape[1], shape[0]),
        )


def _left_out(classes: Iterable[str | int] | None, names: Sequence[str]) -> list[int]:
    """The classes that are not among ``classes``, which are names or numbers.

    Raises:
        UsageError: the network has no such class.
    """
    if classes is None:
        return []
    wanted: set[int] = set()
    for given in [classes] if isinstance(classes, str) else classes:
        found = [label for label, name in enumerate(names) if name == given]
        if not found and str(given).isdecimal() and int(given) < len(names):
            found = [int(given)]
        if not found:
            near = get_close_matches(str(given), names, 1)
            raise UsageError(
                f"{given!r} is no class of the network, whose classes are {some(names)}",
                remedy=f"is {near[0]!r} meant?" if near else f"or 0 to {len(names) - 1}",
            )
        wanted.update(found)
    return [label for label in range(len(names)) if label not in wanted]


def runner_of(model: nn.Module | Runner) -> Runner:
    """What computes a model's maps: itself, if it is no PyTorch model."""
    if isinstance(model, Runner):
        return model
    from yolov3.detection.in_torch import TorchModel  # late: it needs PyTorch

    return TorchModel(model)


def in_parts(images: Picture | Iterable[Picture], batch: int) -> tuple[list[list[Picture]], bool]:
    """The pictures that a caller gave, so many at a time; and whether they are several by form.

    Raises:
        UsageError: ``batch`` is below 1.
    """
    if batch < 1:
        raise UsageError(f"batch={batch} must be at least 1")
    if isinstance(images, str | os.PathLike | np.ndarray) or not isinstance(images, Iterable):
        return [[images]], False
    pictures = list(images)
    return [pictures[i : i + batch] for i in range(0, len(pictures), batch)], True
