"""The options of a model, the same for detect and evaluate."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import nets
import pytest
import torch
from safetensors.numpy import load_file, save_file

from converter import CheckpointError, NetworkError, convert
from converter.cli.detector import MODEL_ERRORS, progress
from converter.cli.main import main
from converter.errors import errors_name
from yolov3.exporting.straight import export_checkpoint

ROOT = Path(__file__).parents[3]
SHAPES = Path(__file__).parents[2] / "data" / "shapes"
PICTURE = str(SHAPES / "images" / "0003.png")

# What each of the commands runs a model on.
INPUTS = [("detect", PICTURE), ("evaluate", str(SHAPES / "val"))]


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory) -> str:
    target = tmp_path_factory.mktemp("shapes") / "shapes.safetensors"
    return str(convert(SHAPES / "shapes.weights", target).output)


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch) -> Path:
    """detect writes to the working directory."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(("command", "source"), INPUTS)
@pytest.mark.parametrize(
    ("options", "problem"),
    [
        (["--threshold", "2"], "threshold=2.0 is outside 0 to 1"),
        (["--nms", "-1"], "nms=-1.0 is outside 0 to 1"),
        (["--batch", "0"], "argument --batch: '0' is not a positive integer"),
        (["--device", "abacus"], "--device abacus: "),
        (["--device", "meta"], "--device meta: "),
        # torch: "Torch not compiled with CUDA enabled", or no such device
        (["--device", "cuda:99"], "--device cuda:99: "),
        (["--device", "99"], "--device 99: "),
    ],
)
def test_wrong_options(checkpoint, capsys, command, source, options, problem):
    assert main([command, checkpoint, source, *options]) == 2
    err = capsys.readouterr().err
    assert err.startswith(f"error: {problem}")
    assert err.count("\n") == 1
    if "--device" in options:
        assert "(use cpu" in err


@pytest.mark.parametrize(("command", "source"), INPUTS)
def test_names_of_ones_own(checkpoint, capsys, command, source):
    Path("own.names").write_text("Kreis\nQuadrat\nDreieck\n")
    assert main([command, checkpoint, source, "--names", "own.names"]) == 0
    assert "Kreis " in capsys.readouterr().out
    Path("own.names").write_text("Kreis\n")
    assert main([command, checkpoint, source, "--names", "own.names"]) == 1
    assert "own.names: has 1 names, the network has 3 classes" in capsys.readouterr().err


@pytest.mark.parametrize(("command", "source"), INPUTS)
def test_a_state_dict_with_its_cfg(checkpoint, capsys, command, source):
    tensors = {f"module.{name}": tensor for name, tensor in load_file(checkpoint).items()}
    save_file(tensors, "bare.safetensors")
    names = ["--names", str(SHAPES / "shapes.names")]
    assert main([command, checkpoint, source]) == 0
    wanted = capsys.readouterr().out
    assert main([command, "bare.safetensors", source]) == 1
    assert "bare.safetensors: does not say which network it is (give its cfg" in (
        capsys.readouterr().err
    )
    cfg = ["--cfg", str(SHAPES / "shapes.cfg")]
    assert main([command, "bare.safetensors", source, *cfg, *names]) == 0
    assert capsys.readouterr().out == wanted


@pytest.mark.parametrize(("command", "source"), INPUTS)
def test_darknets_own_file(checkpoint, capsys, command, source):
    """With cfg and names beside it, and nothing written."""
    assert main([command, checkpoint, source]) == 0
    wanted = capsys.readouterr().out
    before = sorted(path.name for path in SHAPES.iterdir())
    assert main([command, str(SHAPES / "shapes.weights"), source]) == 0
    assert capsys.readouterr().out == wanted
    assert sorted(path.name for path in SHAPES.iterdir()) == before
    Path("bare.weights").write_bytes((SHAPES / "shapes.weights").read_bytes())
    given = ["--cfg", str(SHAPES / "shapes.cfg"), "--names", str(SHAPES / "shapes.names")]
    assert main([command, "bare.weights", source, *given]) == 0
    assert capsys.readouterr().out == wanted
    Path("bare.weights").write_bytes((SHAPES / "shapes.weights").read_bytes()[:-4])
    assert main([command, "bare.weights", source, *given]) == 1
    assert capsys.readouterr().err.startswith("error: bare.weights: byte ")


