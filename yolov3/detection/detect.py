"""detect() and classify(): pictures in, what is on them out, as Darknet itself answers."""

from __future__ import annotations

import os
import typing
from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import torch
from torch import nn

from converter.darknet.dialects import DIALECTS
from converter.darknet.layers.heads import Head, MaskedHead
from converter.errors import CheckpointError, ImageError, NetworkError, UsageError
from converter.options import DETECTOR_RESIZES, Resize
from yolov3.backbone import Darknet53
from yolov3.base import FromDarknet
from yolov3.blocks import without_tf32
from yolov3.detection.decode import decode, require_boxes
from yolov3.detection.detections import Classes, Detections
from yolov3.detection.image import Picture, Pixels, read
from yolov3.detection.nms import Overlap, iou, measure, suppress
from yolov3.detection.prepare import inner_size, prepare
from yolov3.model import YOLOv3
from yolov3.neck import ArticleFPN


@typing.overload
def detect(  # type: ignore[overload-overlap]  # a str is iterable, too
    model: nn.Module, images: Picture, threshold: float = ..., nms: float = ..., *,
    resize: Resize | None = ..., batch: int = ...,
) -> Detections: ...  # fmt: skip


@typing.overload
def detect(
    model: nn.Module, images: Iterable[Picture], threshold: float = ..., nms: float = ..., *,
    resize: Resize | None = ..., batch: int = ...,
) -> list[Detections]: ...  # fmt: skip
def detect(
    model: nn.Module,
    images: Picture | Iterable[Picture],
    threshold: float = 0.25,
    nms: float = 0.45,
    *,
    resize: Resize | None = None,
    batch: int = 1,
) -> Detections | list[Detections]:
    """Find what is on pictures, with the boxes and scores that Darknet gives.

    Args:
        model: what ``load`` returned, or that fused, cast, compiled, on any device.
        images: a path, a PIL image, an array (H, W, 3) of uint8 in RGB order, or several of them.
            Only a file is turned by its EXIF orientation.
        threshold: 0..1; what scores above it is reported. Darknet's own default is 0.25 in
            AlexeyAB's and 0.5 in pjreddie's.
        nms: if two boxes of a class have an intersection over union above it, only the likelier
            one stays; 0 keeps both.
        resize: how a picture becomes the network's input; default: as the engine does it whose
            checkpoint this is. pjreddie's keeps the picture's shape ("letterbox"); AlexeyAB's does
            not ("stretch"), unless the cfg says letter_box=1; for YOLOv1 neither does. hank-ai's
            stretches as OpenCV does ("opencv").
        batch: how many pictures to compute at once; on the CPU more gain little.

    Returns:
        For one picture its ``Detections``, for several a list of them, on the CPU.

    Raises:
        UsageError: an argument, or a model, that cannot be meant.
        ImageError: a picture that cannot be read.
        CheckpointError: the model is not whole.
        NetworkError: the network is no detector, or computes values that are no numbers.
    """
    find = Detector(model, threshold, nms, resize)
    pictures, several = _listed(images)
    found = [
        detections
        for part in _parts(pictures, batch)
        for detections in find([find.read(picture) for picture in part])
    ]
    return found if several else found[0]


@typing.overload
def classify(  # type: ignore[overload-overlap]  # a str is iterable, too
    model: nn.Module, images: Picture, top: int = ..., *,
    resize: Resize | None = ..., batch: int = ...,
) -> Classes: ...  # fmt: skip
@typing.overload
def classify(
    model: nn.Module, images: Iterable[Picture], top: int = ..., *,
    resize: Resize | None = ..., batch: int = ...,
) -> list[Classes]: ...  # fmt: skip
@torch.inference_mode()
def classify(
    model: nn.Module,
    images: Picture | Iterable[Picture],
    top: int = 5,
    *,
    resize: Resize | None = None,
    batch: int = 1,
) -> Classes | list[Classes]:
    """The likeliest classes of pictures, with the scores that Darknet gives.

    Args:
        model: a classifier that ``load`` returned, or that fused, cast, compiled, on any device.
        images: as for ``detect``.
        top: how many classes to return.
        resize: default: pjreddie's engine fills up with grey ("letterbox", examples/classifier.c
            :589), AlexeyAB's cuts off what is too much ("crop", classifier.c:871).
        batch: how many pictures to compute at once; on the CPU more gain little.

    Returns:
        For one picture its ``Classes``, for several a list of them, on the CPU.

    Raises:
        UsageError, ImageError, CheckpointError, NetworkError: as ``detect``; a detector is no
        classifier.
    """
    loaded = _loaded(model)
    _require_classifier(loaded)
    usual: Resize = DIALECTS[loaded.dialect].classifier_resize
    how = _resize(resize, usual, (*DETECTOR_RESIZES, "crop"))
    if top < 1:
        raise UsageError(f"top={top} must be at least 1")
    channels = loaded.network.input.c
    pictures, several = _listed(images)
    found: list[Classes] = []
    for part in _parts(pictures, batch):
        x = _input(loaded, [read(picture, channels) for picture in part], how)
        with without_tf32():
            scores = _class_scores(model, loaded, x).flatten(1).float().cpu()
        names = loaded.names or ()
        # A cfg that ends without [softmax] has no classes to count.
        if len(names) != scores.shape[1]:
            names = [str(label) for label in range(scores.shape[1])]
        best, labels = scores.topk(min(top, scores.shape[1]))
        found += [
            Classes(
                scores=best[i], labels=labels[i], names=tuple(names[k] for k in labels[i].tolist())
            )
            for i in range(len(part))
        ]
    return found if several else found[0]


