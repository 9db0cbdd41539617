"""An exported file is of the format that its name ends in, whoever asks for it."""

import zipfile

import onnx
import pytest

from converter.errors import UsageError
from yolov3 import export, load

ENDINGS = "end it with .onnx, .torchscript, .pt2"


# torch.jit is deprecated as a whole, and torch.export uses other deprecated parts of PyTorch.
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
@pytest.mark.parametrize("name", ["m.onnx", "m.torchscript", "m.pt2"])
def test_the_ending_decides(heads, tmp_path, name):
    result = export(load(heads("yolo")), tmp_path / name)
    assert name == f"m.{result.format}"
    if name == "m.onnx":
        onnx.load(tmp_path / name)
        return
    # What marks the two: pytorch@cf30153 torch/serialization.py:2231, torch/export/pt2_archive.
    marks = {"m.torchscript": "constants.pkl", "m.pt2": "archive_format"}
    with zipfile.ZipFile(tmp_path / name) as archive:
        inner = {entry.partition("/")[2] for entry in archive.namelist()}
    assert [mark for mark in marks.values() if mark in inner] == [marks[name]]


@pytest.mark.parametrize(
    ("name", "wanted", "said"),
    [
        ("m.tflite", None, f"is no format of an export ({ENDINGS})"),
        ("m", None, f"is no format of an export ({ENDINGS})"),
        ("m.pt", None, f"is no format of an export ({ENDINGS})"),
        ("m.tflite", "onnx", f"is no format of an export ({ENDINGS})"),
        ("m.onnx", "pt2", "is onnx's ending, not that of pt2 (end it with .pt2)"),
        ("m.pt2", "onnx", "is pt2's ending, not that of onnx (end it with .onnx)"),
    ],
)
def test_an_ending_of_no_format_or_of_another(heads, tmp_path, name, wanted, said):
    with pytest.raises(UsageError) as caught:
        export(load(heads("yolo")), tmp_path / name, format=wanted)
    assert str(caught.value) == f"{tmp_path / name}: {said}"
    assert not (tmp_path / name).exists()


def test_a_format_that_there_is_not(heads, tmp_path):
    with pytest.raises(UsageError, match=r"format='coreml' is unknown \(use one of \['onnx', "):
        export(load(heads("yolo")), tmp_path / "m.coreml", format="coreml")