@pytest.mark.parametrize(("command", "source"), INPUTS)
def test_a_model_in_part_is_refused(capsys, command, source):
    sample = (SHAPES / "shapes.weights").read_bytes()
    Path("part.weights").write_bytes(sample[: 20 + 4 * (2 * 4 + 3 * 2 * 9)])  # its first layer
    part = convert("part.weights", cfg=SHAPES / "shapes.cfg", partial=True, family="generic").output
    assert main([command, str(part), source]) == 1
    error = capsys.readouterr().err
    assert error.startswith(f"error: {part}: does not fill its model, missing are layers.1.conv.")
    assert error.count("\n") == 1


@pytest.mark.parametrize(("command", "source"), INPUTS)
def test_an_error_in_the_network_names_the_checkpoint(make, capsys, command, source):
    classifier = convert(make(nets.classifier(2, 7, 64)).weights).output
    assert main([command, str(classifier), source]) == 1
    error = capsys.readouterr().err
    assert error.startswith(f"error: {classifier}: layer ")
    assert "yolov3.classify" in error


@pytest.mark.parametrize(("command", "source"), INPUTS)
def test_the_articles_wiring_is_refused(capsys, command, source):
    article = convert(SHAPES / "shapes.weights", "article.safetensors", family="article").output
    assert main([command, str(article), source]) == 1
    assert capsys.readouterr().err.endswith("(convert with --family yolov3)\n")


@pytest.mark.parametrize(("command", "source"), INPUTS)
def test_a_compiler_that_fails(checkpoint, capsys, monkeypatch, command, source):
    """torch.compile writes C++, and raises an error of many lines where nothing compiles it."""

    def fail(self):
        raise RuntimeError("no C++ compiler\nand many lines more")

    monkeypatch.setattr(torch.nn.Module, "compile", fail)
    # What --compile sets there would stay for the tests that follow.
    monkeypatch.setitem(sys.modules, "torch._inductor", SimpleNamespace(config=SimpleNamespace()))
    assert main([command, checkpoint, source, "--compile", "-q"]) == 2
    assert capsys.readouterr() == (
        "",
        "error: torch.compile does not work here: no C++ compiler (leave out --compile)\n",
    )


@pytest.mark.parametrize("kind", [CheckpointError, NetworkError])
def test_an_error_in_a_model_names_its_file(kind):
    with pytest.raises(kind) as caught, errors_name("a.safetensors", *MODEL_ERRORS):
        raise kind("is wrong")
    assert caught.value.path == "a.safetensors"


WITHOUT_TORCH = """\
import sys
for name in ("torch", "onnx", "pycocotools"):  # none of them comes with [runtime]
    sys.modules[name] = None
from converter.cli.main import main
sys.exit(main(sys.argv[1:]))
"""


def without_torch(*arguments) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", WITHOUT_TORCH, *arguments],
        env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=False,
    )  # fmt: skip


@pytest.fixture(scope="module")
def exported(checkpoint, tmp_path_factory) -> str:
    target = tmp_path_factory.mktemp("onnx") / "shapes.onnx"
    return str(export_checkpoint(checkpoint, target, verify=False).output)


