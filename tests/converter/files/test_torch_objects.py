"""What PyTorch's pickles name, as plain values: views of storages, numbers, containers."""

import io
import pickle

import numpy as np
import pytest
from torch_files import number, row, storage, table, tensor, text, whole

from converter.errors import CheckpointError
from converter.files.pickled import Inert
from converter.files.source import opened
from converter.files.torch_objects import Storage, StoredTensor, Views


@pytest.fixture
def views(tmp_path):
    """What reads the pickles of a file of 24 bytes."""
    path = tmp_path / "x.pt"
    path.write_bytes(bytes(24))
    with opened(path, CheckpointError, lambda head: None) as source:
        yield Views(source)


def read(views, operations):
    return views.read(io.BytesIO(whole(operations)))


def stored(shape, stride, offset=0, dtype="float32"):
    return StoredTensor(
        storage=Storage(key="0", dtype=dtype, count=100), shape=shape, stride=stride, offset=offset
    )


@pytest.mark.parametrize(
    ("shape", "stride", "size", "span"),
    [
        ((2, 3), (3, 1), 6, 6),
        ((2, 3), (10, 1), 6, 13),  # 10 to the second row, 2 more to its last value
        ((2, 3), (0, 1), 6, 3),  # the same row twice
        ((), (), 1, 1),
        ((4, 0), (1, 1), 0, 0),
        ((5,), (2,), 5, 9),
    ],
)
def test_the_values_of_a_view_and_the_stretch_that_they_lie_in(shape, stride, size, span):
    view = stored(shape, stride)
    assert (view.size, view.span) == (size, span)
    assert view.bytes == 4 * max(size, span)


@pytest.mark.parametrize(
    ("dtype", "width"),
    [
        ("float64", 8), ("float32", 4), ("float16", 2), ("bfloat16", 2), ("int64", 8),
        ("int32", 4), ("int16", 2), ("int8", 1), ("uint8", 1), ("bool", 1),
    ],
)  # fmt: skip
def test_the_bytes_of_a_value(dtype, width):
    view = stored((3,), (1,), dtype=dtype)
    assert (view.dtype, view.storage.width, view.bytes) == (dtype, width, 3 * width)


def test_a_tensor_is_a_view_of_its_storage(views):
    found = read(views, tensor(shape=row(2, 2), stride=row(1, 2), offset=number(2)))
    assert (found.shape, found.stride, found.offset) == ((2, 2), (1, 2), 2)
    assert (found.storage.key, found.storage.dtype, found.storage.count) == ("0", "float32", 6)
    assert views.storages == {"0": found.storage}


def test_two_tensors_of_one_storage(views):
    a, b = read(views, table(a=tensor(), b=tensor())).values()
    assert a.storage is b.storage
    assert len(views.storages) == 1


def test_a_storage_of_complex_numbers_stays_inert(views):
    found = read(views, storage(kind="ComplexFloatStorage"))
    assert (type(found), found.name) == (Inert, "storage")
    assert views.storages == {}


def test_a_module_of_before_1_6_is_its_class(views):
    parts = text("module") + b"cnet\nNet\n" + text("net.py") + text("class Net: pass")
    found = read(views, b"(" + parts + b"tQ")
    assert (type(found), found.name) == (Inert, "net.Net")


@pytest.mark.parametrize("rest", [b"N", b"N" + b"N"])
def test_a_storage_with_a_view_that_nobody_wrote(views, rest):
    """torch/serialization.py before 1.6: a sixth part, None for the whole storage."""
    operations = storage()[:-2] + rest + b"tQ"
    if rest == b"N":
        assert read(views, operations).count == 6
    else:
        with pytest.raises(CheckpointError, match="refers to something that is no storage"):
            read(views, operations)


@pytest.mark.parametrize("flag", [b"\x88", b"\x89"])
def test_a_parameter_is_its_tensor(views, flag):
    found = read(views, b"ctorch._utils\n_rebuild_parameter\n(" + tensor() + flag + b"NtR")
    assert type(found) is StoredTensor


def test_a_parameter_of_something_else_stays_inert(views):
    found = read(views, b"ctorch._utils\n_rebuild_parameter\n(" + number(7) + b"\x88NtR")
    assert (type(found), found.name) == (Inert, "torch._utils._rebuild_parameter")


def test_a_set_is_a_list(views):
    assert views.read(io.BytesIO(pickle.dumps({7}, protocol=2))) == [7]


@pytest.mark.parametrize("protocol", [2, 4])
@pytest.mark.parametrize(
    "value",
    [np.float32(1.5), np.float64(-2.25), np.float16(0.5), np.int64(-7), np.uint8(255), np.bool_(1),
     np.int32(-(2**31)), np.uint16(65535), np.dtype(">f4").type(3)],
)  # fmt: skip
def test_a_number_of_numpy_is_a_number(views, value, protocol):
    found = views.read(io.BytesIO(pickle.dumps(value, protocol=protocol)))
    assert type(found) in (int, float, bool)
    assert found == value


def test_a_number_of_numpy_of_another_length(views):
    data = pickle.dumps(np.float32(1.5), protocol=4)
    four = b"C\x04" + np.float32(1.5).tobytes()
    assert data.count(four) == 1
    with pytest.raises(CheckpointError, match="whose length is not that of its type"):
        views.read(io.BytesIO(data.replace(four, b"C\x03" + bytes(3))))
