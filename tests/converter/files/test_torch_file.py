"""What torch.save wrote, read without PyTorch; torch.load is what it is compared with."""

import collections
import io
import pickle
import struct
import subprocess
import sys
import types
import warnings
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from torch_files import archive, legacy, number, row, storage, table, tensor

from converter.errors import CheckpointError
from converter.files import torch_file, torch_objects
from converter.files.pickled import Inert
from converter.files.torch_file import opened
from converter.files.torch_objects import StoredTensor

FORMATS = {"zip": True, "legacy": False}


@pytest.fixture(params=FORMATS)
def save(request, tmp_path):
    """Saves an object in one of PyTorch's two formats, and gives the path."""

    def write(value, **options):
        path = tmp_path / "net.pt"
        torch.save(value, path, _use_new_zipfile_serialization=FORMATS[request.param], **options)
        return path

    return write


@pytest.fixture
def write(tmp_path):
    def write(data: bytes) -> Path:
        path = tmp_path / "net.pt"
        path.write_bytes(data)
        return path

    return write


def bits(value: torch.Tensor) -> np.ndarray:
    value = value.detach().contiguous()
    return (value.view(torch.uint16) if value.dtype == torch.bfloat16 else value).numpy()


def read(path):
    """The tree, with arrays in place of tensors."""
    with opened(path) as file:
        return replace(file.tree, file)


def replace(value, file):
    if isinstance(value, StoredTensor):
        return file.values(value)
    if isinstance(value, dict):
        return {key: replace(part, file) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(replace(part, file) for part in value)
    return value


def refusal(path) -> str:
    with pytest.raises(CheckpointError) as caught:
        read(path)
    assert "\n" not in str(caught.value)
    return str(caught.value).removeprefix(f"{path}: ")


VALUES = [0.0, -0.0, 1.5, -3.25, 100.0, 0.1]


@pytest.mark.parametrize("name", torch_objects.CODES)
def test_every_type(save, name):
    value = torch.tensor(VALUES).abs().to(getattr(torch, name)).reshape(2, 3)
    path = save({"weight": value})
    with opened(path) as file:
        stored = file.tree["weight"]
        assert (stored.dtype, stored.shape, stored.size) == (name, (2, 3), 6)
        found = file.values(stored)
    loaded = bits(torch.load(path)["weight"])
    assert found.dtype == loaded.dtype
    assert found.tobytes() == loaded.tobytes() == bits(value).tobytes()
    assert found.flags.c_contiguous


def test_values_that_are_not_finite(save):
    value = torch.tensor([float("nan"), float("inf"), -float("inf"), -0.0, 1e-45])
    assert read(save(value)).tobytes() == value.numpy().tobytes()


@pytest.mark.parametrize(
    "view",
    [
        lambda x: x, lambda x: x.T, lambda x: x[1:], lambda x: x[:, ::2], lambda x: x[2, 3],
        lambda x: x[:0], lambda x: x[:, None], lambda x: x.reshape(2, 2, 2, 3).permute(3, 1, 0, 2),
        lambda x: x[0, 0].expand(3, 4), lambda x: x[0].expand(2, 6), lambda x: x.unfold(1, 3, 1),
        lambda x: torch.empty(0), lambda x: torch.empty(3, 0, 5),
        lambda x: x.to(memory_format=torch.contiguous_format),
    ],
)  # fmt: skip
def test_every_view_of_a_storage(save, view):
    value = view(torch.arange(24.0).reshape(4, 6))
    found = read(save(value))
    assert found.shape == tuple(value.shape)
    assert found.flags.c_contiguous
    assert np.array_equal(found, value.numpy())


def test_channels_last(save):
    value = torch.randn(2, 3, 4, 5).to(memory_format=torch.channels_last)
    assert np.array_equal(read(save(value)), value.numpy())


def test_tensors_that_share_a_storage(save):
    whole = torch.arange(12.0)
    path = save({"whole": whole, "half": whole[6:], "turned": whole.reshape(3, 4).T})
    with opened(path) as file:
        assert len({id(part.storage) for part in file.tree.values()}) == 1
    for name, found in read(path).items():
        assert np.array_equal(found, torch.load(path)[name].numpy()), name


def test_parameters(save):
    plain = torch.nn.Parameter(torch.ones(2))
    described = torch.nn.Parameter(torch.zeros(3), requires_grad=False)
    described.decay = 0.1  # kept as the parameter's state
    found = read(save([plain, described]))
    assert [part.tolist() for part in found] == [[1, 1], [0, 0, 0]]


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_every_protocol(tmp_path, protocol):
    value = {"epoch": 3, "text": "x" * 300, "weight": torch.arange(3.0)}
    for number_, new in enumerate(FORMATS.values()):
        path = tmp_path / f"{number_}.pt"
        torch.save(value, path, pickle_protocol=protocol, _use_new_zipfile_serialization=new)
        found = read(path)
        assert (found["epoch"], found["text"]) == (3, "x" * 300)
        assert found["weight"].tolist() == [0, 1, 2]


def test_a_state_dict_is_a_dict(save):
    model = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.BatchNorm2d(4))
    state = model.state_dict()
    assert isinstance(state, collections.OrderedDict)
    assert state._metadata
    found = read(save(state))
    assert list(found) == list(state)
    for name, value in state.items():
        assert found[name].tobytes() == value.numpy().tobytes()