class TestOnnx:
    def test_detect_needs_no_pytorch(self, checkpoint, exported, capsys):
        done = without_torch("detect", exported, PICTURE, "--json", "-o", "without")
        assert (done.returncode, done.stderr) == (0, "")
        assert main(["detect", checkpoint, PICTURE, "--json"]) == 0
        (found,), (wanted,) = (
            json.loads(out)["images"] for out in (done.stdout, capsys.readouterr().out)
        )
        assert len(found["detections"]) == len(wanted["detections"]) > 0
        for ours, theirs in zip(found["detections"], wanted["detections"], strict=True):
            assert (ours["class"], ours["label"]) == (theirs["class"], theirs["label"])
            # Two runtimes: test_in_onnx.py of yolov3/detection.
            assert ours["score"] == pytest.approx(theirs["score"], abs=1e-5)
            assert ours["box"] == pytest.approx(theirs["box"], abs=1e-3)
        assert Path("without", "0003.png").is_file()

    def test_evaluate_needs_no_pytorch(self, checkpoint, exported, capsys):
        done = without_torch("evaluate", exported, str(SHAPES / "val"), "--json", "-q")
        assert (done.returncode, done.stderr) == (0, "")
        points = ["--points", "0"]
        assert main(["evaluate", checkpoint, str(SHAPES / "val"), "--json", "-q", *points]) == 0
        found, wanted = json.loads(done.stdout), json.loads(capsys.readouterr().out)
        assert found["rule"] == wanted["rule"]
        assert found["mAP50"] == pytest.approx(wanted["mAP50"], abs=1e-6)
        assert [found["counts"][key] for key in ("tp", "fp", "fn")] == [
            wanted["counts"][key] for key in ("tp", "fp", "fn")
        ]

    def test_a_checkpoint_needs_it(self, checkpoint):
        done = without_torch("detect", checkpoint, PICTURE)
        assert done.returncode == 1
        assert done.stderr == "error: yolov3 needs PyTorch (pip install torch pillow)\n"

    @pytest.mark.parametrize(("command", "source"), INPUTS)
    @pytest.mark.parametrize(
        "options",
        [
            ["--cfg", "x.cfg"], ["--dialect", "pjreddie"], ["--family", "generic"],
            ["--bn", "pjreddie-cpu"], ["--device", "cuda"], ["--compile"],
        ],
        ids=lambda options: options[0],
    )  # fmt: skip
    def test_what_the_file_says_itself(self, exported, capsys, command, source, options):
        assert main([command, exported, source, *options]) == 2
        assert capsys.readouterr().err == (
            f"error: {options[0]} is not for an ONNX file (leave {options[0]} out)\n"
        )

    def test_names_of_ones_own(self, exported, capsys):
        Path("own.names").write_text("Kreis\nQuadrat\nDreieck\n")
        assert main(["detect", exported, PICTURE, "--names", "own.names"]) == 0
        assert "Kreis " in capsys.readouterr().out

    def test_it_is_known_by_its_first_bytes(self, exported, capsys):
        shutil.copyfile(exported, "model")
        assert main(["detect", "model", PICTURE]) == 0

    def test_a_damaged_file(self, exported, capsys):
        Path("x.onnx").write_bytes(Path(exported).read_bytes()[:-1000])
        assert main(["detect", "x.onnx", PICTURE]) == 1
        error = capsys.readouterr().err
        assert error.startswith("error: x.onnx: cannot be opened by onnxruntime: ")
        assert error.count("\n") == 1


@pytest.mark.parametrize(
    ("done", "bar"),
    [(0, ""), (1, "=" * 10), (2, "=" * 20), (3, "=" * 30)],  # thirds of 30
)
def test_progress(done, bar):
    assert progress(done, 3) == f"[{bar:30}] {done} of 3 pictures"


def test_progress_with_the_time_left():
    # 50 in 40 seconds: 950 more take 760, which are 12 minutes and 40 seconds
    assert progress(50, 1000, 40).endswith("] 50 of 1000 pictures, 1.25 a second, 0:12:40 left")
    assert progress(0, 1000, 0.1).endswith("] 0 of 1000 pictures")
    # One in 1000 seconds: 99 more take 99,000, a day of 86,400 and 3.5 hours
    assert progress(1, 100, 1000).endswith("0.001 a second, 1 day, 3:30:00 left")
