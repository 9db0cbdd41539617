"""report as a command, and the pages of convert and verify."""

import json
import os

import numpy as np
import pytest

from converter import convert
from converter.cli.main import main
from tests.converter.cli.processes import script


def test_a_checkpoint(sample, capsys):
    convert(sample.weights)
    assert main(["report", str(sample.checkpoint)]) == 0
    page = sample.checkpoint.with_suffix(".html")
    assert capsys.readouterr().out == f"{page}: 366 arrays of 107 layers, verified\n"
    assert page.read_text().startswith("<!DOCTYPE html>")


def test_weights(sample, tmp_path, capsys):
    output = tmp_path / "r.json"
    assert main(["report", str(sample.weights), "-o", str(output), "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts == {"schema": 1, "output": str(output), "verified": None}


def test_weights_under_other_names(sample, tmp_path):
    output = tmp_path / "r.json"
    assert main(["report", str(sample.weights), "-o", str(output), "--family", "mmdet"]) == 0
    assert "bbox_head.convs_pred.2.bias" in output.read_text()


def test_a_changed_float_is_shown(sample, capsys):
    """The checkpoint says which file it was made from, and that it would give back another."""
    convert(sample.weights)
    with open(sample.checkpoint, "r+b") as file:
        file.seek(-4, os.SEEK_END)
        file.write(np.float32(42).tobytes())
    assert main(["report", str(sample.checkpoint)]) == 1
    assert capsys.readouterr().out.endswith("different\n")
    assert "Different" in sample.checkpoint.with_suffix(".html").read_text()


def test_a_missing_file_is_one_line(tmp_path, capsys):
    assert main(["report", str(tmp_path / "missing.safetensors")]) == 1
    assert capsys.readouterr().err.count("\n") == 1
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("suffix", [".html", ".md", ".json"])
def test_the_same_input_gives_the_same_bytes(sample, tmp_path, suffix):
    convert(sample.weights)
    written = []
    for seed in "12":  # Python shuffles its sets by this
        output = tmp_path / f"{seed}{suffix}"
        environment = os.environ | {"PYTHONHASHSEED": seed}
        done = script("report", sample.checkpoint, "-o", output, env=environment)
        assert done.returncode == 0, done.stderr
        written.append(output.read_bytes())
    assert written[0] == written[1]


def test_a_report_never_replaces_what_it_is_about(sample, tmp_path):
    checkpoint = tmp_path / "c.json"  # any name may be a checkpoint's
    convert(sample.weights).output.rename(checkpoint)
    before = checkpoint.read_bytes()
    for command in (("verify", sample.weights, checkpoint, "--report"),
                    ("report", checkpoint, "-o")):  # fmt: skip
        done = script(*command, checkpoint, "--force")
        assert done.returncode == 2
        assert "is an input" in done.stderr
    assert checkpoint.read_bytes() == before


def test_a_report_of_nothing():
    assert script("report", "").stderr == "error: SOURCE names no file\n"


def test_the_option_of_convert(sample, tmp_path, capsys):
    page = tmp_path / "r.json"
    assert main(["convert", str(sample.weights), "-q", "--report", str(page)]) == 0
    assert json.loads(page.read_text())["verified"] is True
    sample.checkpoint.unlink()
    assert main(["convert", str(sample.weights), "--report", str(tmp_path / "r.txt")]) == 2
    assert not sample.checkpoint.exists()  # refused before converting, not after it


def test_the_option_of_verify(sample, tmp_path, capsys):
    convert(sample.weights)
    page = tmp_path / "r.json"
    pair = [str(sample.weights), str(sample.checkpoint)]
    assert main(["verify", *pair, "--report", str(page)]) == 0
    assert json.loads(page.read_text())["verified"] is True
    assert main(["verify", *pair, "--report", str(tmp_path / "r.txt")]) == 2


def test_a_page_that_exists_is_refused_before_the_work(sample, tmp_path, capsys):
    """The checkpoint is not even opened: it is none."""
    sample.checkpoint.write_bytes(b"")
    page = tmp_path / "r.json"
    page.write_text("precious")
    pair = [str(sample.weights), str(sample.checkpoint)]
    assert main(["verify", *pair, "--report", str(page)]) == 1
    assert capsys.readouterr().err == f"error: {page}: exists already (replace it with --force)\n"
    assert page.read_text() == "precious"