NUMBERS = [
    np.float64(0.1), np.float32(0.1), np.float16(0.1), np.int64(-5), np.int32(-5), np.int16(-5),
    np.int8(-5), np.uint8(250), np.uint16(60000), np.uint32(4_000_000_000), np.uint64(2**63),
    np.bool_(True), np.float64("nan"),
]  # fmt: skip


@pytest.mark.parametrize("protocol", [2, 4])
def test_numbers_of_numpy(tmp_path, protocol):
    path = tmp_path / "net.pt"
    torch.save({"best_fitness": NUMBERS}, path, pickle_protocol=protocol)
    found = read(path)["best_fitness"]
    assert str(found) == str([value.item() for value in NUMBERS])
    assert {type(value) for value in found} == {float, int, bool}


def test_arrays_of_numpy_stay_inert(save):
    assert isinstance(read(save({"results": np.zeros(3)}))["results"], Inert)


def test_what_is_neither_plain_nor_a_known_tensor_stays_inert(tmp_path):
    path = tmp_path / "net.pt"
    sparse = torch.eye(2).to_sparse()
    complex_ = torch.ones(2, dtype=torch.complex64)
    others = {"device": torch.device("cpu"), "dtype": torch.float32, "size": torch.Size([2])}
    torch.save({"sparse": sparse, "complex": complex_, "real": torch.ones(1), **others}, path)
    found = read(path)
    assert found.pop("real").tolist() == [1]
    assert {type(part) for part in found.values()} == {Inert}
    assert found["dtype"].name == "torch.float32"


def test_a_module_whose_class_is_gone(save):
    gone = types.ModuleType("gone")
    exec(
        "import torch\n"
        "class Block(torch.nn.Module):\n"
        "    def __init__(self):\n"
        "        super().__init__()\n"
        "        self.conv = torch.nn.Conv2d(2, 3, 1)\n"
        "        self.names = ['cat', 'dog']\n",
        gone.__dict__,
    )
    gone.Block.__module__ = "gone"
    sys.modules["gone"] = gone
    try:
        model = gone.Block()
        with warnings.catch_warnings(action="ignore"):  # the old format keeps the source code
            path = save(model)
    finally:
        del sys.modules["gone"]
    with opened(path) as file:
        assert file.tree.name == "gone.Block"
        conv = file.tree.state["_modules"]["conv"]
        assert conv.name == "torch.nn.modules.conv.Conv2d"
        weight = file.values(conv.state["_parameters"]["weight"])
    assert np.array_equal(weight, model.conv.weight.detach().numpy())
    assert "gone" not in sys.modules


