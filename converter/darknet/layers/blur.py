"""The blur that AlexeyAB's antialiasing adds to convolutions and pools."""

from converter.darknet.layers.base import Graph, Shape, Tensor, at_least


def blurred(shape: Shape, strides: tuple[int, int], antialiasing: int) -> Shape:
    """What ``blur`` leaves of ``shape``: AB convolutional_layer.c:801-831, maxpool_layer.c:162."""
    at_least(1, stride=min(strides))
    side = 2 if antialiasing == 2 else 1
    return Shape.image(
        shape.c, (shape.h - side) // strides[0] + 1, (shape.w - side) // strides[1] + 1
    )


def blur(x: Tensor, strides: tuple[int, int], antialiasing: int) -> Tensor:
    """AlexeyAB's antialiasing: each channel blurred, then every ``strides``-th pixel of it.

    With ``antialiasing=2`` the kernel is a 2x2 mean, else 1 2 1 in both directions, over 16 and
    with one pixel of zeros around: a 2x2 mean of 2x2 means.
    """
    from torch.nn import functional as F

    if antialiasing != 2:
        x = F.avg_pool2d(F.pad(x, (1, 1, 1, 1)), 2, 1)
    return F.avg_pool2d(x, 2, strides)


def blur_onnx(g: Graph, x: str, strides: tuple[int, int], antialiasing: int) -> str:
    """``blur`` as nodes."""
    if antialiasing != 2:
        x = g.add("AveragePool", x, kernel_shape=[2, 2], pads=[1] * 4, count_include_pad=1)
    return g.add("AveragePool", x, kernel_shape=[2, 2], strides=list(strides))
