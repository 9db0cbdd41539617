"""Files that are written straight: what stops them, what they say, and those of two files."""

import importlib.util
import json
import tracemalloc

import numpy as np
import onnx
import pytest
from exported import run_onnx, run_openvino, tensor
from one_feature import conv, network

from converter import ExtraError, OutputError, UsageError, convert
from converter.cli.main import main
from yolov3 import load
from yolov3.exporting import checking
from yolov3.exporting import onnx as module
from yolov3.exporting.export import export
from yolov3.exporting.straight import export_checkpoint, require_free, require_numbers


@pytest.fixture
def small_limit(monkeypatch):
    """As if 2 GiB were one byte."""
    monkeypatch.setattr(module, "MAX_BYTES", 1)


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_the_second_begins_where_the_first_would_be_too_long(heads, tmp_path, monkeypatch):
    checkpoint = heads("yolo")
    size = export_checkpoint(checkpoint, tmp_path / "out.onnx").output.stat().st_size
    monkeypatch.setattr(module, "MAX_BYTES", size)
    assert export_checkpoint(checkpoint, tmp_path / "same.onnx").data is None
    monkeypatch.setattr(module, "MAX_BYTES", size - 1)
    result = export_checkpoint(checkpoint, tmp_path / "two.onnx")
    assert result.data == tmp_path / "two.onnx.data"
    assert max(result.errors.values()) <= 1e-4


# OpenCV 4.14 ends with a floating-point exception where weights stand beside the file.
@pytest.mark.parametrize("run", [run_onnx, run_openvino])
@pytest.mark.parametrize("half", [False, True])
def test_two_files_compute_what_one_does(heads, tmp_path, monkeypatch, run, half):
    checkpoint = heads("yolo-two")
    one = export_checkpoint(checkpoint, tmp_path / "one.onnx", half=half)
    monkeypatch.setattr(module, "MAX_BYTES", 1)
    two = export_checkpoint(checkpoint, tmp_path / "two.onnx", half=half)
    x = tensor(np.random.default_rng(1).random((64, 96, 3), dtype=np.float32))
    for mine, theirs in zip(run(two.output, x), run(one.output, x), strict=True):
        np.testing.assert_array_equal(mine, theirs)


def test_the_values_are_the_same_bits_and_begin_where_a_page_does(heads, tmp_path, small_limit):
    checkpoint = heads("yolo-two")
    result = export_checkpoint(checkpoint, tmp_path / "out.onnx")
    onnx.checker.check_model(result.output, full_check=True)
    stored, data = load(checkpoint).state_dict(), result.data.read_bytes()
    alone = onnx.load(result.output, load_external_data=False)
    places, compared = {}, 0
    for initializer in alone.graph.initializer:
        if not initializer.external_data:  # numbers of nodes
            continue
        said = {entry.key: entry.value for entry in initializer.external_data}
        assert said["location"] == "out.onnx.data"
        start, length = int(said["offset"]), int(said["length"])
        layer, suffix = initializer.name.removeprefix("layer").split("/")
        wanted = stored[f"layers.{layer}.{suffix}"].numpy().tobytes()
        assert data[start : start + length] == wanted
        places[start] = length
        compared += 1
    assert compared == 14  # arrays of yolo-two
    assert all(start % 4096 == 0 for start in places)  # onnx.proto: to be mapped into memory
    last = max(places)
    assert len(data) == last + places[last]


def test_they_are_the_same_every_time(heads, tmp_path, small_limit):
    checkpoint = heads("yolo")
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    export_checkpoint(checkpoint, tmp_path / "a" / "out.onnx", verify=False)
    export(load(checkpoint), tmp_path / "b" / "out.onnx")
    assert contents(tmp_path / "a") == contents(tmp_path / "b")
    assert sorted(contents(tmp_path / "a")) == ["out.onnx", "out.onnx.data"]