def test_reading_needs_no_torch(tmp_path):
    path = tmp_path / "net.pt"
    torch.save({"weight": torch.arange(3.0)}, path)
    code = (
        "import sys\n"
        "sys.modules['torch'] = None\n"
        "from converter.files.torch_file import opened\n"
        "with opened(sys.argv[1]) as file: print(file.values(file.tree['weight']).tolist())\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, path], capture_output=True, text=True, check=False,
        cwd=Path(__file__).parents[3],
    )  # fmt: skip
    assert done.stdout == "[0.0, 1.0, 2.0]\n", done.stderr


@pytest.mark.parametrize("kind", ["FloatStorage", "HalfStorage", "BFloat16Storage", "CharStorage"])
def test_a_file_from_a_machine_with_the_other_byte_order(write, kind):
    width = {"FloatStorage": 4, "CharStorage": 1}.get(kind, 2)
    values = bytes(range(6 * width))
    turned = np.frombuffer(values, f">u{width}").astype(f"<u{width}").tobytes()
    operations = tensor(stored=storage(kind=kind))
    assert read(write(archive(operations, {"0": values}))).tobytes() == values
    assert read(write(archive(operations, {"0": values}, byteorder=b"big"))).tobytes() == turned


def test_a_file_without_checksums(tmp_path):
    path = tmp_path / "net.pt"
    torch.serialization.set_crc32_options(False)
    try:
        torch.save(torch.arange(3.0), path)
    finally:
        torch.serialization.set_crc32_options(True)
    assert read(path).tolist() == [0, 1, 2]


def test_a_value_that_was_changed(tmp_path):
    path = tmp_path / "net.pt"
    value = torch.rand(100)
    torch.save({"a": value, "b": torch.zeros(2)}, path)
    data = bytearray(path.read_bytes())
    data[data.index(value.numpy().tobytes()) + 17] ^= 1
    path.write_bytes(data)
    with opened(path) as file:
        assert file.values(file.tree["b"]).tolist() == [0, 0]
        with pytest.raises(CheckpointError, match="storage 0: is damaged: its checksum differs"):
            file.values(file.tree["a"])


# What torch.save never wrote. A storage of 24 bytes has six values of float32.


@pytest.mark.parametrize("wrap", [archive, legacy])
def test_by_hand(write, wrap):
    values = np.arange(6, dtype="<f4")
    found = read(write(wrap(table(weight=tensor()), {"0": values.tobytes()})))
    assert found["weight"].tolist() == [[0, 1, 2], [3, 4, 5]]


@pytest.mark.parametrize("wrap", [archive, legacy])
def test_an_ordered_dict_as_python_2_wrote_it(write, wrap, monkeypatch):
    # collections.OrderedDict.__reduce__ of Python 2.7: the class, and a list of [key, value].
    pairs = b"](]U\1a" + b"a" + tensor() + b"a]U\1b" + b"a" + tensor() + b"ae"
    data = wrap(b"ccollections\nOrderedDict\n" + pairs + b"\x85R")
    assert list(read(write(data))) == ["a", "b"]
    monkeypatch.setattr(torch_objects, "MOST_PAIRS", 1)
    assert "dicts made of more than 1 pairs" in refusal(write(data))


def test_a_tensor_as_pytorch_0_3_wrote_it(write):
    parts = storage() + number(2) + row(2) + row(3)
    data = b"ctorch._utils\n_rebuild_tensor\n(" + parts + b"tR"
    values = {"0": np.arange(6, dtype="<f4").tobytes()}
    assert read(write(legacy(data, values))).tolist() == [2, 5]


@pytest.mark.parametrize("pairs", [b"N", b"](Ne", b"](]e", b"](](NNee", b"](](U\1aNNee", b"(t"])
def test_an_ordered_dict_of_something_else_stays_inert(write, pairs):
    made = read(write(archive(b"ccollections\nOrderedDict\n" + pairs + b"\x85R")))
    assert made.name == "collections.OrderedDict"


