"""convert as a command: what it prints and what it refuses."""

import json
import os
import shlex
import shutil
from pathlib import Path

import nets
import pytest
import reference

from converter import convert
from converter.cli.main import main
from tests.converter.cli.processes import SCRIPTS, python, script


def test_the_main_job(sample):
    done = script("convert", sample.weights)
    assert done.returncode == 0
    assert done.stdout == (
        f"{sample.checkpoint}: 366 tensors, 249,382 floats, yolov3, 3 classes, verified\n"
    )
    assert "found beside the weights" in done.stderr


def test_json_is_one_object(sample):
    done = script("convert", sample.weights, "--json")
    facts = json.loads(done.stdout)
    assert facts["schema"] == 1
    assert facts["output"] == str(sample.checkpoint)
    assert facts["verified"] is True


def test_dry_run_prints_the_plan(sample):
    done = script("convert", sample.weights, "--dry-run")
    lines = done.stdout.splitlines()
    assert len(lines) == 1 + 366 + 1
    assert lines[0].split() == ["layer", "bytes", "tensor", "shape"]
    assert lines[1].split() == [
        "0", "convolutional", "biases", "20-27", "backbone.stem.0.bn.bias", "2",
    ]  # fmt: skip
    assert not sample.checkpoint.exists()


class TestPositions:
    """``convert x.cfg x.weights out``, as Darknet and most converters take their files."""

    @pytest.fixture(autouse=True)
    def apart(self, sample, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        Path("cfg").mkdir()
        sample.cfg.rename("cfg/other.cfg")  # what is not beside the weights under their name

    @pytest.mark.parametrize(
        "files",
        [
            ("cfg/other.cfg", "shapes.weights"),
            ("shapes.weights", "cfg/other.cfg"),
            ("cfg/other.cfg", "shapes.weights", "out.safetensors"),
            ("shapes.weights", "out.safetensors", "--cfg", "cfg/other.cfg"),
        ],
    )
    def test_cfg_weights_and_output(self, capsys, files):
        assert main(["convert", *files, "-q"]) == 0
        written = "out.safetensors" if "out.safetensors" in files else "shapes.safetensors"
        assert capsys.readouterr().out.startswith(f"{written}: 366 tensors, ")
        assert main(["convert", *files, "-q"]) == 0
        assert "up to date" in capsys.readouterr().out

    def test_the_way_back(self, sample):
        before = sample.weights.read_bytes()
        assert main(["convert", "cfg/other.cfg", "shapes.weights", "-q"]) == 0
        back = ["convert", "cfg/other.cfg", "shapes.safetensors", "back.weights", "-q"]
        assert main(back) == 0
        assert Path("back.weights").read_bytes() == before

    def test_what_is_there_may_be_a_source_and_is_not_replaced(self, capsys):
        """As ``convert * --force`` would in a folder with a checkpoint."""
        Path("mine.safetensors").write_bytes(b"mine")
        files = ["cfg/other.cfg", "shapes.weights", "mine.safetensors"]
        assert main(["convert", *files, "-q"]) == 1  # exists already
        capsys.readouterr()
        assert main(["convert", *files, "--force", "--json"]) == 2
        assert Path("mine.safetensors").read_bytes() == b"mine"
        remedy = json.loads(capsys.readouterr().out)["error"]["remedy"]
        assert main(shlex.split(remedy)[3:]) == 0
        assert Path("mine.safetensors").stat().st_size > 4

    @pytest.mark.parametrize(
        ("files", "message"),
        [
            (("shapes.weights", "a.weights", "x.safetensors"), "checkpoints are converted one at"),
            ((".", "x.safetensors"), "checkpoints are converted one at a time"),
            (("shapes.weights", "x.safetensors", "-o", "y.safetensors"), "one at a time"),
            (("cfg/other.cfg",), "is text that looks like a cfg"),
        ],
    )
    def test_anything_else_is_refused(self, capsys, files, message):
        assert main(["convert", *files]) > 0
        assert message in capsys.readouterr().err
        assert list(Path().glob("*.safetensors")) == []

    @pytest.mark.parametrize(
        ("files", "remedy"),
        [
            (("shapes.weights", "s.onnx"),
             "write it with: python -m converter export shapes.weights -o s.onnx"),
            (("cfg/other.cfg", "shapes.weights", "s.pt2"),
             "write it with: python -m converter export shapes.weights --cfg cfg/other.cfg"
             " -o s.pt2"),
            (("shapes.weights", "s.torchscript", "--cfg", "cfg/other.cfg"),
             "write it with: python -m converter export shapes.weights --cfg cfg/other.cfg"
             " -o s.torchscript"),
            (("shapes.safetensors", "s.onnx"),
             "write it with: python -m converter export shapes.safetensors -o s.onnx"),
            (("shapes.weights", "out/x.bin"),
             "check the path; an output is named with -o:"
             " python -m converter convert shapes.weights -o out/x.safetensors"),
            (("shapes.safetensors", "x"),
             "check the path; an output is named with -o:"
             " python -m converter convert shapes.safetensors -o x.weights"),
            (("shapes.weights", "cfg/../shapes.weights", "out"),
             "check the path; a folder for outputs is named with -o"),
        ],
    )  # fmt: skip
    def test_an_output_that_is_not_taken_by_position(self, capsys, files, remedy):
        """Refused before the first file is converted."""
        assert main(["convert", *files]) == 2
        assert capsys.readouterr().err.partition(": ")[2].partition(": ")[2] == (
            f"no such file ({remedy})\n"
        )
        assert list(Path().glob("*.safetensors")) == []

    @pytest.mark.parametrize("missing", ["no.weights", "no.conv.15", "no.cfg"])
    def test_an_input_that_is_missing_does_not_stop_the_rest(self, capsys, missing):
        Path("shapes.cfg").symlink_to("cfg/other.cfg")
        os.link("shapes.weights", "shapes_2.weights")
        assert main(["convert", "shapes.weights", "shapes_2.weights", missing, "-q"]) == 1
        assert f"error: {missing}: no such file" in capsys.readouterr().err
        assert len(list(Path().glob("*.safetensors"))) == 2


class TestRefusals:
    def test_a_known_file_that_is_missing(self, tmp_path):
        done = script("convert", tmp_path / "yolov3.weights")
        assert f"(download it: python {SCRIPTS}/download.py yolov3 -o {tmp_path})" in done.stderr

    @pytest.mark.parametrize(
        ("content", "message"),
        [
            (b"", "is empty"),
            (b"<!DOCTYPE html><html>", "is an HTML page"),
            (b"\n<html>", "is an HTML page"),
            (b"version https://git-lfs.github.com/spec/v1\n", "is a Git LFS pointer"),
            (b"PK\x03\x04" + bytes(30), "is a zip archive"),
            (b"[net]\nbatch=1\nwidth=416\n", "is text that looks like a cfg"),
        ],
    )
    def test_what_is_no_weights_file(self, tmp_path, content, message):
        path = tmp_path / "yolov3.weights"
        path.write_bytes(content)
        done = script("convert", path)
        assert done.returncode == 1
        assert f"error: {path}: {message}" in done.stderr
        assert "Traceback" not in done.stderr
        assert os.listdir(tmp_path) == ["yolov3.weights"]

    def test_a_directory(self, tmp_path):
        done = script("convert", tmp_path)
        assert done.returncode == 1
        assert "holds no .weights file" in done.stderr

    def test_a_fifo_does_not_hang(self, tmp_path):
        os.mkfifo(tmp_path / "x.weights")
        done = script("convert", tmp_path / "x.weights", timeout=20)
        assert done.returncode == 1
        assert "is not a regular file" in done.stderr

    @pytest.mark.parametrize("name", ["x.safetensors", "x.pth"])
    @pytest.mark.parametrize("command", ["convert", "info", "report", "verify"])
    def test_nor_does_one_in_the_place_of_a_checkpoint(self, sample, tmp_path, name, command):
        os.mkfifo(tmp_path / name)
        first = (sample.weights,) if command == "verify" else ()
        done = script(command, *first, tmp_path / name, timeout=20)
        assert done.returncode == 1
        assert "is not a regular file" in done.stderr

    def test_output_in_no_folder(self, sample, tmp_path):
        done = script("convert", sample.weights, "-o", tmp_path / "no" / "x.safetensors")
        assert done.returncode == 1
        assert f"there is no folder {tmp_path / 'no'} (make it, or" in done.stderr

    def test_control_characters_do_not_reach_the_terminal(self, tmp_path):
        (tmp_path / "x.cfg").write_text("[net]\n\x1b]0;owned\x07=1\n[\x1b[31mred]\n")
        (tmp_path / "x.weights").write_bytes(bytes(1000))
        done = script("convert", tmp_path / "x.weights")
        assert done.returncode == 1
        assert "\x1b" not in done.stdout + done.stderr
        assert r"\x1b[31mred" in done.stderr

    def test_a_report_that_would_have_nothing_to_read(self):
        urls = ("memory://a.weights", "-o", "memory://b.safetensors")
        done = script("convert", *urls, "--report", "r.json")
        assert done.returncode == 2
        assert done.stderr.startswith("error: --report needs a local file")

    @pytest.mark.parametrize("target", ["x.json", "n.json", "there/x.json"])
    def test_a_report_in_the_wrong_place_stops_the_conversion(self, sample, tmp_path, target):
        """The checkpoint's own name, an input's, a folder that is missing."""
        (tmp_path / "n.json").write_text("circle\nsquare\ntriangle\n")
        options = ("-o", "x.json", "--names", "n.json", "--report", target, "--force")
        done = script("convert", sample.weights, *options, cwd=tmp_path)
        assert done.returncode == (1 if "/" in target else 2)
        assert done.stderr.startswith(f"error: {target}: ")
        assert not (tmp_path / "x.json").exists()
        assert (tmp_path / "n.json").read_text().startswith("circle")

    @pytest.mark.parametrize(
        ("target", "fault"),
        [
            ("folder.html", "is not a regular file"),
            # Linux makes no folder there, for root either.
            ("/proc/x.html", "cannot be written: No such file or directory"),
            # 255 bytes are the longest name there is, and the file begins under a longer one.
            ("x" * 250 + ".html", "cannot be written: File name too long"),
        ],
    )
    def test_a_report_that_cannot_be_written_stops_the_conversion(
        self, sample, tmp_path, target, fault
    ):
        (tmp_path / "folder.html").mkdir()
        before = os.listdir(tmp_path)
        options = ("-o", "x.safetensors", "--report", target)
        done = script("convert", sample.weights, *options, cwd=tmp_path)
        assert done.returncode == 1
        assert done.stderr == f"error: {target}: {fault} (choose another output)\n"
        assert os.listdir(tmp_path) == before


@pytest.fixture
def folder(sample, tmp_path) -> Path:
    """Four copies of the sample that share a cfg, and one that is truncated."""
    made = tmp_path / "weights"
    made.mkdir()
    shutil.copyfile(sample.cfg, made / "s.cfg")
    for i in range(4):
        shutil.copyfile(sample.weights, made / f"s_{i}.weights")
    (made / "s_9.weights").write_bytes(sample.weights.read_bytes()[:5000])
    return made


def test_one_bad_file_does_not_stop_the_rest(folder, tmp_path):
    done = script("convert", folder, "-o", tmp_path / "out")
    assert done.returncode == 1
    assert done.stdout.splitlines()[-1] == "4 of 5 files converted, 1 refused"
    assert sorted(os.listdir(tmp_path / "out")) == [f"s_{i}.safetensors" for i in range(4)]
    (error,) = (line for line in done.stderr.splitlines() if line.startswith("error: "))
    assert str(folder / "s_9.weights") in error


def test_json_lists_results_in_the_order_of_the_sources(folder):
    done = script("convert", folder, "--json")
    facts = json.loads(done.stdout)
    assert facts.keys() == {"schema", "results"}
    assert [Path(r["source"]).name for r in facts["results"]] == [
        f"s_{i}.weights" for i in (0, 1, 2, 3, 9)
    ]
    assert [r.get("verified", False) for r in facts["results"]] == [True] * 4 + [False]
    assert facts["results"][4]["error"]["type"] == "WeightsError"


def test_an_output_that_is_no_folder(folder, tmp_path):
    (tmp_path / "file").write_bytes(b"precious")
    done = script("convert", folder, "-o", tmp_path / "file")
    assert done.returncode == 1
    assert "cannot be made a folder" in done.stderr
    assert (tmp_path / "file").read_bytes() == b"precious"


def test_a_files_name_for_the_folder_of_many(folder, tmp_path):
    done = script("convert", folder, "-o", "x.safetensors", cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.startswith("error: x.safetensors: is a file's name, and many are written")
    assert not (tmp_path / "x.safetensors").exists()


def test_one_source_into_a_folder(sample, tmp_path):
    (tmp_path / "out").mkdir()
    assert script("convert", sample.weights, "-o", tmp_path / "out").returncode == 0
    assert (tmp_path / "out/shapes.safetensors").exists()


def test_a_slash_at_the_end_means_a_folder(sample, tmp_path):
    """Also one that is not there yet, and on the way back."""
    done = script("convert", sample.weights, "-o", "new/", cwd=tmp_path)
    assert done.returncode == 0
    assert done.stdout.startswith("new/shapes.safetensors: 366 tensors")
    done = script("convert", "new/shapes.safetensors", "-o", "back/", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "back/shapes.weights").read_bytes() == sample.weights.read_bytes()


def test_a_folder_is_made_only_for_what_is_written(sample, tmp_path):
    done = script("convert", sample.weights, "-o", "new/", "--dry-run", cwd=tmp_path)
    assert done.returncode == 0
    assert not (tmp_path / "new").exists()
    done = script("convert", sample.weights, "-o", "new/", "--cfg", "no.cfg", cwd=tmp_path)
    assert done.returncode == 1
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("name", ["x.onnx", "x.torchscript", "x.pt2"])
def test_an_output_that_export_makes(sample, tmp_path, name):
    convert(sample.weights)
    for source, kind in (("shapes.weights", "checkpoint's"), ("shapes.safetensors", "Darknet's")):
        done = script("convert", source, "-o", name, cwd=tmp_path)
        assert done.returncode == 2
        start, _, line = done.stderr.rstrip(")\n").partition(" (write it with: ")
        assert start.startswith(f"error: {name}: is no ")
        assert kind in start
        assert line == f"python {SCRIPTS}/export.py {source} -o {name}"


@pytest.mark.parametrize("name", ["x.engine", "x", "x.SAFETENSORS"])
def test_an_output_of_another_ending(sample, tmp_path, name):
    done = script("convert", sample.weights, "-o", name, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (
        2, f"error: {name}: is no checkpoint's name (end it with .safetensors)\n",
    )  # fmt: skip
    convert(sample.weights)
    done = script("convert", sample.checkpoint, "-o", name, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (
        2, f"error: {name}: is no name of Darknet's weights (end it with .weights)\n",
    )  # fmt: skip
    assert not (tmp_path / name).exists()


class TestOtherPorts:
    def test_out_and_in_again(self, make):
        pytest.importorskip("torch")  # missing where other Pythons are tried
        files = make(nets.yolov3(1, 2, size=64))
        folder = files.weights.parent
        done = script("convert", files.weights, "--family", "mmdet", "-o", folder / "x.pth")
        assert (done.returncode, done.stdout) == (
            0, f"{folder / 'x.pth'}: 366 tensors, {reference.floats(files.text):,} floats, mmdet,"
            " 2 classes, verified\n",
        )  # fmt: skip
        done = script("convert", folder / "x.pth", "--cfg", files.cfg, "-o", folder / "y.weights")
        assert done.returncode == 0
        assert (folder / "y.weights").read_bytes()[20:] == files.weights.read_bytes()[20:]
        again = folder / "y.safetensors"
        done = script("convert", folder / "x.pth", "--cfg", files.cfg, "-o", again, "--json")
        assert json.loads(done.stdout)["family"] == "yolov3"

    def test_a_file_of_pytorchs_without_a_port(self, toy):
        done = script("convert", toy.weights, "-o", toy.weights.with_name("x.pth"))
        assert done.returncode == 2
        assert "say whose it is to be with --family: bubbliiiing, " in done.stderr

    @pytest.mark.parametrize("option", [("--partial",), ("--report", "x.html")])
    def test_what_is_not_for_checkpoints(self, option):
        done = script("convert", "x.safetensors", "-o", "y.safetensors", *option)
        assert done.returncode == 2
        assert f"{option[0]} is not for checkpoints" in done.stderr

    def test_a_cfg_beside_a_checkpoint_is_written_by_the_line_that_is_shown(self, sample):
        convert(sample.weights)
        cfg = sample.cfg.with_name("out.cfg")
        done = script("convert", sample.checkpoint, "-o", "y.safetensors", "--cfg-out", cfg)
        assert done.returncode == 2
        line = shlex.split(done.stderr.partition("(")[2].rstrip(")\n"))
        assert line[0] == "python"
        assert python(*line[1:]).returncode == 0
        assert cfg.is_file()
