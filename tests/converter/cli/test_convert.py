"""The command lines as users meet them: processes, streams, exit codes."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).parents[3] / "scripts"


def script(name: str, *arguments, **options) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, SCRIPTS / f"{name}.py", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, **options)


def test_the_main_job(sample):
    done = script("convert", sample.weights)
    assert done.returncode == 0
    assert done.stdout == (
        f"{sample.checkpoint}: 366 tensors, 249,382 floats, yolov3, 3 classes, verified\n"
    )
    assert "found beside the weights" in done.stderr


def test_quiet_says_nothing_on_stderr(sample):
    assert script("convert", sample.weights, "-q").stderr == ""


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


def test_verify_prints_the_table(sample):
    script("convert", sample.weights)
    done = script("verify", sample.weights, sample.checkpoint)
    assert done.returncode == 0
    assert done.stdout.count(" yes\n") == 366 or done.stdout.count("yes\n") == 366
    assert done.stdout.splitlines()[-1] == "equal: 366 of 366 tensors are bit for bit the same"


def test_verify_fails_on_a_difference(sample):
    script("convert", sample.weights)
    data = bytearray(sample.checkpoint.read_bytes())
    data[-1] ^= 1
    sample.checkpoint.write_bytes(data)
    done = script("verify", sample.weights, sample.checkpoint, "--json")
    assert done.returncode == 1
    assert json.loads(done.stdout) == {
        "schema": 1, "ok": False, "tensors": 366, "mismatched": ["heads.0.conv.weight"],
        "missing": [], "unexpected": [], "header": True, "dtype": "float32",
    }  # fmt: skip


class TestRefusals:
    def test_in_one_line_and_in_json(self, tmp_path):
        missing = tmp_path / "no.weights"
        done = script("convert", missing, "--json")
        assert done.returncode == 1
        assert json.loads(done.stdout)["schema"] == 1
        error = json.loads(done.stdout)["error"]
        assert error.keys() == {"type", "message", "path", "place", "remedy"}
        assert (error["type"], error["path"]) == ("WeightsError", str(missing))
        assert done.stderr.count("\n") == 1

    def test_a_known_file_that_is_missing(self, tmp_path):
        done = script("convert", tmp_path / "yolov3.weights")
        assert f"(download it: python scripts/download.py yolov3 -o {tmp_path})" in done.stderr

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

    def test_output_in_no_folder(self, sample, tmp_path):
        done = script("convert", sample.weights, "-o", tmp_path / "no" / "x.safetensors")
        assert done.returncode == 1
        assert "No such file or directory" in done.stderr

    def test_control_characters_do_not_reach_the_terminal(self, tmp_path):
        (tmp_path / "x.cfg").write_text("[net]\n\x1b]0;owned\x07=1\n[\x1b[31mred]\n")
        (tmp_path / "x.weights").write_bytes(bytes(1000))
        done = script("convert", tmp_path / "x.weights")
        assert done.returncode == 1
        assert "\x1b" not in done.stdout + done.stderr
        assert r"\x1b[31mred" in done.stderr

    def test_usage(self):
        assert script("convert").returncode == 2
        assert script("convert", "x", "--family", "nonsense").returncode == 2

    def test_usage_in_json(self):
        done = script("convert", "--json", "a.weights", "--jobs", "0")
        assert done.returncode == 2
        assert json.loads(done.stdout)["error"]["type"] == "UsageError"
        assert done.stderr == (
            "error: argument -j/--jobs: '0' is no number from 1 on (see convert.py --help)\n"
        )

    def test_a_report_never_replaces_what_it_is_about(self, sample, tmp_path):
        checkpoint = tmp_path / "c.json"  # any name may be a checkpoint's
        assert script("convert", sample.weights, "-o", checkpoint).returncode == 0
        before = checkpoint.read_bytes()
        for command in (("verify", sample.weights, checkpoint, "--report"),
                        ("report", checkpoint, "-o")):  # fmt: skip
            done = script(*command, checkpoint, "--force")
            assert done.returncode == 2
            assert "is an input" in done.stderr
        assert checkpoint.read_bytes() == before

    def test_options_are_written_out(self):
        """An abbreviated --json would be found too late to tell what is wrong in JSON."""
        assert "unrecognized arguments: --jso" in script("verify", "--jso", "a", "b").stderr

    def test_a_report_that_would_have_nothing_to_read(self):
        urls = ("memory://a.weights", "-o", "memory://b.safetensors")
        done = script("convert", *urls, "--report", "r.json")
        assert done.returncode == 2
        assert done.stderr.startswith("error: --report needs a local file")

    def test_a_report_of_nothing(self):
        assert script("report", "").stderr == "error: SOURCE names no file\n"

    def test_a_picture_that_nothing_runs_on(self, sample):
        done = script("verify", sample.weights, "x.safetensors", "--image", "dog.jpg")
        assert done.returncode == 2
        assert "add --against" in done.stderr

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

    @pytest.mark.parametrize("script_name", ["convert", "verify", "info"])
    def test_interrupted_before_anything_is_imported(self, tmp_path, script_name):
        (tmp_path / "argparse.py").write_text("raise KeyboardInterrupt")
        done = script(script_name, env={**os.environ, "PYTHONPATH": str(tmp_path)})
        assert (done.returncode, done.stderr) == (130, "interrupted\n")


def test_help_has_examples():
    for name in ("convert", "verify"):
        assert "examples:\n" in script(name, "--help").stdout


def test_a_closed_pipe_is_no_traceback(sample):
    command = f"{sys.executable} {SCRIPTS}/convert.py {sample.weights} --dry-run | head -1"
    done = subprocess.run(command, shell=True, capture_output=True, text=True, check=False)
    assert "Traceback" not in done.stderr
    assert done.stdout.startswith("layer ")


def test_interrupted(sample, tmp_path):
    """Ctrl-C while the target is being written: exit code 130, and nothing left behind."""
    code = (
        "import sys; sys.path.insert(0, sys.argv[2])\n"
        "from converter.checkpoint import payload\n"
        "import time\n"
        "payload.write = lambda *a, **k: (print('writing', flush=True), time.sleep(60))\n"
        "from converter.cli.convert import convert_main\n"
        "sys.exit(convert_main([sys.argv[1]]))\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(sample.weights), str(SCRIPTS.parent)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout.readline() == "writing\n"
    time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=20)
    assert process.returncode == 130
    assert "Traceback" not in errors
    assert sorted(os.listdir(tmp_path)) == ["shapes.cfg", "shapes.names", "shapes.weights"]


def test_converting_never_imports_torch(sample):
    code = (
        "import sys; sys.path.insert(0, sys.argv[2])\n"
        "from converter.cli.convert import convert_main\n"
        "from converter.cli.verify import verify_main\n"
        "out = sys.argv[1].replace('.weights', '.safetensors')\n"
        "assert convert_main([sys.argv[1], '-q']) == 0\n"
        "assert verify_main([sys.argv[1], out, '-q']) == 0\n"
        "sys.exit('torch' in sys.modules)\n"
    )
    command = [sys.executable, "-c", code, str(sample.weights), str(SCRIPTS.parent)]
    assert subprocess.run(command, check=False, stdout=subprocess.DEVNULL).returncode == 0
