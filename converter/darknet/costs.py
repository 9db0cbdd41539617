"""What a layer costs: multiply-adds of its convolutions and matrices, for one picture.

Only these are counted, as darknet does: additions of biases, batch norm, activations, pooling and
the like are a percent or less. Darknet prints twice as many as BFLOPs (a multiplication and an
addition each): pj convolutional_layer.c:325, AB convolutional_layer.c:780.
"""

from __future__ import annotations

from dataclasses import replace

from converter.darknet.dialects import DialectName
from converter.darknet.layers import Layer, Shape
from converter.darknet.layers.base import Composite
from converter.darknet.layers.connected import Connected
from converter.darknet.layers.convolutional import Convolutional, Deconvolutional
from converter.darknet.layers.local import Local


def multiply_adds(layer: Layer, shape: Shape, dialect: DialectName) -> int:
    """Multiply-adds of ``layer`` on an input of ``shape``, for one step if it is recurrent."""
    if isinstance(layer, Convolutional):
        # With antialiasing every pixel is computed, and a blur picks some: AB :617.
        full = replace(layer, stride=1, stride_x=-1, stride_y=-1) if layer.antialiasing else layer
        out = replace(full, antialiasing=0).infer(shape)
        return out.outputs * (shape.c // layer.groups) * layer.size**2
    if isinstance(layer, Deconvolutional):
        return shape.outputs * layer.filters * layer.size**2
    if isinstance(layer, Connected):
        return shape.outputs * layer.output
    if isinstance(layer, Local):
        return layer.infer(shape).outputs * shape.c * layer.size**2
    if isinstance(layer, Composite):
        parts = layer.parts(shape, dialect).values()
        return sum(multiply_adds(part, inner, dialect) for part, inner in parts)
    return 0
