"""Pickles, read without running anything of them."""

import builtins
import io
import os
import pickle
import subprocess
import sys
import tracemalloc
from pathlib import Path

import pytest
from torch_files import number, text, whole

from converter.errors import CheckpointError
from converter.files import pickled
from converter.files.pickled import Inert, read_pickle

PROTOCOLS = range(2, pickle.HIGHEST_PROTOCOL + 1)


def read(data):
    return read_pickle(io.BytesIO(data), Path("x.pt"), "data.pkl")


def refusal(data) -> str:
    with pytest.raises(CheckpointError) as caught:
        read(data)
    assert caught.value.place.startswith("data.pkl, byte ")
    assert caught.value.remedy
    return str(caught.value)


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize(
    "value",
    [
        None, True, False, 0, 255, 65535, -1, 2**31 - 1, -(2**31), 2**63, -(2**100), 1.5, -0.0,
        "", "names", "고양이" * 100, [], [1, [2, [3]]], (), (1,), (1, 2), (1, 2, 3), (1, 2, 3, 4),
        {}, {"a": {"b": [1]}, 3: "three", None: 0, 2.5: 1}, ["same", "same"], list(range(3000)),
    ],
)  # fmt: skip
def test_plain_values_are_as_pickle_reads_them(value, protocol):
    data = pickle.dumps(value, protocol)
    found = read(data)
    assert found == value == pickle.loads(data)
    assert type(found) is type(value)


@pytest.mark.parametrize("protocol", [3, 4, 5])
@pytest.mark.parametrize("value", [b"", b"abc", b"x" * 300, bytearray(b"abc")])
def test_bytes_are_as_pickle_reads_them(value, protocol):
    if protocol < 5 and isinstance(value, bytearray):
        assert read(pickle.dumps(value, protocol)).name == "builtins.bytearray"
    else:
        assert read(pickle.dumps(value, protocol)) == value


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_shared_and_circular_parts_stay_shared(protocol):
    part = []
    value = {"a": part, "b": part}
    part.append(value)
    found = read(pickle.dumps(value, protocol))
    assert found["a"] is found["b"]
    assert found["a"][0] is found


@pytest.mark.parametrize("protocol", [4, 5])
def test_a_set_is_a_list_of_its_members(protocol):
    assert sorted(read(pickle.dumps({"a", "b"}, protocol))) == ["a", "b"]
    assert sorted(read(pickle.dumps(frozenset({"a", "b"}), protocol))) == ["a", "b"]


class Thing:
    """Has attributes, and is called with nothing."""

    def __init__(self):
        self.size = 3


class Listed(list):
    """Is appended to."""


class Keyed(dict):
    """Is filled with keys."""


class Keyword:
    """Is made with a keyword."""

    def __new__(cls, *, width):
        return super().__new__(cls)

    def __getnewargs_ex__(self):
        return (), {"width": 3}


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_class_is_its_name_and_its_object_what_it_was_set_to(protocol):
    found = read(pickle.dumps([Thing, Thing(), Listed("ab"), Keyed(a=1)], protocol))
    made, thing, *filled = found
    assert (made.name, made.args) == (f"{__name__}.Thing", None)
    assert (thing.name, thing.args, thing.state) == (f"{__name__}.Thing", (), {"size": 3})
    assert [one.name for one in filled] == [f"{__name__}.Listed", f"{__name__}.Keyed"]
    assert {type(one) for one in found} == {Inert}


@pytest.mark.parametrize("protocol", [4, 5])
def test_an_object_made_with_keywords(protocol):
    assert read(pickle.dumps(Keyword(width=3), protocol)).name == f"{__name__}.Keyword"


def test_what_python_2_wrote_as_text():
    assert read(b"\x80\x02U\x05model.") == "model"


def test_an_object_does_not_print_what_it_contains():
    thing = read(pickle.dumps(Thing()))
    thing.state = {"itself": thing}
    assert repr(thing) == f"<{__name__}.Thing>"


