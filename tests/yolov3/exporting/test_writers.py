"""The file formats: what is written beside the graph, and what is refused."""

import json
import sys

import onnx
import pytest

from converter import ExtraError, UsageError
from yolov3 import load
from yolov3.exporting.export import export


class TestOnnx:
    def test_what_it_says_of_the_model(self, sample, heads, tmp_path):
        model = load(heads("yolo"))
        model.names = ["a", "b", "ü"]
        export(model, tmp_path / "out.onnx")
        recorded = {p.key: p.value for p in onnx.load(tmp_path / "out.onnx").metadata_props}
        assert json.loads(recorded["names"]) == ["a", "b", "ü"]
        assert json.loads(recorded["input_size"]) == [64, 96]
        assert recorded["family"] == "generic"

    def test_it_is_the_same_every_time_and_names_no_path_of_this_machine(self, heads, tmp_path):
        model = load(heads("yolo"))
        for name in ("a.onnx", "b.onnx"):
            export(model, tmp_path / name)
        data = (tmp_path / "a.onnx").read_bytes()
        assert data == (tmp_path / "b.onnx").read_bytes()
        assert b".py" not in data
        onnx.checker.check_model(onnx.load_from_string(data), full_check=True)

    def test_opset(self, heads, tmp_path):
        result = export(load(heads("yolo")), tmp_path / "out.onnx", opset=20)
        assert result.opset == 20
        assert [o.version for o in onnx.load(result.output).opset_import] == [20]

    def test_an_opset_that_cannot_be_written(self, heads, tmp_path):
        """PyTorch's exporter writes 18, and converts to few others."""
        with pytest.raises(UsageError, match=r"cannot write ONNX opset 5 \(use opset=18\)"):
            export(load(heads("yolo")).fuse(), tmp_path / "out.onnx", opset=5)

    @pytest.mark.parametrize("missing", ["onnx", "onnxruntime", "onnxscript"])
    def test_without_its_packages(self, heads, tmp_path, monkeypatch, missing):
        monkeypatch.setitem(sys.modules, missing, None)
        with pytest.raises(ExtraError, match=rf"{missing} \(pip install onnx onnxruntime "):
            export(load(heads("yolo")).fuse(), tmp_path / "out.onnx")