HUGE = 2**62


@pytest.mark.parametrize("wrap", [archive, legacy])
@pytest.mark.parametrize(
    ("operations", "message"),
    [
        (tensor(shape=row(2, 4)), "goes beyond its storage 0"),
        (tensor(offset=number(1)), "goes beyond its storage 0"),
        (tensor(stride=row(4, 1)), "goes beyond its storage 0"),
        (tensor(shape=row(HUGE, HUGE)), "goes beyond its storage 0"),
        (tensor(shape=row(HUGE, HUGE), stride=row(0, 0)), "larger than the file"),
        (tensor(shape=row(0, HUGE)), "larger than the file"),
        (tensor(shape=row(10_000), stride=row(0)), "larger than the file"),
        (tensor(stride=row(HUGE, HUGE)), "goes beyond its storage 0"),
        (tensor(offset=number(HUGE)), "goes beyond its storage 0"),
        (tensor(offset=number(-1)), "without a shape or place"),
        (tensor(shape=row(-2, 3)), "without a shape or place"),
        (tensor(stride=row(-3, 1)), "without a shape or place"),
        (tensor(shape=row(2**64, 1)), "without a shape or place"),
        (tensor(stride=row(1)), "without a shape or place"),
        (tensor(shape=row(*[1] * 33), stride=row(*[1] * 33)), "without a shape or place"),
        (tensor(shape=b"]"), "without a shape or place"),
        (tensor(offset=b"G" + bytes(8)), "without a shape or place"),
        (tensor(shape=b"(\x88K\x03t"), "without a shape or place"),  # True is no size
        (tensor(stored=storage(count=-1)), "a storage without a name or size"),
        (tensor(stored=storage(count=2**64)), "a storage without a name or size"),
        (tensor(stored=storage(key="0" * 101)), "a storage without a name or size"),
        (b"(" + tensor() + tensor(stored=storage(count=5)) + b"t", "two types or sizes"),
        (b"(" + tensor() + tensor(stored=storage(kind="IntStorage")) + b"t", "two types or sizes"),
        (number(7) + b"Q", "refers to something that is no storage"),
        (b"(K\0K\1K\2K\3tQ", "refers to something that is no storage"),
        (row(1, 2, 3, 4, 5, 6, 7) + b"Q", "refers to something that is no storage"),
    ],
)
def test_a_tensor_that_is_none(write, wrap, operations, message):
    found = refusal(write(wrap(operations)))
    assert message in found
    assert "byte " in found


@pytest.mark.parametrize("count", [5, 7, 10**6, 2**62])
def test_a_storage_of_another_size_than_its_entry(write, count):
    path = write(archive(tensor(shape=row(1, 1), stored=storage(count=count))))
    assert refusal(path) == (
        f"net/data/0: has 24 bytes, not {count:,} values of float32 (download or copy it again)"
    )


def test_a_storage_that_is_missing(write):
    assert refusal(write(archive(tensor(), {}))) == (
        "net/data/0: is missing (download or copy it again)"
    )


@pytest.mark.parametrize("key", ["../data.pkl", "../../net/data/0", "/etc/passwd", "0/../0"])
def test_a_storage_is_an_entry_not_a_path(write, key):
    assert "is missing" in refusal(write(archive(tensor(stored=storage(key=key)))))


def test_a_zip_bomb(write):
    data = archive(tensor(stored=storage(count=2**24)), {"0": bytes(2**26)},
                   compression=zipfile.ZIP_DEFLATED)  # fmt: skip
    assert len(data) < 2**17
    assert refusal(write(data)) == (
        "net/data.pkl: is compressed (let PyTorch write it again:"
        " torch.save(torch.load(PATH, weights_only=True), PATH))"
    )


