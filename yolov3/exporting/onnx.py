"""ONNX straight from a Darknet network and its arrays, without PyTorch.

The arrays become initializers as they are, so that they can be compared with their source bit by
bit.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from importlib import import_module
from itertools import chain
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any

from converter.checkpoint.dtypes import narrow
from converter.darknet.layers.graph import FLOAT, FLOAT16, Weight
from converter.errors import ExtraError, OutputError, UsageError, argument, first_line, install
from converter.records import dataclass
from converter.version import VERSION
from yolov3.exporting.drawing import INPUT, Drawing, shape_of

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from onnx import ModelProto, TensorProto, ValueInfoProto

OLDEST_OPSET = 11
# One protobuf message: the numbers of a file's bytes are 32-bit ints in its readers.
MAX_BYTES = 2**31 - 1
# Where values begin that stand in a file beside: at multiples of it, so that they can be mapped
# into memory (onnx.proto, TensorProto.external_data).
PAGE = 4096

# Numbers of fields in onnx.proto, which are for ever.
MODEL_GRAPH, GRAPH_INITIALIZER, TENSOR_RAW_DATA = 7, 5, 9

# An array of a layer, by the layer's index and the array's suffix: float32, in the array's shape.
Arrays = Callable[[int, str], "NDArray[np.float32]"]


def require_opset(opset: int) -> None:
    """Refuse an operator set that cannot be written.

    Raises:
        UsageError: naming those that can.
        ExtraError: the package onnx is missing.
    """
    newest: int = _onnx().defs.onnx_opset_version()
    if not OLDEST_OPSET <= opset <= newest:
        raise UsageError(
            f"cannot write ONNX opset {opset}", remedy=f"use one from {OLDEST_OPSET} to {newest}"
        )


@dataclass(frozen=True, kw_only=True)
class Encoded:
    """A file's bytes: small ones, and the weights, which are read as they are written.

    Attributes:
        parts: bytes, and weights, in turn.
        size: how many bytes they are.
    """

    parts: tuple[bytes | Weight, ...]
    size: int

    def chunks(self, arrays: Arrays) -> Iterator[bytes | memoryview]:
        """The bytes, one weight after the other."""
        for part in self.parts:
            yield part if isinstance(part, bytes) else values_of(part, arrays).data.cast("B")


def encode(drawn: Drawing, facts: Mapping[str, str], beside: str) -> tuple[Encoded, Encoded | None]:
    """A model, checked without its weights; the same bytes every time.

    Args:
        drawn: what it computes.
        facts: what it says of itself.
        beside: how the file is called that has the weights if one file is too small for them.

    Returns:
        The file, and the one beside it if there is one.

    Raises:
        ExtraError: the package onnx is missing.
        OutputError: its nodes are no network of the shapes that the cfg says.
    """
    tensors = _tensors(drawn)
    model = _skeleton(drawn, [tensor for tensor, _ in tensors])
    _require_valid(drawn, model)
    for key, value in facts.items():
        model.metadata_props.add(key=key, value=value)
    del model.graph.input[1:]
    alone = _alone(model, tensors)
    return (alone, None) if alone.size <= MAX_BYTES else _apart(model, tensors, beside)


def _tensors(drawn: Drawing) -> list[tuple[TensorProto, Weight]]:
    """Initializers without their values, and what these are."""
    onnx = _onnx()
    return [
        (
            onnx.TensorProto(
                name=name,
                dims=weight.shape or _array_shape(drawn, weight),
                data_type=FLOAT16 if weight.half else FLOAT,
            ),
            weight,
        )
        for name, weight in drawn.graph.weights.items()
    ]


def _array_shape(drawn: Drawing, weight: Weight) -> tuple[int, ...]:
    layout = drawn.network.nodes[weight.layer].layout(drawn.graph.dialect)
    return dict(layout)[weight.suffix]


def _size(tensor: TensorProto) -> int:
    values: int = prod(tensor.dims)
    return (2 if tensor.data_type == FLOAT16 else 4) * values


def _alone(model: ModelProto, tensors: Sequence[tuple[TensorProto, Weight]]) -> Encoded:
    """One file: the values are in the initializers, which come last."""
    graph: list[bytes | Weight] = [_serialized(model.graph)]
    for tensor, weight in tensors:
        start = _serialized(tensor) + _opening(TENSOR_RAW_DATA, _size(tensor))
        graph += _opening(GRAPH_INITIALIZER, len(start) + _size(tensor)) + start, weight
    inside = sum(len(part) for part in graph if isinstance(part, bytes))
    inside += sum(_size(tensor) for tensor, _ in tensors)
    rest = _onnx().ModelProto()
    rest.CopyFrom(model)
    rest.ClearField("graph")
    start = _serialized(rest) + _opening(MODEL_GRAPH, inside)
    return Encoded(parts=(start, *graph), size=len(start) + inside)


def _apart(
    model: ModelProto, tensors: Sequence[tuple[TensorProto, Weight]], beside: str
) -> tuple[Encoded, Encoded]:
    """Two files: the initializers say where in the second their values stand."""
    parts: list[bytes | Weight] = []
    end = 0
    for tensor, weight in tensors:
        gap = -end % PAGE
        where = {"location": beside, "offset": end + gap, "length": _size(tensor)}
        tensor.data_location = tensor.EXTERNAL
        for key, value in where.items():
            tensor.external_data.add(key=key, value=str(value))
        model.graph.initializer.append(tensor)
        parts += bytes(gap), weight
        end += gap + _size(tensor)
    file = _serialized(model)
    return Encoded(parts=(file,), size=len(file)), Encoded(parts=tuple(parts), size=end)


def _serialized(message: Any) -> bytes:
    return bytes(message.SerializeToString(deterministic=True))


def _opening(number: int, size: int) -> bytes:
    """What precedes ``size`` bytes of a field: protobuf.dev/programming-guides/encoding."""
    found = bytearray()
    for value in (number << 3 | 2, size):
        while value > 127:
            found.append(value & 127 | 128)
            value >>= 7
        found.append(value)
    return bytes(found)


def values_of(weight: Weight, arrays: Arrays) -> NDArray[np.floating[Any]]:
    """What an initializer holds.

    Raises:
        OutputError: a value is too large for float16.
    """
    import numpy as np

    found = [arrays(weight.layer, suffix) for suffix in (weight.suffix, *weight.others)]
    values = np.ascontiguousarray(weight.change(*found) if weight.change else found[0])
    if not weight.half:
        return values
    try:
        return narrow(values, "float16").view("<f2")
    except OutputError as error:
        error.place = f"layer{weight.layer}/{weight.suffix}"
        error.remedy = f"export it without {argument('--half')}"
        raise


def different_values(path: Path, drawn: Drawing, arrays: Arrays) -> str | None:
    """The first weight in a file that is not, bit by bit, what it was made of; None if all are.

    Those that stand in a file beside it are read one by one.
    """
    import numpy as np

    model = _onnx().load(path, load_external_data=False)
    stored = {tensor.name: tensor for tensor in model.graph.initializer}
    for name, weight in drawn.graph.weights.items():
        found = _stored_values(stored[name], path.parent) if name in stored else None
        wanted = values_of(weight, arrays).ravel()
        # As integers: NaN equals NaN, and 0 does not equal -0.
        bits = f"<u{wanted.itemsize}"
        if found is None or not np.array_equal(found.ravel().view(bits), wanted.view(bits)):
            return name
    return None


def _stored_values(tensor: TensorProto, folder: Path) -> NDArray[Any]:
    onnx = _onnx()
    if tensor.data_location == tensor.EXTERNAL:
        alone = onnx.TensorProto()  # older versions of onnx fill in the tensor that they are given
        alone.CopyFrom(tensor)
        tensor = alone
    values: NDArray[Any] = onnx.numpy_helper.to_array(tensor, base_dir=str(folder))
    return values


def _skeleton(drawn: Drawing, weights: Sequence[TensorProto]) -> ModelProto:
    """The model with weights as further inputs, so that it is small."""
    onnx, dynamic = _onnx(), drawn.graph.dynamic
    described = onnx.helper.make_tensor_value_info
    graph = onnx.GraphProto(name="darknet")
    batch = "batch" if dynamic else drawn.graph.batch
    picture: list[int | str] = list(drawn.network.input.sides)
    if dynamic and drawn.network.coarsest_stride:
        picture[1:] = ["rows", "columns"]
    graph.input.append(described(INPUT, FLOAT, [batch, *picture]))
    for tensor in weights:
        graph.input.append(described(tensor.name, tensor.data_type, list(tensor.dims)))
    for name, shape in drawn.shapes.items():
        sides = [None if dynamic else n for n in shape]
        graph.output.append(described(name, FLOAT, [batch, *sides]))
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
        raise OutputError(f"cannot be made: {first_line(error)}") from error
    names = {tensor: name for name, tensor in drawn.outputs.items()}
    graph = inferred.graph
    infos = chain(graph.input, graph.value_info, graph.output)
    found = {info.name: _known_sides(info) for info in infos}
    found.update({tensor.name: list(tensor.dims) for tensor in model.graph.initializer})
    for index, tensor in drawn.layers.items():
        name = names.get(tensor, tensor)
        wanted = [drawn.graph.batch, *shape_of(drawn.network, index)]
        if not _agree(found.get(name), wanted, dynamic=drawn.graph.dynamic):
            raise OutputError(
                f"cannot be made: {name} would be {found.get(name)}, the cfg says {wanted}"
            )


def _agree(found: list[int] | None, wanted: list[int], *, dynamic: bool) -> bool:
    if dynamic:  # -1 is open, and even the number of sides may be
        return found is None or all(a in (-1, b) for a, b in zip(found, wanted, strict=True))
    return found == wanted


def _known_sides(info: ValueInfoProto) -> list[int] | None:
    if not info.type.tensor_type.HasField("shape"):
        return None
    shape = info.type.tensor_type.shape
    return [side.dim_value if side.HasField("dim_value") else -1 for side in shape.dim]


def imported(package: str) -> Any:
    """A package that exporting to ONNX needs, imported when it is needed.

    Raises:
        ExtraError: it is missing.
    """
    try:
        return import_module(package)
    except ModuleNotFoundError as error:
        raise ExtraError(
            f"exporting to ONNX needs the package {error.name}", remedy=install("onnx")
        ) from None


_onnx = partial(imported, "onnx")