# Nothing is run, nothing is imported.


class Runs:
    def __init__(self, function, *args):
        self.reduced = (function, args)

    def __reduce__(self):
        return self.reduced


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_no_function_is_called(tmp_path, protocol):
    marker = tmp_path / "marker"
    command = f"open({str(marker)!r}, 'w').close()"
    bombs = [
        Runs(os.system, f"touch {marker}"),
        Runs(builtins.eval, command),
        Runs(builtins.exec, command),
        Runs(os.mkdir, str(marker)),
        Runs(subprocess.Popen, ["touch", str(marker)]),
    ]
    for bomb in bombs:
        data = pickle.dumps({"model": bomb}, protocol)
        assert isinstance(read(data)["model"], Inert)
        assert not marker.exists()
    pickle.loads(pickle.dumps(bombs[1], protocol))
    assert marker.exists()  # they are bombs: Python's own reader goes off


def test_no_module_is_imported(tmp_path, monkeypatch):
    marker = tmp_path / "marker"
    (tmp_path / "trap.py").write_text(f"open({str(marker)!r}, 'w')\nclass Model: pass\n")
    monkeypatch.syspath_prepend(tmp_path)
    for data in (
        whole(b"ctrap\nModel\n)\x81"),
        whole(b"ctrap\nModel\n)R"),
        whole(text("trap") + text("Model") + b"\x93)\x81", 4),
    ):
        assert read(data).name == "trap.Model"
    assert "trap" not in sys.modules
    assert not marker.exists()


def test_a_result_of_a_call_cannot_be_called_as_what_it_came_from():
    # getattr(OrderedDict, "x")(...): the object that stands for the first call is no function.
    data = whole(b"ccollections\nOrderedDict\n" + text("x") + b"\x85R)R")
    assert isinstance(read(data), Inert)


# Bounds.


def test_as_many_operations_as_are_allowed(monkeypatch):
    monkeypatch.setattr(pickled, "MAX_OPERATIONS", 10)
    assert read(whole(b"]" * 8)) == []  # PROTO and STOP are two more
    assert refusal(whole(b"]" * 9)) == (
        "x.pt: data.pkl, byte 11: is a pickle of more than 10 operations"
        " (save the state dict alone: torch.save(model.state_dict(), PATH))"
    )


@pytest.mark.parametrize(
    ("operations", "count"),
    [(b"]", 1), (b"}", 1), (b"\x8f", 1), (b"(", 1), (b"N\x94", 2), (b"N\x85", 2), (b"c\n\n", 1),
     (b"\x8c\2ab", 1), (b"\x8a\1\1\x94", 2), (b"}\x8c\1aNs", 4), (b"cx\ny\n)\x81", 3),
     (b"c\n\nNa", 3), (b"G" + b"1" * 8, 1)],
)  # fmt: skip
def test_an_operation_takes_at_most_150_bytes(operations, count):
    times = 20_000
    data = whole(operations * times + b"N")
    tracemalloc.start()
    try:
        read(data)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 150 * count * times


def test_lists_that_are_nested_deeply():
    depth = 400_000
    found = read(whole(b"]" * depth + b"a" * (depth - 1)))
    count = 0
    while found:
        (found,) = found
        count += 1
    assert count == depth - 1


def test_doubling_costs_nothing():
    # Each tuple is the one before, twice: 2 ** 50000 leaves.
    found = read(whole(b"N" + b"2\x86" * 50_000))
    assert found[0] is found[1]


def test_keys_are_not_hashed_at_a_price():
    # A tuple's hash is computed from its leaves each time: 2 ** 50000 of them.
    found = read(whole(b"}N" + b"2\x86" * 50_000 + b"Ns"))
    ((key, value),) = found.items()
    assert isinstance(key, Inert)
    assert value is None