def test_a_pickle_that_is_too_large(write, monkeypatch):
    monkeypatch.setattr(torch_file, "MAX_PICKLE", 100)
    assert "net/data.pkl: is more than 100 bytes (save" in refusal(write(archive(tensor())))
    assert "its pickle: is more than 100 bytes (save" in refusal(write(legacy(tensor())))


def test_an_old_file_with_another_list_of_storages(write):
    data = legacy(tensor())
    keys = pickle.dumps(["0"], protocol=2)
    assert data.count(keys) == 1
    for other in ([], ["1"], ["0", "0"], ["0", "1"], [0], "0", None, {"0": 1}):
        changed = data.replace(keys, pickle.dumps(other, protocol=2))
        assert "lists other storages" in refusal(write(changed)), other


@pytest.mark.parametrize("count", [0, 5, 7, -1, 2**62])
def test_an_old_file_with_another_count_of_values(write, count):
    data = legacy(tensor())
    changed = data[:-32] + struct.pack("<q", count) + data[-24:]
    assert f"has {count:,} values in one place and 6 in another" in refusal(write(changed))


def test_an_old_file_with_something_after_its_end(write):
    assert "has bytes after its last storage" in refusal(write(legacy(tensor()) + b"x"))


def test_an_old_file_of_another_version(write):
    data = legacy(tensor()).replace(pickle.dumps(1001, protocol=2), pickle.dumps(1000, protocol=2))
    assert "a format that PyTorch never wrote" in refusal(write(data))


def test_an_old_file_from_a_machine_with_the_other_byte_order(write):
    little = np.arange(6, dtype="<f4")
    data = legacy(tensor(), {"0": little.astype(">f4").tobytes()})
    data = data.replace(b"little_endian\x88", b"little_endian\x89")
    data = data.replace(b"little_endianq\x02\x88", b"little_endianq\x02\x89")
    data = data[:-32] + struct.pack(">q", 6) + data[-24:]
    assert read(write(data)).tobytes() == little.tobytes()


# Files that are something else.


def values_by_the_line_proposed(path, monkeypatch):
    """Those that the line in the refusal of ``path`` saves, as it stands there."""
    with pytest.raises(CheckpointError) as caught:
        read(path)
    monkeypatch.chdir(path.parent)
    exec(caught.value.remedy.removeprefix("save its values: "), {"torch": torch, "PATH": path})
    return read(path.with_name("values.pt"))


def assert_same_values(found, layer):
    wanted = {name: bits(value) for name, value in layer.state_dict().items()}
    assert {name: value.tolist() for name, value in found.items()} == {
        name: value.tolist() for name, value in wanted.items()
    }


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # torch.jit is, as a whole
def test_a_torchscript_program(tmp_path, monkeypatch):
    path, layer = tmp_path / "net.pt", torch.nn.Linear(2, 3)
    torch.jit.save(torch.jit.script(layer), path)
    assert refusal(path) == (
        "is a TorchScript program"
        " (save its values: torch.save(torch.jit.load(PATH).state_dict(), 'values.pt'))"
    )
    assert_same_values(values_by_the_line_proposed(path, monkeypatch), layer)


@pytest.mark.filterwarnings("ignore::FutureWarning")  # its loader uses deprecated parts of PyTorch
def test_an_exported_program(tmp_path, monkeypatch):
    path, layer = tmp_path / "net.pt2", torch.nn.Linear(2, 3)
    torch.export.save(torch.export.export(layer, (torch.ones(1, 2),)), path)
    assert refusal(path) == (
        "is a program that torch.export saved"
        " (save its values: torch.save(torch.export.load(PATH).state_dict, 'values.pt'))"
    )
    assert_same_values(values_by_the_line_proposed(path, monkeypatch), layer)


@pytest.mark.parametrize(
    ("data", "name"),
    [
        (b"", "no PyTorch file by its first bytes"),
        (bytes(1000), "no PyTorch file by its first bytes"),
        (b"[net]\n", "no PyTorch file by its first bytes"),
        (pickle.dumps({"model": 1}, protocol=2), "a Python pickle"),
        (b"<!DOCTYPE html>", "an HTML page"),
        (b"\x80\x02\x8a\x0a" + bytes(20), "a Python pickle"),
    ],
)
def test_another_file(write, data, name):
    assert refusal(write(data)).startswith(f"is {name}")


