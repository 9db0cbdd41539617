"""export as a command."""

import json
import re
import shutil
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from converter import convert
from converter.cli.main import main
from yolov3 import load
from yolov3.exporting import layouts

HEADS = Path(__file__).parents[2] / "data" / "heads"
BOX, SCORE = np.ones((1, 1, 4), np.float32), np.ones((1, 1, 2), np.float32)


@pytest.fixture
def checkpoint(tmp_path) -> Path:
    """A network of one YOLO head."""
    for name in ("yolo.cfg", "yolo.weights"):
        shutil.copyfile(HEADS / name, tmp_path / name)
    return convert(tmp_path / "yolo.weights", dialect="alexeyab").output


def test_it_says_what_it_wrote(checkpoint, capsys):
    assert main(["export", str(checkpoint), "--format", "pt2"]) == 0
    assert capsys.readouterr().out.startswith(
        f"{checkpoint.with_suffix('.pt2')}: pt2, map0 1 x 24 x "
    )


def test_json(checkpoint, capsys):
    assert main(["export", str(checkpoint), "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["opset"] == 13
    assert 0 <= facts["max_abs_error"]["map0"] <= 1e-4
    assert Path(facts["output"]).is_file()


@pytest.mark.parametrize(
    ("options", "layout", "half"),
    [([], "maps", False), (["--half"], "maps", True), (["--half"], "boxes", True)],
)
def test_json_says_by_which_tolerance_it_was_judged(checkpoint, capsys, options, layout, half):
    assert main(["export", str(checkpoint), "--json", "--layout", layout, *options]) == 0
    said = json.loads(capsys.readouterr().out)["tolerance"]
    (judge, *_) = layouts.expected(layout, [BOX, SCORE], half=half)
    assert (said["absolute"], said["relative"]) == judge.tolerance


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--half", "--format", "pt2"], "--half is for ONNX, "),
        (["--layout", "deepstream", "--format", "pt2"], "--layout deepstream is for ONNX, "),
        (["--batch", "2", "--dynamic"], "--batch 2 fixes what --dynamic leaves open "),
    ],
)
def test_options_are_named_as_they_were_given(checkpoint, capsys, options, said):
    assert main(["export", str(checkpoint), *options]) == 2
    assert f"error: {said}" in capsys.readouterr().err


class TestProgress:
    def test_on_a_terminal(self, checkpoint, capsys, monkeypatch):
        monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
        assert main(["export", str(checkpoint)]) == 0
        shown = capsys.readouterr().err.split("\x1b[K\r")
        # yolo.cfg: three convolutions, two of which have batch norm: 2 * 5 + 2 arrays
        for what in ("writing", "comparing"):
            steps = [text for text in shown if text.endswith(f"] {what}")]
            assert len(steps) == len(load(checkpoint).state_dict()) - 2
            assert steps[0] == f"[{' ' * 30}] {what}"
            assert steps == sorted(steps, key=lambda text: text.count("="))
        assert "computing in PyTorch" in shown
        assert shown[-2:] == ["", ""]  # nothing is left there

    def test_elsewhere_there_is_none(self, checkpoint, capsys):
        assert main(["export", str(checkpoint)]) == 0
        assert "\x1b" not in capsys.readouterr().err


def test_a_folder(checkpoint, tmp_path, capsys):
    load(checkpoint).save_pretrained(tmp_path / "folder")
    assert main(["export", str(tmp_path / "folder"), "--format", "torchscript"]) == 0
    assert (tmp_path / "folder" / "model.torchscript").is_file()


def test_a_state_dict_with_its_cfg(checkpoint, tmp_path, capsys):
    bare = tmp_path / "bare.safetensors"
    save_file(load_file(checkpoint), bare)
    cfg = ["--cfg", str(tmp_path / "yolo.cfg"), "--dialect", "alexeyab"]
    assert main(["export", str(bare), "--format", "torchscript", *cfg]) == 0
    assert (tmp_path / "bare.torchscript").is_file()
    assert main(["export", str(bare), *cfg, "-o", str(tmp_path / "yolo.cfg"), "--force"]) == 2
    assert "is an input" in capsys.readouterr().err


def test_an_ending_decides_the_format(checkpoint, tmp_path, capsys):
    assert main(["export", str(checkpoint), "-o", str(tmp_path / "x.torchscript")]) == 0
    assert ": torchscript, " in capsys.readouterr().out
    assert zipfile.is_zipfile(tmp_path / "x.torchscript")
    target = str(tmp_path / "x.pt")  # PyTorch's documentation calls such files so
    assert main(["export", str(checkpoint), "-o", target, "--format", "torchscript"]) == 0


