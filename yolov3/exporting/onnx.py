"""ONNX straight from a Darknet network and its arrays, without PyTorch.

The arrays become initializers as they are, so that they can be compared with their source bit by
bit.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any

from converter.darknet.layers.graph import Weight
from converter.errors import ExtraError, OutputError, UsageError, install
from converter.version import VERSION
from yolov3.exporting.drawing import INPUT, Drawing, shape_of, sides_of, stride_of

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from onnx import GraphProto, ModelProto, ValueInfoProto

OLDEST_OPSET = 11
# One protobuf message: the numbers of a file's bytes are 32-bit ints in its readers.
MAX_BYTES = 2**31 - 1

# An array of a layer, by the layer's index and the array's suffix: float32, in the array's shape.
Arrays = Callable[[int, str], "NDArray[np.float32]"]


def require_opset(opset: int) -> None:
    """Refuse an operator set that cannot be written.

    Raises:
        UsageError: naming those that can.
        ExtraError: the package onnx is missing.
    """
    newest = newest_opset()
    if not OLDEST_OPSET <= opset <= newest:
        raise UsageError(
            f"cannot write ONNX opset {opset}", remedy=f"use one from {OLDEST_OPSET} to {newest}"
        )


def newest_opset() -> int:
    """The newest that the package onnx knows."""
    version: int = _onnx().defs.onnx_opset_version()
    return version


def make_model(drawn: Drawing, arrays: Arrays, facts: Mapping[str, str]) -> ModelProto:
    """The model with its weights, checked without them.

    Args:
        drawn: what it computes.
        arrays: the network's arrays.
        facts: what it says of itself.

    Raises:
        ExtraError: the package onnx is missing.
        OutputError: the weights are too large for a file, or its nodes are no network of the shapes
            that the cfg says.
    """
    onnx = _onnx()
    model = _skeleton(drawn)
    _require_valid(drawn, model)
    del model.graph.input[1:]
    for name, weight in drawn.graph.weights.items():
        tensor = model.graph.initializer.add()
        values = values_of(weight, arrays)
        tensor.name, tensor.data_type = name, onnx.TensorProto.FLOAT
        tensor.dims.extend(weight.shape or values.shape)
        tensor.raw_data = values.tobytes()
    for key, value in facts.items():
        model.metadata_props.add(key=key, value=value)
    return model


def encode(model: ModelProto) -> bytes:
    """The same bytes every time."""
    return bytes(model.SerializeToString(deterministic=True))


def values_of(weight: Weight, arrays: Arrays) -> NDArray[np.float32]:
    """What an initializer holds."""
    values = arrays(weight.layer, weight.suffix)
    return weight.change(values) if weight.change else values


def require_same_values(path: Path, drawn: Drawing, arrays: Arrays) -> None:
    """Compare the weights in a file, bit by bit, with what they were made of.

    Raises:
        OutputError: naming the first that differs.
    """
    import numpy as np

    onnx = _onnx()
    stored = {tensor.name: tensor for tensor in onnx.load(path).graph.initializer}
    for name, weight in drawn.graph.weights.items():
        found = onnx.numpy_helper.to_array(stored[name]) if name in stored else None
        wanted = np.ascontiguousarray(values_of(weight, arrays)).reshape(-1)
        # As integers: NaN equals NaN, and 0 does not equal -0.
        if found is None or not np.array_equal(found.reshape(-1).view("<u4"), wanted.view("<u4")):
            raise OutputError("was not written as it is", path=path, place=name)


def _skeleton(drawn: Drawing) -> ModelProto:
    """The model with weights as further inputs, so that it is small."""
    onnx = _onnx()
    graph = onnx.GraphProto(name="darknet")
    graph.input.append(_tensor_info(INPUT, _picture(drawn)))
    shapes = _array_shapes(drawn)
    if 4 * sum(map(prod, shapes.values())) > MAX_BYTES:
        raise OutputError("the weights have more than the 2 GiB that one ONNX file can have")
    for name, weight in drawn.graph.weights.items():
        shape = weight.shape or shapes[weight.layer, weight.suffix]
        graph.input.append(_tensor_info(name, list(shape)))
    for name, shape in drawn.shapes.items():
        sides: list[int | str | None] = [None if drawn.graph.dynamic else n for n in shape]
        graph.output.append(_tensor_info(name, [_batch(drawn), *sides]))
    graph.node.extend(_nodes(drawn))
    for name, values in drawn.graph.constants.items():
        graph.initializer.append(onnx.numpy_helper.from_array(values, name))
    opset = onnx.helper.make_opsetid("", drawn.graph.opset)
    model: ModelProto = onnx.helper.make_model(
        graph,
        opset_imports=[opset],
        ir_version=onnx.helper.find_min_ir_version_for([opset]),
        producer_name="darknet-safetensors",
        producer_version=VERSION,
    )
    return model


def _nodes(drawn: Drawing) -> Iterator[Any]:
    """In order, their tensors by the names of the outputs where they are one."""
    onnx = _onnx()
    names = {tensor: name for name, tensor in drawn.outputs.items()}
    for operation in drawn.graph.operations.values():
        yield onnx.helper.make_node(
            operation.op,
            [names.get(name, name) for name in operation.inputs],
            [names.get(operation.name, operation.name)],
            name=operation.name,
            **operation.attributes,
        )


def _require_valid(drawn: Drawing, model: ModelProto) -> None:
    """Nodes as the operator set has them, and the shapes that the cfg says, by onnx's own rules."""
    onnx = _onnx()
    try:
        onnx.checker.check_model(model)
        inferred = onnx.shape_inference.infer_shapes(model, strict_mode=True, data_prop=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
        problem = str(error).strip().partition("\n")[0]
        raise OutputError(f"cannot be made: {problem}") from error
    names = {tensor: name for name, tensor in drawn.outputs.items()}
    found = {info.name: _known_sides(info) for info in _infos(inferred.graph)}
    found.update({tensor.name: list(tensor.dims) for tensor in model.graph.initializer})
    for index, tensor in drawn.layers.items():
        name = names.get(tensor, tensor)
        wanted = [1, *shape_of(drawn.network, index)]
        if not _agree(found.get(name), wanted, dynamic=drawn.graph.dynamic):
            raise OutputError(
                f"cannot be made: {name} would be {found.get(name)}, the cfg says {wanted}"
            )


def _agree(found: list[int] | None, wanted: list[int], *, dynamic: bool) -> bool:
    if dynamic:  # -1 is open, and a weight of a part is no output
        return found is None or all(a in (-1, b) for a, b in zip(found, wanted, strict=True))
    return found == wanted


def _infos(graph: GraphProto) -> Iterator[ValueInfoProto]:
    yield from graph.input
    yield from graph.value_info
    yield from graph.output


def _known_sides(info: ValueInfoProto) -> list[int]:
    shape = info.type.tensor_type.shape
    return [side.dim_value if side.HasField("dim_value") else -1 for side in shape.dim]


def _array_shapes(drawn: Drawing) -> dict[tuple[int, str], tuple[int, ...]]:
    """(layer, suffix) -> shape, of the arrays that are used."""
    shapes = {}
    for index in {weight.layer for weight in drawn.graph.weights.values()}:
        node = drawn.network.nodes[index]
        for array in node.layer.arrays(node.inputs, drawn.graph.dialect):
            shapes[index, array.suffix] = array.shape
    return {(w.layer, w.suffix): shapes[w.layer, w.suffix] for w in drawn.graph.weights.values()}


def _picture(drawn: Drawing) -> list[int | str]:
    sides: list[int | str] = list(sides_of(drawn.network.input))
    if drawn.graph.dynamic and stride_of(drawn.network):
        sides[1:] = ["rows", "columns"]
    return [_batch(drawn), *sides]


def _batch(drawn: Drawing) -> int | str:
    return "batch" if drawn.graph.dynamic else 1


def _tensor_info(name: str, sides: Any) -> ValueInfoProto:
    onnx = _onnx()
    info: ValueInfoProto = onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, sides)
    return info


def _onnx() -> Any:
    """The package, imported when it is needed.

    Raises:
        ExtraError: it is missing.
    """
    try:
        import onnx
        import onnx.checker
        import onnx.helper
        import onnx.numpy_helper
        import onnx.shape_inference
    except ModuleNotFoundError as error:
        raise ExtraError(
            f"exporting to ONNX needs the package {error.name}", remedy=install("onnx")
        ) from error
    return onnx