class Detector:
    """A model made ready to find things: ``detect`` for those who have the pixels already.

    Arguments and errors are those of ``detect``.

    Attributes:
        names: of the network's classes; their numbers if the checkpoint has no names.
    """

    def __init__(
        self, model: nn.Module, threshold: float, nms: float, resize: Resize | None = None
    ) -> None:
        for name, value in (("threshold", threshold), ("nms", nms)):
            if not 0 <= value <= 1:
                raise UsageError(f"{name}={value} is outside 0 to 1")
        loaded = _loaded(model)
        self._heads = loaded.network.outputs
        require_boxes(self._heads, loaded.dialect)
        self._model, self._loaded = model, loaded
        classes = loaded.network.classes or 0
        self.names = tuple(loaded.names or map(str, range(classes)))
        self._threshold, self._nms = threshold, nms
        self._how = _resize(resize, usual_resize(loaded), DETECTOR_RESIZES)
        self._overlap: Overlap = iou
        last = self._heads[-1].layer
        if DIALECTS[loaded.dialect].nms_kinds and isinstance(last, MaskedHead):
            self._overlap = measure(last.nms_kind, last.beta_nms)

    def read(self, picture: Picture) -> Pixels:
        """The pixels (H, W, channels) of a picture that this network can use.

        Raises:
            ImageError, UsageError: it cannot be read, or used.
        """
        shape = self._loaded.network.input
        pixels = read(picture, shape.c)
        if self._how == "letterbox":
            try:
                inner_size(pixels.shape[:2], shape.h, shape.w)
            except ImageError as error:
                error.path = os.fspath(picture) if isinstance(picture, str | os.PathLike) else None
                raise
        return pixels

    @torch.inference_mode()
    def __call__(self, pictures: Sequence[Pixels]) -> list[Detections]:
        """What is on each of ``pictures``, (H, W, channels) of any size, computed at once."""
        x = _input(self._loaded, pictures, self._how)
        with without_tf32():
            maps = self._loaded.network.in_file_order(self._model(x))
        for head, raw in zip(self._heads, maps, strict=True):
            if raw[0].numel() != head.output.outputs:
                raise NetworkError("gets a map of another size than its cfg says", place=head.place)
        size = (x.shape[2], x.shape[3])
        decoded = decode(self._heads, maps, size, self._threshold, self._loaded.dialect)
        return [
            self._choose(boxes, scores, picture.shape, size)
            for picture, (boxes, scores) in zip(pictures, decoded, strict=True)
        ]

    def _choose(
        self,
        boxes: torch.Tensor,
        scores: torch.Tensor,
        shape: tuple[int, ...],
        size: tuple[int, int],
    ) -> Detections:
        """Boxes in parts of the input -> those that stay, in pixels: pj yolo_layer.c:246."""
        if self._how == "letterbox":
            inner = inner_size(shape[:2], *size)
            share = torch.tensor([inner[1] / size[1], inner[0] / size[0]], dtype=torch.float64)
            boxes = torch.cat([(boxes[:, :2] - (1 - share) / 2) / share, boxes[:, 2:] / share], 1)
        # Darknet keeps and compares boxes and scores as floats.
        relative, probabilities = boxes.float(), scores.float()
        if not relative.isfinite().all():
            raise NetworkError(
                "gives boxes that are infinite or no numbers",
                remedy="the weights are damaged, or not for this network",
            )
        where, labels = suppress(relative.numpy(), probabilities.numpy(), self._nms, self._overlap)
        pixels = relative[where].double() * torch.tensor([shape[1], shape[0]] * 2)
        xy, wh = pixels[:, :2], pixels[:, 2:]
        corners = torch.cat([xy - wh / 2, xy + wh / 2], 1)
        if DIALECTS[self._loaded.dialect].clips:
            corners = corners.clamp(torch.zeros(4), torch.tensor([shape[1], shape[0]] * 2))
        chosen = torch.from_numpy(labels)
        return Detections(
            boxes=corners.float(),
            scores=probabilities[where, chosen],
            labels=chosen,
            names=tuple(self.names[label] for label in labels.tolist()),
        )


