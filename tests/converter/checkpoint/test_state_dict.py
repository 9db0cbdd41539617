"""Where the tensors of a network are in a PyTorch file."""

import copy
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn
from torch_files import archive, row, storage, table, tensor, text

from converter.checkpoint import state_dict
from converter.checkpoint.state_dict import find_state_dict
from converter.errors import CheckpointError
from converter.files.torch_file import opened

COUNTER = "num_batches_tracked"


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(2, 3, 1, bias=False)
        self.bn = nn.BatchNorm2d(3)
        self.register_parameter("nothing", None)


class Net(nn.Module):
    """As ultralytics' models: attributes beside the layers, buffers that are not saved."""

    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(1))
        self.model = nn.Sequential(Block(), Block())
        self.head = nn.Conv2d(3, 4, 1)
        self.register_buffer("anchors", torch.arange(6.0).reshape(3, 2))
        self.register_buffer("grid", torch.zeros(5), persistent=False)
        self.names = {0: "cat", 1: "dog"}


@pytest.fixture
def find(tmp_path):
    """The state dict in a file of ``value``, and its arrays."""
    path = tmp_path / "net.pt"

    def look(value):
        if isinstance(value, bytes):
            path.write_bytes(value)
        else:
            torch.save(value, path)
        with opened(path) as file:
            found = find_state_dict(file)
            return found, {name: file.values(stored) for name, stored in found.tensors.items()}

    return look


def same(arrays, wanted: dict) -> bool:
    """Whether they are ``wanted`` in its order, but for what only counts."""
    wanted = {name: value.numpy() for name, value in wanted.items() if COUNTER not in name}
    assert list(arrays) == list(wanted)
    return all(np.array_equal(arrays[name], value) for name, value in wanted.items())


def nets():
    torch.manual_seed(0)
    net = Net()
    average = copy.deepcopy(net)
    with torch.no_grad():
        for value in average.parameters():
            value.mul_(0.5)
    return net, average


def test_a_state_dict(find):
    net, _ = nets()
    found, arrays = find(net.state_dict())
    assert same(arrays, net.state_dict())
    assert (found.wrappers, found.passed, found.module) == ((), (), None)
    assert not found.averaged


@pytest.mark.parametrize("wrapper", ["model", "state_dict", "model_state_dict"])
def test_a_state_dict_beside_other_things(find, wrapper):
    net, _ = nets()
    optimizer = torch.optim.Adam(net.parameters())
    net.head(net.model[0].conv(torch.ones(1, 2, 1, 1))).sum().backward()
    optimizer.step()
    found, arrays = find(
        {"epoch": 3, "optimizer": optimizer.state_dict(), wrapper: net.state_dict(),
         "best_fitness": torch.tensor(0.5)}
    )  # fmt: skip
    assert same(arrays, net.state_dict())
    assert (found.wrappers, found.averaged) == ((wrapper,), False)


@pytest.mark.parametrize("key", ["ema", "state_dict_ema"])
@pytest.mark.parametrize("kind", ["module", "dict"])
def test_the_average_is_preferred(find, key, kind):
    net, average = nets()
    values = (net, average) if kind == "module" else (net.state_dict(), average.state_dict())
    found, arrays = find({"model": values[0], "state_dict": values[0], key: values[1]})
    assert same(arrays, average.state_dict())
    assert (found.wrappers, found.passed) == ((key,), ("model", "state_dict"))
    assert found.averaged


@pytest.mark.parametrize("ema", [None, {}, {"decay": 0.9999, "updates": 100}])
def test_an_average_that_is_not_there(find, ema):
    net, _ = nets()
    found, arrays = find({"ema": ema, "model": net})
    assert same(arrays, net.state_dict())
    assert (found.wrappers, found.averaged) == (("model",), False)


def test_an_object_that_keeps_the_average(find):
    net, average = nets()
    found, arrays = find({"model": net, "ema": SimpleNamespace(ema=average, updates=100)})
    assert same(arrays, average.state_dict())
    assert found.wrappers == ("ema", "ema")
    assert found.passed == ("model",)


def test_mmengine_has_the_average_in_the_state_dict(find):
    net, average = nets()
    found, arrays = find({"state_dict": average.state_dict(), "ema_state_dict": net.state_dict()})
    assert same(arrays, average.state_dict())
    assert found.wrappers == ("state_dict",)


def test_a_module(find):
    net, _ = nets()
    found, arrays = find(net.half())
    assert same(arrays, net.state_dict())
    assert "grid" not in arrays
    assert found.module.endswith("test_state_dict.Net")
    assert {stored.dtype for stored in found.tensors.values()} == {"float16"}


def test_what_a_module_calls_its_classes(find):
    net, _ = nets()
    assert find({"model": net})[0].class_names == ["cat", "dog"]
    net.names = ["cat", "dog"]
    assert find({"model": net})[0].class_names == ["cat", "dog"]
    assert find(net.state_dict())[0].class_names is None


