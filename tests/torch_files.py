"""PyTorch files made by hand, operation by operation, without PyTorch.

What torch.save never writes is written so; what it does write, it writes in the tests themselves.
"""

import io
import pickle
import zipfile
from collections.abc import Mapping

# torch/serialization.py: MAGIC_NUMBER, PROTOCOL_VERSION
LEGACY_HEAD = (
    pickle.dumps(0x1950A86A20F9469CFC6C, protocol=2)
    + pickle.dumps(1001, protocol=2)
    + pickle.dumps({"protocol_version": 1001, "little_endian": True}, protocol=2)
)


def whole(operations: bytes, protocol: int = 2) -> bytes:
    """A pickle."""
    return bytes([0x80, protocol]) + operations + b"."


def text(value: str) -> bytes:
    data = value.encode()
    return b"X" + len(data).to_bytes(4, "little") + data


def number(value: int) -> bytes:
    data = value.to_bytes(value.bit_length() // 8 + 1, "little", signed=True)
    return b"\x8a" + bytes([len(data)]) + data


def row(*values: int) -> bytes:
    """A tuple."""
    return b"(" + b"".join(map(number, values)) + b"t"


def table(**values: bytes) -> bytes:
    """A dict."""
    return b"}(" + b"".join(text(key) + value for key, value in values.items()) + b"u"


def storage(key: str = "0", count: int = 6, kind: str = "FloatStorage") -> bytes:
    return (
        b"(" + text("storage") + b"ctorch\n" + kind.encode() + b"\n" + text(key) + text("cpu")
        + number(count) + b"tQ"
    )  # fmt: skip


def tensor(
    shape: bytes = row(2, 3),
    stride: bytes = row(3, 1),
    offset: bytes = number(0),
    stored: bytes | None = None,
) -> bytes:
    stored = storage() if stored is None else stored
    rest = b"\x89ccollections\nOrderedDict\n)R"
    return b"ctorch._utils\n_rebuild_tensor_v2\n(" + stored + offset + shape + stride + rest + b"tR"


def archive(
    operations: bytes,
    storages: Mapping[str, bytes] | None = None,
    *,
    byteorder: bytes = b"little",
    compression: int = zipfile.ZIP_STORED,
) -> bytes:
    """A file of PyTorch 1.6 or later; its one storage is "0", of 24 bytes, if nothing is given."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as file:
        file.writestr("net/data.pkl", whole(operations))
        file.writestr("net/byteorder", byteorder)
        for key, data in ({"0": bytes(24)} if storages is None else storages).items():
            file.writestr(f"net/data/{key}", data)
        file.writestr("net/version", b"3\n")
    return buffer.getvalue()


def legacy(operations: bytes, storages: Mapping[str, bytes] | None = None, width: int = 4) -> bytes:
    """A file of PyTorch before 1.6."""
    stored = {"0": bytes(24)} if storages is None else storages
    data = b"".join((len(data) // width).to_bytes(8, "little") + data for data in stored.values())
    return LEGACY_HEAD + whole(operations) + pickle.dumps(list(stored), protocol=2) + data