def _loaded(model: nn.Module) -> FromDarknet:
    """``model`` itself, which must be a whole one from a checkpoint, ready for inference.

    Raises:
        UsageError, CheckpointError: it is not.
    """
    # torch.compile(model) is a shell around it
    loaded = getattr(model, "_orig_mod", model)
    if not isinstance(loaded, FromDarknet) or not hasattr(loaded, "network"):
        raise UsageError("the model comes from no checkpoint", remedy="get it from load()")
    if loaded.training:
        raise UsageError("the model is in training mode", remedy="call model.eval()")
    if isinstance(loaded, YOLOv3) and isinstance(loaded.fpn, ArticleFPN):
        raise CheckpointError(
            "has the article's wiring, which Darknet's weights do not fill",
            remedy="convert with --family yolov3",
        )
    if loaded.missing:
        raise CheckpointError(
            f"fills its model only in part: {len(loaded.missing)} tensors are missing",
            remedy="use the weights of the whole network",
        )
    return loaded


def usual_resize(loaded: FromDarknet) -> Resize:
    """How the engine that wrote the checkpoint makes a detector's input of a picture."""
    last = loaded.network.outputs[-1].layer
    if isinstance(last, Head) and last.stretches:
        return "stretch"
    dialect = DIALECTS[loaded.dialect]
    return "letterbox" if dialect.letter_box and loaded.network.net.letter_box else dialect.resize


def _resize(choice: Resize | None, usual: Resize, possible: tuple[Resize, ...]) -> Resize:
    if choice is not None and choice not in possible:
        raise UsageError(f"resize={choice!r} cannot be used here", remedy=f"use one of {possible}")
    return choice or usual


def _input(loaded: FromDarknet, pictures: Sequence[Pixels], how: Resize) -> torch.Tensor:
    """(N, channels, height, width) on the model's device, pixel by pixel in memory."""
    shape = loaded.network.input
    stacked = np.stack([prepare(picture, shape.h, shape.w, how) for picture in pictures])
    # The model's convolutions are faster on channels that lie side by side (channels_last).
    x = torch.from_numpy(stacked).permute(0, 3, 1, 2)
    like = next(loaded.parameters(), x)
    return x.to(device=like.device, dtype=like.dtype)


def _require_classifier(loaded: FromDarknet) -> None:
    problem = None
    if loaded.network.outputs[-1].layer.is_head:
        problem = "is a detector, not a classifier"
    elif isinstance(loaded, Darknet53) and not hasattr(loaded, "fc"):
        problem = "is a backbone without classifier"
    elif not isinstance(loaded, Darknet53) and loaded.network.classes is None:
        problem = "does not end with the scores of classes"
    elif any(getattr(node.layer, "tree", "") for node in loaded.network.nodes):
        problem = "sorts its classes by a word tree, which is not done here"
    if problem:
        raise NetworkError(f"the network {problem}")


def _class_scores(model: nn.Module, loaded: FromDarknet, x: torch.Tensor) -> torch.Tensor:
    if not isinstance(loaded, Darknet53):
        scores: torch.Tensor = model(x)[-1]
        return scores
    logits = loaded.classify(x)
    softmax = any(node.layer.type == "softmax" for node in loaded.network.nodes)
    return logits.softmax(1) if softmax else logits


def _listed(images: Picture | Iterable[Picture]) -> tuple[list[Picture], bool]:
    if isinstance(images, str | os.PathLike | np.ndarray) or not isinstance(images, Iterable):
        return [images], False
    return list(images), True


def _parts(pictures: Sequence[Picture], batch: int) -> Iterator[Sequence[Picture]]:
    if batch < 1:
        raise UsageError(f"batch={batch} must be at least 1")
    return (pictures[i : i + batch] for i in range(0, len(pictures), batch))
