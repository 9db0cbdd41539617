"""The safetensors file as bytes, and the target that is whole or not there."""

import io
import json
import os
import tracemalloc

import numpy as np
import pytest
from safetensors.numpy import load, save

from converter.checkpoint import header
from converter.checkpoint.header import (
    Contents,
    Entry,
    is_counter,
    make_head,
    prefixes,
    read_contents,
    read_head,
    unreadable,
)
from converter.errors import CheckpointError, OutputError


def test_it_can_be_made_as_long_as_another(tmp_path):
    """By spaces, with which the library reads it as well."""
    head = make_head([("a", (2,))], {"k": "v"}, least=401)
    assert len(head) == 408  # the next multiple of 8
    assert head[8:9] == b"{"  # with which the format lets a header begin
    (tmp_path / "a.safetensors").write_bytes(head + bytes(8))
    assert load((tmp_path / "a.safetensors").read_bytes())["a"].tolist() == [0, 0]
    assert read_contents(tmp_path / "a.safetensors").metadata == {"k": "v"}


def test_the_head_is_safetensors():
    data = make_head([("a", (2, 3)), ("b", (1,))], {"z": "1", "format": "pt", "n": "ü"})
    assert len(data) % 8 == 0
    tensors = load(data + np.arange(7, dtype="<f4").tobytes())
    np.testing.assert_array_equal(tensors["a"], [[0, 1, 2], [3, 4, 5]])
    np.testing.assert_array_equal(tensors["b"], [6])


def test_metadata_is_in_one_order():
    assert make_head([], {"b": "1", "a": "2"}) == make_head([], {"a": "2", "b": "1"})


@pytest.mark.parametrize(
    ("dtype", "code", "width"),
    [("float32", "F32", 4), ("float16", "F16", 2), ("bfloat16", "BF16", 2)],
)
def test_the_head_byte_by_byte(dtype, code, width):
    """The README of safetensors, "Format": length, JSON, blanks up to a multiple of 8."""
    made = make_head([("a", (2, 3)), ("b", ())], {"k": "ü"}, dtype)
    text = (
        '{"__metadata__":{"k":"ü"},'
        f'"a":{{"dtype":"{code}","shape":[2,3],"data_offsets":[0,{6 * width}]}},'
        f'"b":{{"dtype":"{code}","shape":[],"data_offsets":[{6 * width},{7 * width}]}}}}'
    ).encode()
    padding = b" " * (-len(text) % 8)
    assert made == (len(text) + len(padding)).to_bytes(8, "little") + text + padding


def test_float32_unless_it_is_asked_for_something_else():
    assert b'"F32"' in make_head([("a", (1,))], {})


@pytest.mark.parametrize(("more", "size"), [(0, 32), (1, 32), (6, 32), (7, 32), (8, 40)])
def test_values_begin_at_a_multiple_of_8(more, size):
    head = make_head([], {"k": "x" * more})  # {"__metadata__":{"k":""}} has 25 characters
    assert len(head) == 8 + size
    assert int.from_bytes(head[:8], "little") == len(head) - 8
    assert not load(head)


def test_a_head_that_no_reader_takes(monkeypatch):
    monkeypatch.setattr(header, "MAX_HEADER", 32)
    full = make_head([], {"k": "x" * 7})
    assert len(full) == 8 + 32
    with pytest.raises(OutputError) as caught:
        make_head([], {"k": "x" * 8})
    assert str(caught.value) == "needs a header of 40 bytes, more than 32"


@pytest.fixture
def write(tmp_path):
    def written(data: bytes, name: str = "x.safetensors"):
        path = tmp_path / name
        path.write_bytes(data)
        return path

    return written


def described(text: str | bytes) -> bytes:
    data = text.encode() if isinstance(text, str) else text
    return len(data).to_bytes(8, "little") + data


def refusal(path, read=read_contents) -> str:
    with pytest.raises(CheckpointError) as caught:
        read(path)
    assert caught.value.path == str(path)
    return str(caught.value).removeprefix(f"{path}: ")


