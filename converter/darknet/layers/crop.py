"""[crop]: pj crop_layer.c."""

from typing import Any, ClassVar

from converter.darknet.layers.base import Graph, Layer, Misfit, Shape, Tensor
from converter.records import dataclass


@dataclass(frozen=True, kw_only=True)
class Crop(Layer):
    """The middle of the picture, stretched from 0..1 to -1..1 unless ``noadjust``.

    Shifts, flips and colours are for training: pj crop_layer.c:67.
    """

    type: ClassVar[str] = "crop"

    crop_height: int = 1
    crop_width: int = 1
    noadjust: int = 0

    def infer(self, *shapes: Shape) -> Shape:
        """(c, h, w) -> (c, crop_height, crop_width)."""
        shape = shapes[0].require_image()
        if self.crop_height > shape.h or self.crop_width > shape.w:
            raise Misfit(f"crops {self.crop_height} x {self.crop_width} pixels of {shape}")
        return Shape.image(shape.c, self.crop_height, self.crop_width)

    def forward(self, m: Any, *inputs: Tensor) -> Tensor:
        """(N, c, h, w) -> (N, c, crop_height, crop_width)."""
        x = inputs[0]
        y0 = (x.shape[2] - self.crop_height) // 2
        x0 = (x.shape[3] - self.crop_width) // 2
        x = x[:, :, y0 : y0 + self.crop_height, x0 : x0 + self.crop_width]
        return x if self.noadjust else x * 2 - 1

    def onnx(self, g: Graph, shapes: tuple[Shape, ...], *inputs: str) -> str:
        """(N, c, h, w) -> (N, c, crop_height, crop_width)."""
        y0 = (shapes[0].h - self.crop_height) // 2
        x0 = (shapes[0].w - self.crop_width) // 2
        x = g.slice(inputs[0], 2, y0, y0 + self.crop_height)
        x = g.slice(x, 3, x0, x0 + self.crop_width)
        return x if self.noadjust else g.add("Sub", g.add("Mul", x, 2.0), 1.0)