def test_classes_that_are_no_names_are_left_out(find, monkeypatch):
    net, _ = nets()
    monkeypatch.setattr(state_dict, "MOST_CLASSES", 9)
    net.names = list("abcdefghi")
    assert find(net)[0].class_names == net.names
    for names in (list("abcdefghij"), [], None, "ab", ["a", 3], {1: "a", 2: "b"}, [nn.SiLU()]):
        net.names = names
        assert find(net)[0].class_names is None
    net.names = []
    net.names.append(net.names)  # contains itself
    assert find(net)[0].class_names is None


@pytest.mark.parametrize("prefix", ["module.", "_orig_mod.", "module._orig_mod.", "module.module."])
def test_prefixes_of_all_names(find, prefix):
    net, _ = nets()
    _, arrays = find({prefix + name: value for name, value in net.state_dict().items()})
    assert same(arrays, net.state_dict())


def test_a_prefix_of_some_names_stays(find):
    found, _ = find({"module.a": torch.ones(1), "b": torch.ones(1)})
    assert set(found.tensors) == {"module.a", "b"}


def test_a_module_that_is_wrapped_in_another(find):
    net, _ = nets()
    _, arrays = find({"model": nn.DataParallel(net)})
    assert same(arrays, net.state_dict())


def test_tensors_that_only_count_are_left_out(find):
    counting = ("total_ops", "conv.total_params", "bn.num_batches_tracked")
    values = {name: torch.zeros(1) for name in counting}
    _, arrays = find({"conv.weight": torch.ones(2), **values})
    assert list(arrays) == ["conv.weight"]


def test_what_is_no_tensor_is_left_out(find):
    values = {"weight": torch.ones(2), "version": 3, "mask": torch.eye(2).to_sparse()}
    assert list(find(values)[0].tensors) == ["weight"]


@pytest.mark.parametrize(
    "value",
    [None, 3, [], {}, [torch.ones(1)], torch.ones(1), {3: torch.ones(1)}, {"epoch": 3},
     {"other": {"weight": torch.ones(1)}}, {"model": {"a": {"weight": torch.ones(1)}}}],
)  # fmt: skip
def test_no_state_dict(find, value):
    with pytest.raises(CheckpointError, match="holds no tensors by name") as caught:
        find(value)
    assert caught.value.remedy


# What no training program writes.

MODULE = b"cx\nNet\n)\x81"


def module(parameters=b"}", buffers=b"}", modules=b"}") -> bytes:
    return MODULE + table(_parameters=parameters, _buffers=buffers, _modules=modules) + b"b"


def test_a_module_that_contains_itself(find):
    inner = table(weight=tensor())
    data = (
        MODULE + b"q\0" + table(_parameters=inner, _buffers=b"}", _modules=table(a=b"h\0")) + b"b"
    )
    with pytest.raises(CheckpointError, match="more than 1,048,576 letters of names"):
        find(archive(data))


def test_modules_that_are_shared_until_their_names_fill_the_disk(find):
    data = module(table(weight=tensor()))
    for _ in range(60):  # 2 ** 60 names
        data = module(modules=b"}(" + text("a") + data + b"q\1" + text("b") + b"h\1u")
    with pytest.raises(CheckpointError, match="letters of names"):
        find(archive(data))


@pytest.mark.parametrize("shared", [False, True])
def test_the_same_values_under_many_names(find, shared):
    # What somebody converts would be 20 MB of 200 kB.
    stored = storage(count=50_000)
    one = tensor(shape=row(50_000), stride=row(1), stored=stored)
    first = table(first=one + b"q\0")

    def file(count):
        more = {f"name{n}": b"h\0" if shared else one for n in range(count - 1)}
        return archive(first + table(**more)[1:], {"0": bytes(200_000)})

    assert len(find(file(8))[1]) == 8
    with pytest.raises(CheckpointError, match="tensors of more than 8 times its size"):
        find(file(100))


def test_a_long_name(find):
    name = "a" * 1_000_000
    data = module(modules=table(**{name: module(table(**{name: tensor()}))}))
    with pytest.raises(CheckpointError, match="letters of names"):
        find(archive(data))


def test_a_wrapper_that_contains_itself(find):
    keys = ("ema", "state_dict_ema", "model", "state_dict", "model_state_dict")
    data = b"}q\0(" + b"".join(text(key) + b"h\0" for key in keys) + b"u"
    with pytest.raises(CheckpointError, match="holds no tensors"):
        find(archive(data))


@pytest.mark.parametrize("part", [b"N", b"]", b"K\1", text("a"), tensor()])
def test_a_module_whose_parts_are_none(find, part):
    with pytest.raises(CheckpointError, match="holds no tensors"):
        find(archive(module(part)))
    found, arrays = find(archive(module(table(weight=tensor()), modules=table(a=part))))
    assert "weight" in arrays
    assert found.module == "x.Net"


def test_buffers_that_are_hidden_by_something_else(find):
    state = table(_parameters=b"}", _buffers=table(a=tensor()), _modules=b"}")
    for hidden in (b"N", b"K\1", b"](K\1]e", text("a")):
        more = text("_non_persistent_buffers_set") + hidden + b"s"
        _, arrays = find(archive(MODULE + state + more + b"b"))
        assert list(arrays) == ["a"]
