"""What the few known names in PyTorch's pickles stand for: tensors, numbers, containers.

Source: pytorch@cf30153 (2.13.0) torch/_utils.py (_rebuild_tensor, _rebuild_tensor_v2,
_rebuild_parameter), torch/serialization.py:1143, 1241 (what identifies a storage).
"""

from __future__ import annotations

import io
import struct
from math import prod
from typing import Any

from converter.files.pickled import Call, Inert, read_pickle
from converter.files.source import Source
from converter.records import dataclass

MOST_TIMES = 8  # the file's size: a tensor may repeat values, but seldom does
MOST_DIMENSIONS = 32  # numpy 1's
# That dicts are made of in one operation, which so is no longer one.
MOST_PAIRS = 100_000

# What PyTorch's storages are called by, the type of their values, and numpy's code of it, which has
# no bfloat16: of that the bits are given.
_TYPES = (
    ("Double", "float64", "f8"),
    ("Float", "float32", "f4"),
    ("Half", "float16", "f2"),
    ("BFloat16", "bfloat16", "u2"),
    ("Long", "int64", "i8"),
    ("Int", "int32", "i4"),
    ("Short", "int16", "i2"),
    ("Char", "int8", "i1"),
    ("Byte", "uint8", "u1"),
    ("Bool", "bool", "u1"),
)
STORAGES = {f"torch.{name}Storage": dtype for name, dtype, _ in _TYPES}
CODES = {dtype: code for _, dtype, code in _TYPES}


@dataclass(frozen=True, kw_only=True, eq=False)
class Storage:
    """A flat array of values in the file: ``count`` of them, of type ``dtype``."""

    key: str
    dtype: str
    count: int

    @property
    def width(self) -> int:
        """The bytes of one value."""
        return int(CODES[self.dtype][1:])


@dataclass(frozen=True, kw_only=True, eq=False)
class StoredTensor:
    """A tensor in a file: a view of a storage.

    Attributes:
        storage: what it is a view of.
        shape: its size in each dimension.
        stride: for each dimension, how many values of the storage one step is.
        offset: the place of its first value in the storage, in values.
    """

    storage: Storage
    shape: tuple[int, ...]
    stride: tuple[int, ...]
    offset: int

    @property
    def dtype(self) -> str:
        """PyTorch's name of the type: "float32", "bfloat16", "int64", "bool", ..."""
        return self.storage.dtype

    @property
    def size(self) -> int:
        """The number of its values."""
        return prod(self.shape)

    @property
    def span(self) -> int:
        """The values of the storage from its first to its last, both included."""
        if not self.size:
            return 0
        return 1 + sum((n - 1) * step for n, step in zip(self.shape, self.stride, strict=True))

    @property
    def bytes(self) -> int:
        """Of its values, or of those that have to be read for them, whichever are more."""
        return max(self.size, self.span) * self.storage.width


