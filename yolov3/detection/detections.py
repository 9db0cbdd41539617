"""What detect() and classify() answer, in arrays of NumPy's."""

from __future__ import annotations

import base64
import io
import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple, overload

import numpy as np
import numpy.typing as npt

from converter.errors import ExtraError, ImageError, UsageError
from converter.notebook import table
from converter.records import dataclass
from yolov3.detection.draw import draw
from yolov3.detection.image import Floats, Picture, Pixels, Raster, read

if TYPE_CHECKING:
    import supervision
    from PIL import Image

NAMED = 5  # in a repr
ROWS = 20  # in a notebook
SHOWN = 640  # pixels of a picture there


class Detection(NamedTuple):
    """One of ``Detections``.

    Attributes:
        name: the class.
        score: 0..1.
        box: left, top, right, bottom in pixels of the picture.
        label: the class, counted from 0.
    """

    name: str
    score: float
    box: tuple[float, float, float, float]
    label: int


@dataclass(frozen=True, eq=False, kw_only=True, repr=False)
class Detections:
    """What is on one picture, by falling score. A box stands once for each of its labels.

    It is a sequence: ``found[0]`` is a ``Detection``, and ``found[:3]``, ``found[found.scores >
    0.5]`` and ``found[[2, 0]]`` are ``Detections``.

    Attributes:
        boxes: (N, 4) float32: left, top, right, bottom in pixels of the picture. They are not
            clipped to it, as Darknet's are not; ``clip`` does.
        scores: (N,) float32, 0..1: objectness times class score.
        labels: (N,) int64: the class, counted from 0.
        names: (N) class names; the numbers if the checkpoint has no names.
        size: (width, height) of the picture in pixels; None if it is not known.
        picture: what ``detect`` was given, which is not copied: its path, the PIL image, or the
            array as RGB; None if it is not known.
    """

    boxes: Floats
    scores: Floats
    labels: npt.NDArray[np.int64]
    names: tuple[str, ...]
    size: tuple[int, int] | None = None
    picture: Picture | None = None

    def __len__(self) -> int:
        return len(self.names)

    def __iter__(self) -> Iterator[Detection]:
        boxes, scores = map(tuple, self.boxes.tolist()), self.scores.tolist()
        return map(Detection, self.names, scores, boxes, self.labels.tolist())

    @overload
    def __getitem__(self, at: int) -> Detection: ...
    @overload
    def __getitem__(self, at: slice | npt.ArrayLike) -> Detections: ...
    def __getitem__(self, at: Any) -> Detection | Detections:
        """One by its number; several by a slice, numbers, or a mask of N truth values."""
        if isinstance(at, int | np.integer):
            left, top, right, bottom = self.boxes[at].tolist()
            box = (left, top, right, bottom)
            return Detection(self.names[at], float(self.scores[at]), box, int(self.labels[at]))
        numbers = np.arange(len(self))
        # An empty list is an array of floats to NumPy.
        chosen = numbers[at if isinstance(at, slice) or len(at) else []]
        return replace(
            self,
            boxes=self.boxes[chosen],
            scores=self.scores[chosen],
            labels=self.labels[chosen],
            names=tuple(self.names[i] for i in chosen.tolist()),
        )

    def __repr__(self) -> str:
        return f"Detections({_listed(self.names, self.scores)})"

    def _repr_html_(self) -> str:
        """The picture, if it can still be read, and a table."""
        rows = [
            (each.name, f"{each.score:.1%}", ", ".join(f"{side:.0f}" for side in each.box))
            for each in self[:ROWS]
        ]
        if len(self) > ROWS:
            rows.append((f"and {len(self) - ROWS} more", "", ""))
        try:
            shown = _as_html(self.draw())
        except (ExtraError, ImageError, UsageError):
            shown = ""
        return shown + table(rows, ("name", "score", "left, top, right, bottom"))

    def draw(self, picture: Picture | None = None) -> Image.Image:
        """A copy of the picture with the boxes and their labels on it.

        Args:
            picture: a path, a PIL image or an array in RGB order; default: ``self.picture``.

        Raises:
            UsageError: no picture is known.
            ImageError: it cannot be read (any more).
            ExtraError: Pillow is not installed.
        """
        pixels = self._pixels(picture)
        if isinstance(pixels, Raster):
            pixels = pixels[:, :]  # else a PIL image that was given would itself be drawn on
        return draw(pixels, self)

    def crop(self, picture: Picture | None = None) -> list[Image.Image]:
        """What is in each box, cut out of the picture, whole pixels.

        Args:
            picture: as for ``draw``.

        Raises:
            UsageError: no picture is known; or a box is beside it (``clip`` leaves such out).
            ImageError: it cannot be read (any more).
            ExtraError: Pillow is not installed.
        """
        pixels = self._pixels(picture)
        height, width = pixels.shape[:2]
        parts = []
        boxes = self.boxes.clip(0, np.array([width, height] * 2, np.float32))
        for i, (left, top, right, bottom) in enumerate(boxes.tolist()):
            # Not the other way round: a box that is no number is on no picture, either.
            if not (left < right and top < bottom):
                raise UsageError(
                    f"detection {i} has nothing on the picture of {width}x{height} pixels",
                    remedy="clip() leaves such boxes out",
                )
            rows = slice(math.floor(top), math.ceil(bottom))
            part = pixels[rows, math.floor(left) : math.ceil(right)]
            parts.append(draw(part, ()))
        return parts

    def clip(self, width: int | None = None, height: int | None = None) -> Detections:
        """With the parts of the boxes that are on the picture; those beside it are left out.

        Args:
            width: of the picture in pixels; default: ``self.size``.
            height: likewise.

        Raises:
            UsageError: the size is not known.
        """
        if width is None or height is None:
            if self.size is None or (width is None) != (height is None):
                raise UsageError(
                    "the picture's size is not known", remedy="give both: clip(width, height)"
                )
            width, height = self.size
        boxes = self.boxes.clip(0, np.array([width, height] * 2, np.float32))
        clipped = replace(self, boxes=boxes, size=(width, height))
        return clipped[(boxes[:, :2] < boxes[:, 2:]).all(axis=1)]

    def to_dict(self) -> dict[str, Any]:
        """As an entry of ``detect --json``, in types that JSON has."""
        width, height = self.size or (None, None)
        return {
            "width": width,
            "height": height,
            "detections": [
                {"class": each.label, "label": each.name, "score": each.score,
                 "box": list(each.box)}
                for each in self
            ],
        }  # fmt: skip

    def _pixels(self, picture: Picture | None) -> Pixels:
        picture = self.picture if picture is None else picture
        if picture is None:
            raise UsageError("no picture is known", remedy="give it")
        grey = isinstance(picture, np.ndarray) and picture.shape[2:] == (1,)
        return read(picture, 1 if grey else 3)

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
            for _, score, (left, top, right, bottom), label in self
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
            ) from None
        return supervision.Detections(
            xyxy=self.boxes,
            confidence=self.scores,
            class_id=self.labels,
            data={"class_name": np.array(self.names, dtype=str)},
        )


@dataclass(frozen=True, eq=False, kw_only=True, repr=False)
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

    def __repr__(self) -> str:
        return f"Classes({_listed(self.names, self.scores)})"

    def _repr_html_(self) -> str:
        rows = zip(self.names, (f"{score:.1%}" for score in self.scores.tolist()), strict=True)
        return table(rows, ("name", "score"))


def _listed(names: Sequence[str], scores: Floats) -> str:
    """Names with their scores, the first few."""
    pairs = zip(names[:NAMED], scores[:NAMED].tolist(), strict=True)
    texts = [f"{name} {score:.0%}" for name, score in pairs]
    if len(names) > NAMED:
        texts.append(f"and {len(names) - NAMED} more")
    return f"{len(names)}: {', '.join(texts)}" if texts else "nothing"


def _as_html(picture: Image.Image) -> str:
    picture.thumbnail((SHOWN, SHOWN))
    content = io.BytesIO()
    picture.save(content, "JPEG", quality=90)
    data = base64.b64encode(content.getvalue()).decode()
    return f'<img alt="" src="data:image/jpeg;base64,{data}">'
