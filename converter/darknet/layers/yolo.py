"""YOLOv3's heads: [yolo] and [Gaussian_yolo]."""

from typing import ClassVar

from converter.darknet.dialects import DialectName
from converter.darknet.layers.base import Graph
from converter.darknet.layers.cells import MARGIN, Functions, Values
from converter.darknet.layers.heads import MaskedHead
from converter.records import dataclass


@dataclass(frozen=True, kw_only=True)
class Yolo(MaskedHead):
    """YOLOv3's output layer: pj yolo_layer.c, parser.c:306; AB yolo_layer.c, parser.c:448."""

    type: ClassVar[str] = "yolo"
    objectness: ClassVar[int] = 4

    scale_x_y: float = 1.0
    new_coords: int = 0

    def activated(self, values: Values, dialect: DialectName, f: Functions) -> Values:
        """Pj yolo_layer.c:138, AB :669.

        Logistic x, y, objectness and classes, unless ``new_coords``, whose convolution has done it;
        then x and y are stretched around 1/2.
        """
        xy, wh, rest = values[..., :2], values[..., 2:4], values[..., 4:]
        if not self.new_coords:
            xy, rest = f.logistic(xy), f.logistic(rest)
        return f.joined([_stretched(xy, self.scale_x_y), wh, rest])

    def activated_onnx(self, g: Graph, values: str) -> tuple[str, ...]:
        """Centre (x and y); w and h; objectness and classes."""
        xy, wh = g.slice(values, 3, 0, 2), g.slice(values, 3, 2, 4)
        rest = g.slice(values, 3, 4, 5 + self.classes)
        if not self.new_coords:
            xy, rest = g.add("Sigmoid", xy), g.add("Sigmoid", rest)
        return _stretched_onnx(g, xy, self.scale_x_y), wh, rest

    def sides(self, wh: Values, f: Functions) -> Values:
        """With ``new_coords`` the square of twice the value: AB yolo_layer.c:138."""
        return wh * wh * 4 if self.new_coords else f.exp(wh)

    def sides_onnx(self, g: Graph, wh: str) -> str:
        """The same as nodes."""
        return g.add("Mul", g.add("Mul", wh, wh), 4.0) if self.new_coords else g.add("Exp", wh)

    def least_raw(self, least: float) -> float:
        """With ``new_coords`` it is the objectness itself."""
        return least - MARGIN if self.new_coords else super().least_raw(least)


@dataclass(frozen=True, kw_only=True)
class GaussianYolo(MaskedHead):
    """A [yolo] that also gives the deviation of each side: AB gaussian_yolo_layer.c, parser.c:576.

    A box is mu and sigma of x, then of y, of w and of h.
    """

    type: ClassVar[str] = "Gaussian_yolo"
    objectness: ClassVar[int] = 8

    scale_x_y: float = 1.0
    yolo_point: str = "center"

    def activated(self, values: Values, dialect: DialectName, f: Functions) -> Values:
        """AB gaussian_yolo_layer.c:412.

        All logistic but the mu of w and h; the mu of x and y are stretched around 1/2.
        """
        xy, w, h = f.logistic(values[..., :4]), values[..., 4:5], values[..., 6:7]
        x, y = (_stretched(xy[..., i : i + 1], self.scale_x_y) for i in (0, 2))
        sigma_x, sigma_y = xy[..., 1:2], xy[..., 3:4]
        sigma_w, sigma_h = f.logistic(values[..., 5:6]), f.logistic(values[..., 7:8])
        rest = f.logistic(values[..., 8:])
        return f.joined([x, sigma_x, y, sigma_y, w, sigma_w, h, sigma_h, rest])

    def activated_onnx(self, g: Graph, values: str) -> tuple[str, ...]:
        """Each mu and sigma of x, y, w and h by itself; then objectness and classes."""
        raw = [g.slice(values, 3, i, i + 1) for i in range(8)]
        parts = [x if i in (4, 6) else g.add("Sigmoid", x) for i, x in enumerate(raw)]
        for i in (0, 2):
            parts[i] = _stretched_onnx(g, parts[i], self.scale_x_y)
        return *parts, g.add("Sigmoid", g.slice(values, 3, 8, 9 + self.classes))

    @property
    def corner(self) -> float:
        """Where the point lies in its box; anything else is its centre: AB parser.c:630."""
        return {"left_top": 0.5, "right_bottom": -0.5}.get(self.yolo_point, 0.0)

    def described(self, values: Values) -> tuple[Values, Values, Values]:
        """The larger its deviations, the less a box counts: AB gaussian_yolo_layer.c:795."""
        means, deviations = values[..., 0:8:2], values[..., 1:8:2]
        scores = values[..., 8:9] * (1 - deviations.mean(-1)[..., None])
        if self.classes:
            scores = scores * values[..., 9:]
        return means[..., :2], means[..., 2:], scores

    def described_onnx(self, g: Graph, values: str) -> tuple[str, str, str]:
        """The same as nodes."""
        *box, rest = self.activated_onnx(g, values)
        means, deviations = box[0::2], g.add("Concat", *box[1::2], axis=3)
        certainty = g.add("Sub", 1.0, g.reduce("ReduceMean", deviations, 3))
        objectness = g.add("Mul", g.slice(rest, 3, 0, 1), certainty)
        centre, sides = g.add("Concat", *means[:2], axis=3), g.add("Concat", *means[2:], axis=3)
        return centre, sides, self.scores_onnx(g, objectness, rest)


def _stretched(xy: Values, scale: float) -> Values:
    """0..1 stretched by ``scale`` around 1/2: AB yolo_layer.c:680."""
    return xy if scale == 1.0 else xy * scale - 0.5 * (scale - 1)


def _stretched_onnx(g: Graph, xy: str, scale: float) -> str:
    if scale == 1.0:
        return xy
    return g.add("Sub", g.add("Mul", xy, scale), 0.5 * (scale - 1))
