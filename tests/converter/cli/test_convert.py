"""convert as a command: what it prints and what it refuses."""

import json
import os

import pytest

from tests.converter.cli.processes import script


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


class TestRefusals:
    def test_a_known_file_that_is_missing(self, tmp_path):
        done = script("convert", tmp_path / "yolov3.weights")
        assert f"(download it: python -m converter download yolov3 -o {tmp_path})" in done.stderr

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
