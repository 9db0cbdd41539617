"""info as a command."""

import json

import nets
import numpy as np
import torch
from safetensors.numpy import save_file

from converter import convert
from tests.converter.cli.processes import script


def test_table(toy):
    done = script("info", toy.weights)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0] == f"{toy.weights}: .weights, 556 bytes"
    assert "header: version 0.2.0, 64,000 pictures seen, 20 bytes" in lines
    assert "health: every value is plausible" in lines
    # 4 * 27 * 8 * 8 * 2 = 13,824 FLOPs; 116 + 8 floats from byte 20 on
    first = next(line for line in lines if line.strip().startswith("0 "))
    assert first.split() == [
        "0", "convolutional", "4", "3", "x", "3", "/", "1", "3", "x", "8", "x", "8", "->",
        "4", "x", "8", "x", "8", "116", "0.000", "20-515",
    ]  # fmt: skip
    assert lines[-1].startswith("2 layers, 126 parameters and 8 running statistics, 556 bytes")
    assert "2 for each multiply-add" in lines[-1]


def test_json(toy):
    assert json.loads(script("info", toy.cfg, "--json").stdout)["schema"] == 1


def test_a_stranger(tmp_path):
    save_file({"x": np.zeros((2, 3), "<f4")}, tmp_path / "x.safetensors")
    lines = script("info", tmp_path / "x.safetensors").stdout.splitlines()
    assert lines[-1].split() == ["x", "F32", "2", "x", "3"]


def test_a_missing_file_is_one_line(tmp_path):
    done = script("info", tmp_path / "no.cfg")
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)


def test_a_file_of_pytorchs(make):
    files = make(nets.tiny(1, 2, size=64))
    path = convert(files.weights, files.weights.with_name("x.pth"), family="lightnet").output
    torch.save({"model": None, "ema": torch.load(path)}, path)
    done = script("info", path, "--cfg", files.cfg)
    assert done.returncode == 0
    lines = done.stdout.splitlines()
    assert lines[0] == f"{path}: PyTorch, {path.stat().st_size:,} bytes"
    assert "tensors: those under ema (moving averages of the weights)" in lines
    assert "read as: lightnet, pjreddie" in lines
    done = script("info", path)
    assert "problem: " in done.stdout
    assert "does not say which network it is" in done.stdout
