"""Detection heads: [yolo]."""

from dataclasses import dataclass
from typing import Any, ClassVar

from converter.layers.base import Layer, Misfit, Shape, at_least, need_image


@dataclass(frozen=True, kw_only=True)
class Yolo(Layer):
    """YOLOv3's output layer: pj yolo_layer.c, parser.c:302; AB yolo_layer.c, parser.c:457.

    ``anchors`` are (width, height) pairs in pixels of the network's input; ``mask`` names those that
    this head uses, all if absent.
    """

    type: ClassVar[str] = "yolo"
    is_head: ClassVar[bool] = True

    classes: int = 20
    num: int = 1
    mask: tuple[int, ...] = ()
    anchors: tuple[float, ...] = ()
    scale_x_y: float = 1.0
    new_coords: int = 0

    @property
    def used_mask(self) -> tuple[int, ...]:
        """Indices of this head's anchors."""
        return self.mask or tuple(range(self.num))

    @property
    def used_anchors(self) -> tuple[tuple[float, float], ...]:
        """This head's anchors: (width, height) in pixels; Darknet fills absent ones with 0.5."""
        values = [*self.anchors, *[0.5] * (2 * self.num)]
        return tuple((values[2 * i], values[2 * i + 1]) for i in self.used_mask)

    def infer(self, *shapes: Shape) -> Shape:
        """(n * (5 + classes), h, w), unchanged: pj yolo_layer.c:15 and the assert of parser.c:311."""
        shape = need_image(shapes[0])
        at_least(1, classes=self.classes, num=self.num)
        if not all(0 <= i < self.num for i in self.used_mask):
            raise Misfit(f"mask={','.join(map(str, self.mask))} is outside num={self.num} anchors")
        wanted = len(self.used_mask) * (5 + self.classes)
        if shape.c != wanted:
            raise Misfit(
                f"classes={self.classes} with {len(self.used_mask)} anchors needs {wanted} channels,"
                f" the layer before it has {shape.c}"
            )
        return shape

    def signature(self) -> dict[str, Any]:
        """With the number of anchors in place of the anchors."""
        facts = super().signature()
        for name in ("num", "mask", "anchors"):
            del facts[name]
        return {**facts, "anchors": len(self.used_mask)}