class Views:
    """Reads a pickle, and builds its tensors as views of storages that it names.

    Attributes:
        storages: those that it named, by key.
    """

    def __init__(self, source: Source) -> None:
        self.storages: dict[str, Storage] = {}
        self._source = source
        self._pairs_left = MOST_PAIRS

    def read(self, stream: io.BytesIO, place: str | None = None) -> Any:
        """The value of a pickle with tensors."""
        calls: dict[str, Call] = {
            "collections.OrderedDict": self._ordered_dict,
            "__builtin__.set": _members,
            "builtins.set": _members,
            "numpy.core.multiarray.scalar": _numpy_scalar,
            "numpy._core.multiarray.scalar": _numpy_scalar,
            "torch._utils._rebuild_tensor": self._tensor,
            "torch._utils._rebuild_tensor_v2": self._tensor,
            "torch._utils._rebuild_parameter": _parameter,
            "torch._utils._rebuild_parameter_with_state": _parameter,
        }
        return read_pickle(
            stream, self._source.path, place, calls=calls, persistent=self._persistent
        )

    def _persistent(self, identifier: Any) -> Any:
        """("storage", class, key, device, count), before 1.6 with a view; or ("module", ...)."""
        if type(identifier) is not tuple or len(identifier) < 4:
            raise ValueError("refers to something that is no storage")
        what, kind, key, *_ = identifier
        if what == "module" and isinstance(kind, Inert):  # before 1.6: a class, and its source code
            return kind
        if what != "storage" or len(identifier) < 5 or identifier[5:] not in ((), (None,)):
            raise ValueError("refers to something that is no storage")
        count = identifier[4]
        dtype = STORAGES.get(kind.name) if isinstance(kind, Inert) else None
        if dtype is None:  # complex numbers, quantized ones
            return Inert("storage", identifier)
        if type(key) is not str or len(key) > 100 or not _whole(count):
            raise ValueError("refers to a storage without a name or size")
        storage = self.storages.setdefault(key, Storage(key=key, dtype=dtype, count=count))
        if (storage.dtype, storage.count) != (dtype, count):
            raise ValueError(f"gives the storage {key} two types or sizes")
        return storage

    def _ordered_dict(self, args: tuple[Any, ...]) -> Any:
        """Nothing, to be filled; or a list of pairs, as CPython 2.7's collections wrote."""
        if not args:
            return {}
        pairs = args[0] if len(args) == 1 else None
        if not isinstance(pairs, list):
            return NotImplemented
        self._pairs_left -= len(pairs)
        if self._pairs_left < 0:
            raise ValueError(f"has dicts made of more than {MOST_PAIRS:,} pairs")
        return dict(pairs) if all(map(_is_pair, pairs)) else NotImplemented

    def _tensor(self, args: tuple[Any, ...]) -> Any:
        """(storage, offset, shape, stride), then flags and hooks, and what complex ones need."""
        if len(args) < 4 or not isinstance(args[0], Storage) or any(args[6:]):
            return NotImplemented
        storage, offset, shape, stride = args[:4]
        if not (_whole(offset) and _sizes(shape) and _sizes(stride)) or len(shape) != len(stride):
            raise ValueError("has a tensor without a shape or place")
        tensor = StoredTensor(storage=storage, shape=shape, stride=stride, offset=offset)
        if tensor.span + offset > storage.count:
            raise ValueError(f"has a tensor that goes beyond its storage {storage.key}")
        if prod(n or 1 for n in shape) * storage.width > MOST_TIMES * self._source.size:
            raise ValueError("has a tensor that is larger than the file")
        return tensor


def _is_pair(value: Any) -> bool:
    return isinstance(value, list) and len(value) == 2 and type(value[0]) is str


def _whole(number: Any) -> bool:
    return type(number) is int and 0 <= number < 1 << 63


def _sizes(numbers: Any) -> bool:
    return type(numbers) is tuple and len(numbers) <= MOST_DIMENSIONS and all(map(_whole, numbers))


def _parameter(args: tuple[Any, ...]) -> Any:
    """(data, requires_grad, hooks), or with attributes."""
    return args[0] if args and isinstance(args[0], StoredTensor) else NotImplemented


def _members(args: tuple[Any, ...]) -> Any:
    """A set: the list that it is made from."""
    return args[0] if len(args) == 1 and isinstance(args[0], list) else NotImplemented


# numpy's name of a type, as dtype() takes it -> that of the module struct.
_NUMBERS = {"f2": "e", "f4": "f", "f8": "d", "i1": "b", "i2": "h", "i4": "i", "i8": "q"}
_NUMBERS |= {"u1": "B", "u2": "H", "u4": "I", "u8": "Q", "b1": "?"}


def _numpy_scalar(args: tuple[Any, ...]) -> Any:
    """A number that numpy pickled as its type and its bytes."""
    if len(args) != 2 or not isinstance(args[0], Inert):
        return NotImplemented
    kind, data = args
    if isinstance(data, Inert) and data.name == "_codecs.encode" and data.args:
        data = data.args[0]  # bytes, as protocol 2 writes them
        data = data.encode("latin-1") if type(data) is str and len(data) <= 8 else None
    dtype = kind.args[0] if kind.name == "numpy.dtype" and kind.args else None
    code = _NUMBERS.get(dtype) if type(dtype) is str else None
    order = kind.state[1] if isinstance(kind.state, tuple) and len(kind.state) > 1 else None
    if code is None or order not in ("<", ">", "|") or type(data) is not bytes:
        return NotImplemented
    number = struct.Struct((">" if order == ">" else "<") + code)
    if number.size != len(data):
        raise ValueError("has a number of numpy whose length is not that of its type")
    return number.unpack(data)[0]