def test_as_many_keys_as_are_allowed_that_are_no_text(monkeypatch):
    monkeypatch.setattr(pickled, "MAX_OTHER_KEYS", 3)
    assert read(pickle.dumps({1: 0, 2: 0, 3: 0, "a": 0, "b": 0})) == {
        1: 0, 2: 0, 3: 0, "a": 0, "b": 0
    }  # fmt: skip
    assert "more than 3 keys that are no text" in refusal(
        pickle.dumps([{1: 0, 2: 0}, {3: 0, 4: 0}])
    )


def test_large_numbers():
    largest = 2 ** (8 * pickled.MAX_NUMBER - 1) - 1
    assert read(pickle.dumps(largest)) == largest
    assert "a number of more than 255 bytes" in refusal(pickle.dumps(2 ** (8 * 300)))


@pytest.mark.parametrize(
    ("operation", "width"),
    [(b"X", 4), (b"B", 4), (b"T", 4), (b"\x8b", 4), (b"\x8d", 8), (b"\x8e", 8), (b"\x96", 8)],
)
def test_a_length_beyond_the_end_allocates_nothing(operation, width):
    data = b"\x80\x05" + operation + (2**31 - 1).to_bytes(width, "little") + b"abc"
    tracemalloc.start()
    try:
        assert "damaged" in refusal(data)
        assert tracemalloc.get_traced_memory()[1] < 1 << 20
    finally:
        tracemalloc.stop()


# Damage.


@pytest.mark.parametrize(
    ("operations", "message"),
    [
        (b"", "takes a value from an empty stack"),
        (b"0", "goes back to a mark that it never set"),
        (b"2", "uses a value of an empty stack"),
        (b"q\0", "uses a value of an empty stack"),
        (b"t", "goes back to a mark that it never set"),
        (b"h\7", "uses the value 7, which it never stored"),
        (b"Na", "uses a value of an empty stack"),
        (b"NNa", "appends to what is no list"),
        (b"NNNs", "sets a key of what is no dict"),
        (b"}(Nu", "has a key without a value"),
        (b"N)R", "calls what is no function"),
        (b"ca\nb\nNR", "calls what is no function"),
        (b"NN\x93", "names a class by what is no text"),
        (text("a" * 600) * 2 + b"\x93", "names a class by more than 1000 characters"),
        (b"NQ", "refers to something outside it"),
        (b"P0\n", "has the operation PERSID"),
        (b"\x82\1", "has the operation EXT1"),
        (b"\x97", "has the operation NEXT_BUFFER"),
        (b"(ios\nsystem\n", "has the operation INST"),
        (b"I5\n", "has the operation INT"),
        (b"L5L\n", "has the operation LONG"),
        (b"\xff", "opcode"),
        (b"X\4\0\0\0\xff\xff\xff\xff", "utf-8"),
        (b"ca\xff\nb\n", "ascii"),
    ],
)
def test_a_damaged_pickle(operations, message):
    assert message in refusal(whole(operations))


def test_a_pickle_that_is_cut_off_anywhere():
    data = pickle.dumps({"a": [1, 2.5, "text", b"bytes", Thing()], 3: (None, True)}, 4)
    assert read(data)["a"][0] == 1
    for size in range(len(data)):
        refusal(data[:size])


def test_what_follows_a_pickle_is_left():
    stream = io.BytesIO(pickle.dumps([1]) + b"more")
    assert read_pickle(stream, Path("x")) == [1]
    assert stream.read() == b"more"


def test_a_refusal_names_the_byte():
    with pytest.raises(CheckpointError) as caught:
        read_pickle(io.BytesIO(whole(number(1) + b"0h\7")), Path("x.pt"))
    # PROTO has two bytes, LONG1 three, POP one
    assert str(caught.value) == (
        "x.pt: byte 6: is a damaged pickle: uses the value 7, which it never stored"
        " (download or copy it again)"
    )
