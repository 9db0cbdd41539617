"""classify(): pictures in, the likeliest classes out, as Darknet itself answers."""

from __future__ import annotations

import typing
from collections.abc import Iterable

import torch
from torch import nn

from converter.darknet.dialects import DIALECTS
from converter.errors import NetworkError, UsageError
from converter.options import DETECTOR_RESIZES, Resize
from yolov3.backbone import Darknet53
from yolov3.base import FromDarknet
from yolov3.blocks import without_tf32
from yolov3.detection.detect import in_parts
from yolov3.detection.detections import Classes
from yolov3.detection.image import Picture, read
from yolov3.detection.in_torch import loaded_of, to_input
from yolov3.detection.prepare import choose, prepare_all


@typing.overload
def classify(  # type: ignore[overload-overlap]  # a str is iterable, too
    model: nn.Module, images: Picture, top: int = ..., *,
    resize: Resize | None = ..., batch: int = ..., bgr: bool = ...,
) -> Classes: ...  # fmt: skip
@typing.overload
def classify(
    model: nn.Module, images: Iterable[Picture], top: int = ..., *,
    resize: Resize | None = ..., batch: int = ..., bgr: bool = ...,
) -> list[Classes]: ...  # fmt: skip
@torch.inference_mode()
def classify(
    model: nn.Module,
    images: Picture | Iterable[Picture],
    top: int = 5,
    *,
    resize: Resize | None = None,
    batch: int = 1,
    bgr: bool = False,
) -> Classes | list[Classes]:
    """The likeliest classes of pictures, with the scores that Darknet gives.

    Args:
        model: a classifier that ``load`` returned, or that fused, cast, compiled, on any device.
        images: as for ``detect``.
        top: how many classes to return.
        resize: default: pjreddie's engine fills up with grey ("letterbox", examples/classifier.c
            :589), AlexeyAB's cuts off what is too much ("crop", classifier.c:871).
        batch: how many pictures to compute at once; on the CPU more gain little.
        bgr: whether arrays are in BGR order, as OpenCV's are.

    Returns:
        For one picture its ``Classes``, for several a list of them.

    Raises:
        UsageError, ImageError, CheckpointError, NetworkError: as ``detect``; a detector is no
        classifier.
    """
    loaded = loaded_of(model)
    _require_classifier(loaded)
    usual = DIALECTS[loaded.dialect].classifier_resize
    how = choose(resize, usual, (*DETECTOR_RESIZES, "crop"))
    if top < 1:
        raise UsageError(f"top={top} must be at least 1")
    shape = loaded.network.input
    parts, several = in_parts(images, batch)
    found: list[Classes] = []
    for part in parts:
        pixels = [read(picture, shape.c, bgr=bgr) for picture in part]
        x = to_input(loaded, prepare_all(pixels, shape.h, shape.w, how))
        with without_tf32():
            scores = _class_scores(model, loaded, x).flatten(1).float().cpu()
        names = loaded.names or ()
        # A cfg that ends without [softmax] has no classes to count.
        if len(names) != scores.shape[1]:
            names = [str(label) for label in range(scores.shape[1])]
        best = scores.topk(min(top, scores.shape[1]))
        for values, labels in zip(best.values.numpy(), best.indices.numpy(), strict=True):
            likeliest = tuple(names[label] for label in labels.tolist())
            found.append(Classes(scores=values, labels=labels, names=likeliest))
    return found if several else found[0]


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
