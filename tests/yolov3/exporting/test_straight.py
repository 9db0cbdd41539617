"""ONNX files straight from a checkpoint: what stops them, and what they say of themselves."""

import importlib.util

import onnx
import pytest

from converter.errors import OutputError, UsageError
from yolov3.exporting.straight import export_checkpoint, require_batch, require_free


@pytest.mark.parametrize("batch", [0, -1])
def test_less_than_one_picture(batch):
    with pytest.raises(UsageError, match=f"batch={batch} must be at least 1"):
        require_batch(batch, dynamic=False)


def test_a_number_of_pictures_beside_one_that_is_left_open():
    with pytest.raises(UsageError, match="batch=2 fixes what dynamic leaves open"):
        require_batch(2, dynamic=True)
    require_batch(2, dynamic=False)
    require_batch(1, dynamic=True)


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
    assert (made.unverified, made.errors) == ("--no-verify", {})
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *rest: None if name == "torch" else find(name)
    )
    made = export_checkpoint(checkpoint, tmp_path / "b.onnx")
    assert (made.unverified, made.errors) == ("PyTorch is not installed", {})
    assert (tmp_path / "a.onnx").read_bytes() == (tmp_path / "b.onnx").read_bytes()


def test_a_folder_that_save_pretrained_wrote(heads, tmp_path):
    checkpoint = heads("yolo")
    export_checkpoint(checkpoint, tmp_path / "a.onnx", verify=False)
    folder = tmp_path / "folder"
    folder.mkdir()
    checkpoint.rename(folder / "model.safetensors")
    export_checkpoint(folder, tmp_path / "b.onnx", verify=False)
    assert (tmp_path / "a.onnx").read_bytes() == (tmp_path / "b.onnx").read_bytes()