def test_no_file(tmp_path):
    assert refusal(tmp_path / "net.pt") == "no such file (check the path)"
    assert refusal(tmp_path) == "is a directory (give a .pt or .pth file)"


# Damage.


def small(save):
    """A file with each way to keep a tensor, and its values."""
    value = {"epoch": 3, "state_dict": {"a": torch.arange(3.0), "b": torch.ones(2).bfloat16()}}
    return save(value)


def test_a_file_that_is_cut_off_anywhere(save):
    path = small(save)
    data = path.read_bytes()
    for size in range(len(data)):
        path.write_bytes(data[:size])
        refusal(path)


def test_every_damaged_byte_of_an_archive_is_noticed_or_does_not_matter(tmp_path):
    path = tmp_path / "net.pt"
    torch.save({"epoch": 3, "state_dict": {"a": torch.arange(3.0)}}, path)
    data, right = path.read_bytes(), repr(read(path))
    noticed = 0
    for offset in range(len(data)):
        path.write_bytes(
            data[:offset] + bytes([data[offset] ^ (1 << offset % 8)]) + data[offset + 1 :]
        )
        try:
            assert repr(read(path)) == right, offset
        except CheckpointError:
            noticed += 1
    assert noticed > 500  # the rest is padding, dates and entries that nobody reads


def loaded(path):
    """What PyTorch makes of the file, with arrays in place of tensors; None if it refuses it."""
    try:
        with warnings.catch_warnings(action="ignore"):
            return arrays(torch.load(path, weights_only=True))
    except Exception:  # of a damaged file it raises what its parts do
        return None


def arrays(value):
    if isinstance(value, torch.Tensor):
        return bits(value)
    if isinstance(value, dict):
        return {key: arrays(part) for key, part in value.items()}
    return type(value)(map(arrays, value)) if isinstance(value, list | tuple) else value


def test_a_damaged_old_file_is_refused_or_read_as_pytorch_reads_it(tmp_path):
    """It has no checksums: a changed value is another value."""
    path = tmp_path / "net.pt"
    torch.save({"epoch": 3, "state_dict": {"a": torch.arange(3.0)}}, path,
               _use_new_zipfile_serialization=False)  # fmt: skip
    data, agreed = path.read_bytes(), 0
    for offset in range(len(data)):
        for flip in (1, 0x10, 0x80, 0xFF):
            path.write_bytes(data[:offset] + bytes([data[offset] ^ flip]) + data[offset + 1 :])
            theirs = loaded(path)
            try:
                ours = read(path)
            except CheckpointError:
                assert offset < len(data) - 12  # the last twelve bytes are the values
                continue
            if theirs is not None:
                assert repr(ours) == repr(theirs), offset
                agreed += 1
    assert agreed > 300  # most of the rest are refused by both, some by PyTorch alone


def test_a_file_that_shrinks_while_it_is_read(tmp_path):
    path = tmp_path / "net.pt"
    torch.save(torch.zeros(1000), path)
    with opened(path) as file:
        with open(path, "r+b") as other:
            other.truncate(1000)
        with pytest.raises(CheckpointError, match="became shorter while it was read"):
            file.values(file.tree)


def test_reading_takes_the_memory_of_one_tensor(tmp_path):
    import tracemalloc

    path, buffer = tmp_path / "net.pt", io.BytesIO()
    torch.save({str(n): torch.zeros(1 << 18) for n in range(8)}, buffer)  # 1 MiB each
    path.write_bytes(buffer.getvalue())
    tracemalloc.start()
    try:
        with opened(path) as file:
            for value in file.tree.values():
                file.values(value)
        assert tracemalloc.get_traced_memory()[1] < 5 << 20
    finally:
        tracemalloc.stop()