def test_the_command_names_both(heads, tmp_path, small_limit, capsys):
    checkpoint, output = heads("yolo"), tmp_path / "out.onnx"
    assert main(["export", str(checkpoint), "-o", str(output)]) == 0
    assert capsys.readouterr().out.startswith(f"{output} and {output}.data: onnx opset 13, ")
    assert main(["export", str(checkpoint), "-o", str(output), "--force", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["data"] == f"{output}.data"
    checkpoint.rename(f"{output}.data")
    assert main(["export", f"{output}.data", "-o", str(output), "--force"]) == 2
    assert "out.onnx.data: is an input, or another output" in capsys.readouterr().err


class TestBothOrNone:
    @pytest.mark.parametrize(
        ("damage", "problem"),
        [
            (lambda data: data[:-1] + bytes([data[-1] ^ 1]), r"layer\S+: was not written as it is"),
            (lambda data: data[:-1], r"was made, but cannot be read: "),
        ],
        ids=["one bit is another", "one byte is missing"],
    )
    def test_what_became_of_the_second_on_the_way_is_found(
        self, heads, tmp_path, monkeypatch, small_limit, damage, problem
    ):
        checkpoint = heads("yolo")
        chunks = module.Encoded.chunks

        def faulty(self, arrays):
            *before, last = map(bytes, chunks(self, arrays))
            yield from [*before, damage(last) if before else last]  # the first is in one part

        monkeypatch.setattr(module.Encoded, "chunks", faulty)
        with pytest.raises(OutputError, match=rf"^\S+out\.onnx: {problem}"):
            export_checkpoint(checkpoint, tmp_path / "out.onnx", verify=False)
        assert not list(tmp_path.glob("*.onnx*"))
        assert not list(tmp_path.glob(".*"))

    def test_an_older_pair_stays_if_the_new_one_fails(
        self, heads, tmp_path, monkeypatch, small_limit
    ):
        checkpoint = heads("yolo")
        (tmp_path / "new").mkdir()
        export_checkpoint(checkpoint, tmp_path / "new" / "out.onnx")
        before = contents(tmp_path / "new")
        monkeypatch.setattr("converter.darknet.layers.graph.factors_of", lambda v, s: s)
        with pytest.raises(OutputError, match="computes map0 that differ"):
            export_checkpoint(checkpoint, tmp_path / "new" / "out.onnx", half=True, force=True)
        assert contents(tmp_path / "new") == before

    @pytest.mark.parametrize("name", ["out.onnx", "out.onnx.data"])
    def test_a_file_that_is_there_needs_force(self, heads, tmp_path, small_limit, name):
        checkpoint = heads("yolo")
        (tmp_path / name).write_text("mine")
        with pytest.raises(OutputError, match=rf"{name}: exists already"):
            export_checkpoint(checkpoint, tmp_path / "out.onnx")
        assert (tmp_path / name).read_text() == "mine"
        export_checkpoint(checkpoint, tmp_path / "out.onnx", force=True)
        assert len(run_onnx(tmp_path / "out.onnx", tensor(np.zeros((64, 96, 3), np.float32)))) == 1


def test_memory_is_that_of_one_array_not_of_the_file(make, tmp_path, small_limit):
    layers = [conv(filters=1000, size=1) for _ in range(9)]
    files = make(network(*layers, height=1, width=1))
    checkpoint = convert(files.weights, dialect="pjreddie").output
    size = checkpoint.stat().st_size
    assert size > 32_000_000  # eight of a thousand times a thousand floats
    tracemalloc.start()
    try:
        export_checkpoint(checkpoint, tmp_path / "out.onnx", verify=False)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    # Of one array of 4 MB: as it was read, and as it stands in the source.
    assert peak < 20_000_000


@pytest.mark.parametrize("batch", [0, -1])
def test_less_than_one_picture(batch):
    with pytest.raises(UsageError, match=f"batch={batch} must be at least 1"):
        require_numbers(None, batch, dynamic=False)


@pytest.mark.parametrize("value", ["13", 13.5])
def test_a_number_of_another_type(heads, tmp_path, value):
    with pytest.raises(UsageError, match=f"^opset={value!r} is no whole number$"):
        export_checkpoint(heads("yolo"), tmp_path / "out.onnx", opset=value)


def test_no_number_of_pictures():
    with pytest.raises(UsageError, match=r"^batch=None is no whole number$"):
        require_numbers(None, None, dynamic=False)


def test_whole_numbers_of_any_type():
    require_numbers(np.int64(13), np.int64(1), dynamic=False)
    require_numbers(None, 1, dynamic=False)


def test_a_number_of_pictures_beside_one_that_is_left_open():
    with pytest.raises(UsageError, match="batch=2 fixes what dynamic=True leaves open"):
        require_numbers(None, 2, dynamic=True)
    require_numbers(None, 2, dynamic=False)
    require_numbers(None, 1, dynamic=True)


def test_a_file_that_is_there(tmp_path):
    path = tmp_path / "x.onnx"
    require_free(path, force=False)
    path.write_text("mine")
    require_free(path, force=True)
    with pytest.raises(OutputError, match="exists already"):
        require_free(path, force=False)


def test_a_link_to_nowhere_is_there_too(tmp_path):
    path = tmp_path / "x.onnx"
    path.symlink_to(tmp_path / "gone")
    with pytest.raises(OutputError, match="exists already"):
        require_free(path, force=False)


def test_what_was_written_and_compared(heads, tmp_path):
    made = export_checkpoint(heads("yolo"), tmp_path / "out.onnx", batch=2)
    # yolo.cfg: 24 maps, 96 x 64 pixels
    assert (made.output, made.format, made.opset) == (tmp_path / "out.onnx", "onnx", 13)
    assert (made.unverified, made.tolerance) == ("", (1e-4, 1e-4))
    assert made.outputs.keys() == made.errors.keys() == {"map0"}
    assert made.outputs["map0"][0] == 2
    assert 0 <= made.errors["map0"] < 1e-4
    sides = onnx.load(tmp_path / "out.onnx").graph.input[0].type.tensor_type.shape.dim
    assert [side.dim_value for side in sides] == [2, 3, 64, 96]


def test_what_was_not_compared_says_why(heads, tmp_path, monkeypatch):
    checkpoint = heads("yolo")
    made = export_checkpoint(checkpoint, tmp_path / "a.onnx", verify=False)
    assert (made.unverified, made.errors) == ("verify=False", {})
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *rest: None if name == "torch" else find(name)
    )
    made = export_checkpoint(checkpoint, tmp_path / "b.onnx")
    assert (made.unverified, made.errors) == ("PyTorch is not installed", {})
    assert (tmp_path / "a.onnx").read_bytes() == (tmp_path / "b.onnx").read_bytes()


def test_only_who_can_do_without_the_check_is_proposed_that(heads, tmp_path, monkeypatch):
    """``export`` has no ``verify``."""
    monkeypatch.setattr(checking, "session_of", raising(ModuleNotFoundError(name="onnxruntime")))
    checkpoint, out = heads("yolo"), tmp_path / "out.onnx"
    install = "pip install onnx onnxruntime onnxscript"
    with pytest.raises(ExtraError) as caught:
        export_checkpoint(checkpoint, out)
    assert caught.value.remedy == f"{install}, or do without the check: verify=False"
    with pytest.raises(ExtraError) as caught:
        export(load(checkpoint), out)
    assert caught.value.remedy == install


def raising(error):
    def function(*_):
        raise error

    return function


def test_a_folder_that_save_pretrained_wrote(heads, tmp_path):
    checkpoint = heads("yolo")
    export_checkpoint(checkpoint, tmp_path / "a.onnx", verify=False)
    folder = tmp_path / "folder"
    folder.mkdir()
    checkpoint.rename(folder / "model.safetensors")
    export_checkpoint(folder, tmp_path / "b.onnx", verify=False)
    assert (tmp_path / "a.onnx").read_bytes() == (tmp_path / "b.onnx").read_bytes()