class TestReading:
    def test_what_the_library_wrote(self, write):
        data = save(
            {"a": np.zeros((2, 3), "<f4"), "b": np.zeros((), "<f2")}, {"format": "pt", "n": "ü"}
        )
        path = write(data)
        found = read_contents(path)
        length = int.from_bytes(data[:8], "little")
        assert (found.path, found.start, found.metadata) == (
            path, 8 + length, {"format": "pt", "n": "ü"},
        )  # fmt: skip
        places = json.loads(data[8 : 8 + length])
        assert found.entries == {
            "a": Entry(dtype="F32", shape=(2, 3), offsets=tuple(places["a"]["data_offsets"])),
            "b": Entry(dtype="F16", shape=(), offsets=tuple(places["b"]["data_offsets"])),
        }
        assert read_head(path) == data[: 8 + length]

    def test_a_head_longer_than_what_is_looked_at_first(self, write):
        data = make_head([], {"k": "x" * 10_000})
        assert read_head(write(data + b"values")) == data

    def test_a_file_that_is_its_head(self, write):
        data = make_head([], {})
        assert read_head(write(data)) == data
        assert read_contents(write(data)).metadata == {}
        assert read_contents(write(described("{}"))).metadata == {}

    def test_the_values_are_not_read(self, write):
        path = write(make_head([], {}))
        os.truncate(path, 64 << 20)
        tracemalloc.start()
        try:
            read_head(path)
            assert tracemalloc.get_traced_memory()[1] < 1 << 20
        finally:
            tracemalloc.stop()

    def test_one_byte_less(self, write):
        data = make_head([], {})
        assert refusal(write(data[:-1])) == (
            "is not a safetensors file, or is cut off inside its header (download or convert it"
            " again)"
        )

    def test_the_largest_head(self, write, monkeypatch):
        data = make_head([], {"k": "x" * 7})
        monkeypatch.setattr(header, "MAX_HEADER", 32)
        assert read_head(write(data)) == data
        monkeypatch.setattr(header, "MAX_HEADER", 31)
        assert "cut off inside its header" in refusal(write(data))

    @pytest.mark.parametrize("size", range(9))
    def test_hardly_a_byte(self, write, size):
        """Eight of zero are the length of an empty header, which is no JSON."""
        told = refusal(write(bytes(size)))
        assert told.startswith("is not a safetensors file")
        assert ("bad header" in told) is (size >= 8)

    @pytest.mark.parametrize(
        "data",
        [b"", b"short", (1 << 40).to_bytes(8, "little"), described("[]"), described("nope!")],
    )
    def test_what_is_not_safetensors(self, write, data):
        assert refusal(write(data)).startswith("is not a safetensors file")

    def test_a_deep_header(self, write):
        assert refusal(write(described("[" * 100_000))) == "is not a safetensors file: bad header"

    @pytest.mark.parametrize(
        "entry",
        [
            "7", "[]", "{}", '{"dtype":"F32","shape":[1]}',
            '{"dtype":7,"shape":[1],"data_offsets":[0,4]}',
            '{"dtype":"F32","shape":"1","data_offsets":[0,4]}',
            '{"dtype":7,"shape":"1","data_offsets":[0,4]}',
            '{"dtype":"F32","shape":[-1],"data_offsets":[0,4]}',
            '{"dtype":"F32","shape":[1.0],"data_offsets":[0,4]}',
            '{"dtype":"F32","shape":[true],"data_offsets":[0,4]}',
            '{"dtype":"F32","shape":[1],"data_offsets":[-4,0]}',
            '{"dtype":"F32","shape":[1],"data_offsets":[0,-4]}',
            '{"dtype":"F32","shape":[1],"data_offsets":[0,4,8]}',
            '{"dtype":"F32","shape":[1],"data_offsets":[0]}',
        ],
    )  # fmt: skip
    def test_an_entry_that_is_none(self, write, entry):
        path = write(described(f'{{"a":{entry}}}'))
        assert refusal(path) == "is not a safetensors file: bad header"

    @pytest.mark.parametrize(
        "text",
        [
            '{"__metadata__":{"k":1}}', '{"__metadata__":[]}', '{"__metadata__":"k"}',
            '{"__metadata__":{"k":"1","k":"2"}}', '{"a":1,"a":1}',
        ],
    )  # fmt: skip
    def test_metadata_that_is_none_and_names_that_come_twice(self, write, text):
        path = write(described(text))
        assert refusal(path) == "is not a safetensors file: bad header"

    def test_an_entry_of_nothing_from_the_first_byte_on(self, write):
        path = write(described('{"a":{"dtype":"F32","shape":[0],"data_offsets":[0,0]}}'))
        assert read_contents(path).entries == {"a": Entry(dtype="F32", shape=(0,), offsets=(0, 0))}


