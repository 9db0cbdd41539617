"""What detect() and classify() answer, in arrays of NumPy's."""

from __future__ import annotations

import typing
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from converter.errors import ExtraError
from yolov3.detection.image import Floats

if typing.TYPE_CHECKING:
    import supervision

# A class with a name that begins so is neither drawn nor printed, and measured all the same:
# AlexeyAB/darknet@59596d7 src/image.c:306, src/network.c:1032.
HIDDEN = "dont_show"


@dataclass(frozen=True, eq=False, kw_only=True)
class Detections:
    """What is on one picture, by falling score. A box stands once for each of its labels.

    Attributes:
        boxes: (N, 4) float32: left, top, right, bottom in pixels of the picture. They are not
            clipped to it, as Darknet's are not.
        scores: (N,) float32, 0..1: objectness times class score.
        labels: (N,) int64: the class, counted from 0.
        names: (N) class names; the numbers if the checkpoint has no names.
    """

    boxes: Floats
    scores: Floats
    labels: npt.NDArray[np.int64]
    names: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.names)

    def to_coco(
        self, image_id: int, categories: Sequence[int] | None = None
    ) -> list[dict[str, Any]]:
        """As entries of a COCO results file.

        Args:
            image_id: the picture's id there.
            categories: the category id of each class; default: the class itself.
        """
        return [
            {
                "image_id": image_id,
                "category_id": categories[label] if categories else label,
                "bbox": [left, top, right - left, bottom - top],
                "score": score,
            }
            for (left, top, right, bottom), score, label in zip(
                self.boxes.tolist(), self.scores.tolist(), self.labels.tolist(), strict=True
            )
        ]

    def to_supervision(self) -> supervision.Detections:
        """As ``supervision.Detections``, with the names as data["class_name"].

        Raises:
            ExtraError: supervision is not installed.
        """
        try:
            import supervision
        except ModuleNotFoundError as error:
            raise ExtraError(
                f"{error.name} is not installed", remedy="pip install supervision"
            ) from error
        return supervision.Detections(
            xyxy=self.boxes,
            confidence=self.scores,
            class_id=self.labels,
            data={"class_name": np.array(self.names, dtype=str)},
        )


@dataclass(frozen=True, eq=False, kw_only=True)
class Classes:
    """The likeliest classes of one picture, by falling score.

    Attributes:
        scores: (top,) float32, what the network's last layer gives.
        labels: (top,) int64.
        names: (top) class names; the numbers if the checkpoint has no names.
    """

    scores: Floats
    labels: npt.NDArray[np.int64]
    names: tuple[str, ...]