@pytest.mark.parametrize(
    ("name", "options", "said"),
    [
        ("x.engine", [], "is no format of an export (end it with .onnx, .torchscript, .pt2)"),
        ("x", [], "is no format of an export (end it with .onnx, .torchscript, .pt2)"),
        ("x.pt", [], "is no format of an export (end it with .onnx, .torchscript, .pt2)"),
        ("x.engine", ["--format", "onnx"],
         "is no format of an export (end it with .onnx, .torchscript, .pt2)"),
        ("x.pt2", ["--format", "onnx"],
         "is pt2's ending, not that of onnx (end it with .onnx)"),
    ],
)  # fmt: skip
def test_an_ending_of_no_format_or_of_another(checkpoint, tmp_path, capsys, name, options, said):
    target = tmp_path / name
    assert main(["export", str(checkpoint), "-o", str(target), *options]) == 2
    assert capsys.readouterr().err == f"error: {target}: {said}\n"
    assert not target.exists()


def test_into_a_folder(checkpoint, tmp_path):
    (tmp_path / "out").mkdir()
    assert main(["export", str(checkpoint), "-o", str(tmp_path / "out")]) == 0
    assert (tmp_path / "out" / "yolo.onnx").is_file()


def test_a_darknet_file_gives_what_its_checkpoint_does(checkpoint, tmp_path, capsys):
    weights = checkpoint.with_suffix(".weights")
    (tmp_path / "yolo.names").write_text("a\nb\nc\n")
    convert(weights, dialect="alexeyab", force=True)
    dialect = ["--dialect", "alexeyab"]
    assert main(["export", str(checkpoint), "-o", str(tmp_path / "a.onnx")]) == 0
    assert main(["export", str(weights), "-o", str(tmp_path / "b.onnx"), *dialect]) == 0
    assert (tmp_path / "a.onnx").read_bytes() == (tmp_path / "b.onnx").read_bytes()
    assert main(["export", str(weights), "--no-verify", *dialect]) == 0
    assert (tmp_path / "yolo.onnx").is_file()


@pytest.mark.parametrize("kind", ["onnx", "pt2"])
@pytest.mark.parametrize("beside", ["yolo.weights", "yolo.cfg", "yolo.names"])
def test_what_lies_beside_a_darknet_file_is_never_replaced(
    checkpoint, tmp_path, capsys, beside, kind
):
    (tmp_path / "yolo.names").write_text("a\nb\nc\n")
    before = (tmp_path / beside).read_bytes()
    weights, output = checkpoint.with_suffix(".weights"), tmp_path / beside
    assert main(["export", str(weights), "-o", str(output), "--force", "--format", kind]) == 2
    reason = "is an input" if beside == "yolo.weights" else "is no format of an export"
    assert reason in capsys.readouterr().err
    assert (tmp_path / beside).read_bytes() == before


def test_a_name_that_ends_in_a_number_keeps_it(checkpoint, tmp_path, capsys):
    checkpoint.with_suffix(".weights").rename(tmp_path / "net.conv.15")
    options = ["--cfg", str(tmp_path / "yolo.cfg"), "--dialect", "alexeyab", "--no-verify"]
    assert main(["export", str(tmp_path / "net.conv.15"), *options]) == 0
    assert (tmp_path / "net.conv.15.onnx").is_file()


def test_refusals(checkpoint, capsys):
    assert main(["export", str(checkpoint.with_suffix(".cfg"))]) == 1
    assert main(["export", str(checkpoint), "--format", "pt2", "--opset", "18"]) == 2
    errors = capsys.readouterr().err.splitlines()
    assert [line.startswith("error: ") for line in errors] == [True, True]


def test_the_checkpoint_is_never_replaced(checkpoint, capsys):
    before = checkpoint.read_bytes()
    assert main(["export", str(checkpoint), "-o", str(checkpoint), "--force"]) == 2
    assert "is an input" in capsys.readouterr().err
    assert checkpoint.read_bytes() == before


def test_what_differs_is_said_in_pixels_and_scores(checkpoint, capsys):
    assert main(["export", str(checkpoint), "--half", "--layout", "boxes"]) == 0
    said = capsys.readouterr().out
    assert re.search(
        r"differs from PyTorch by at most \S+ pixels in boxes and \S+ in scores$", said
    )


def test_without_the_check(checkpoint, capsys):
    assert main(["export", str(checkpoint), "--no-verify"]) == 0
    assert capsys.readouterr().out.endswith("; not compared with PyTorch (--no-verify)\n")
    assert main(["export", str(checkpoint), "--no-verify", "--format", "pt2"]) == 2
    assert "--no-verify is about ONNX, not pt2" in capsys.readouterr().err