@pytest.mark.parametrize(
    ("entries", "values", "said"),
    [
        # The header has 8 + 65 bytes: so many are before the values.
        ('{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,           8]}}', 7,
         "is cut off: it has 80 bytes, its header promises 81 (download or convert it again)"),
        ('{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,           8]}}', 8,
         "is not a safetensors file: why"),
        ("{}", 0, "is not a safetensors file: why"),
        ("[]", 0, "is not a safetensors file: why"),
    ],
)  # fmt: skip
def test_what_the_library_does_not_read(write, entries, values, said):
    path = write(described(entries) + bytes(values))
    refused = unreadable(path, ValueError("why"))
    assert str(refused) == f"{path}: {said}"


def test_what_is_gone_meanwhile_is_no_file_that_is_cut_off(tmp_path):
    path = tmp_path / "gone.safetensors"
    assert str(unreadable(path, ValueError("why"))) == f"{path}: is not a safetensors file: why"


class TestOtherFiles:
    def test_a_weights_file_is_to_be_converted(self, write):
        data = bytes([0] * 4 + [2] + [255] * 100)
        assert refusal(write(data, "net.weights")) == (
            "is not a safetensors file, or is cut off inside its header (convert it first)"
        )
        assert refusal(write(data, "net.bin")).endswith("(download or convert it again)")

    def test_something_that_is_known(self, write):
        path = write(b"\x89PNG\r\n\x1a\n" + bytes(100))
        assert refusal(path, read_head) == (
            "is a PNG picture (give the .safetensors file that convert wrote)"
        )

    def test_a_folder_and_no_file(self, tmp_path):
        assert refusal(tmp_path) == "is a directory (give a .safetensors file)"
        assert (
            refusal(tmp_path / "x") == "cannot be read: No such file or directory (check the path)"
        )

    def test_a_file_that_cannot_be_read(self, write, monkeypatch):
        class Broken(io.BytesIO):
            def read(self, *arguments):
                raise OSError(5, "Input/output error")

        path = write(make_head([], {}))
        monkeypatch.setattr("converter.checkpoint.header.open_regular", lambda *given: Broken())
        with pytest.raises(CheckpointError) as caught:
            read_head(path)
        assert str(caught.value) == f"{path}: cannot be read: Input/output error (check the path)"


class TestNames:
    def contents(self, *names):
        entry = Entry(dtype="I64", shape=(2, 3), offsets=(0, 8))
        return Contents(path="x", start=8, entries=dict.fromkeys(names, entry), metadata={})

    def test_what_only_counts_is_no_tensor(self):
        names = (
            "a.bn.num_batches_tracked",
            "a.total_ops",
            "total_params",
            "a.num_batches_tracked.b",
        )
        assert self.contents("a", *names).names == {"a", "a.num_batches_tracked.b"}
        assert [is_counter(name) for name in names] == [True, True, True, False]
        assert not is_counter("bn.my_total_ops")

    def test_shapes_are_of_all(self):
        assert self.contents("a", "b.total_ops").shapes == {"a": (2, 3), "b.total_ops": (2, 3)}

    @pytest.mark.parametrize(
        ("names", "expected"),
        [
            (["a", "b"], [""]),
            (["module.a", "module.b"], ["", "module."]),
            (["module.a", "b"], [""]),
            (["_orig_mod.module.a"], ["", "_orig_mod.", "_orig_mod.module."]),
            (["module." * 5 + "a"], ["", *("module." * n for n in range(1, 5))]),
            ([], [""]),
        ],
    )
    def test_what_shells_put_before_all_names(self, names, expected):
        assert list(prefixes(names)) == expected

    def test_other_shells(self):
        assert list(prefixes(["net.a", "net.b"], ["net."])) == ["", "net."]
