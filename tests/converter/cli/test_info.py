"""info as a command."""

import json
from pathlib import Path

import nets
import numpy as np
import pytest
import torch
from safetensors.numpy import save_file

from converter import DarknetError, convert, info
from converter.cli.main import main
from tests.converter.cli.processes import script
from yolov3 import load


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
    total = lines[lines.index("") - 1]  # before the table
    assert total.startswith("2 layers, 126 parameters and 8 running statistics, 556 bytes")
    assert "2 for each multiply-add" in total
    assert lines[-1].split()[:2] == ["1", "convolutional"]


def test_json(toy):
    assert json.loads(script("info", toy.cfg, "--json").stdout)["schema"] == 1


def test_a_file_that_does_not_fit_its_cfg_is_described_and_says_so(toy):
    toy.weights.write_bytes(toy.weights.read_bytes()[:-8])  # 548 of 556 bytes
    done = script("info", toy.weights)
    assert (done.returncode, done.stderr) == (0, "")
    (problem,) = (line for line in done.stdout.splitlines() if line.startswith("problem: "))
    assert "548 bytes of the 556 that toy.cfg asks for" in problem
    done = script("info", toy.weights, "--json")
    assert (done.returncode, done.stderr) == (0, "")
    facts = json.loads(done.stdout)
    assert facts["size"] == 548
    assert facts["problem"]["type"] == "WeightsError"
    assert "548 bytes of the 556" in facts["problem"]["message"]
    assert "and exit code 0" in script("info", "--help").stdout


def test_a_stranger(tmp_path):
    save_file({"x": np.zeros((2, 3), "<f4")}, tmp_path / "x.safetensors")
    lines = script("info", tmp_path / "x.safetensors").stdout.splitlines()
    assert lines[-1].split() == ["x", "F32", "2", "x", "3"]


def test_a_missing_file_is_one_line(tmp_path):
    done = script("info", tmp_path / "no.cfg")
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)


def test_class_names_are_counted_and_sent_to_their_option(sample):
    names = sample.weights.with_suffix(".names")  # circle, square, triangle
    done = script("info", names)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        f"error: {names}: is a list of class names, 3 of them"
        " (the .weights come first; convert and detect take it with --names)\n"
    )
    with pytest.raises(DarknetError) as caught:
        info(names)
    assert caught.value.remedy == "the .weights come first; convert and load take it with names="
    names.write_bytes(b"\0")
    assert "is not text" in script("info", names).stderr


def test_a_list_of_a_data_sets_files_is_sent_to_the_commands_that_take_it(sample, capsys):
    """The two that are named do: ``info`` has no --names."""
    picture = Path(__file__).parents[2] / "data/shapes/images/0003.png"
    data = sample.weights.with_name("obj.data")
    data.write_text(f"names = {sample.weights.with_name('shapes.names')}\n")
    assert main(["info", str(data)]) == 1
    assert capsys.readouterr().err == (
        f"error: {data}: is Darknet's list of a data set's files"
        " (the .weights come first; convert and detect take its class names with --names)\n"
    )
    with pytest.raises(DarknetError) as caught:
        info(data)
    assert caught.value.remedy == (
        "the .weights come first; convert and load take its class names with names="
    )
    assert load(sample.weights, names=data).names == ["circle", "square", "triangle"]
    assert main(["convert", str(sample.weights), "--names", str(data)]) == 0
    detect = ["detect", str(sample.weights), str(picture), "--names", str(data)]
    assert main([*detect, "-o", str(sample.weights.with_name("drawn"))]) == 0


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
    assert not done.stderr
    done = script("info", path)
    assert "problem: " in done.stdout
    assert "does not say which network it is" in done.stdout


DETECTOR = """\
[net]
width=64
height=64
channels=3
decay=5e-4
[convolutional]
filters=21
size=3
stride=8
activation=mish
[convolutional]
filters=21
size=1
activation=linear
[yolo]
mask=0,1,2
anchors=10,10, 20,20, 40,40
classes=2
num=3
"""


def test_engines_as_a_table(tmp_path):
    cfg = tmp_path / "net.cfg"
    cfg.write_text(DETECTOR)
    done = script("info", cfg, "--engines")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == [
        f"{cfg}, compared with AlexeyAB's darknet:",
        "pjreddie  differs",
        "          line 10: pjreddie's darknet reads activation=mish as relu, not mish",
        "alexeyab  runs",
        "hank-ai   refuses",
        "          line 5: hank-ai's darknet takes decay=5e-4 for no number",
        "opencv    runs",
    ]


def test_engines_as_json(tmp_path):
    cfg = tmp_path / "net.cfg"
    cfg.write_text(DETECTOR)
    facts = json.loads(script("info", cfg, "--engines", "--json", "--dialect", "pjreddie").stdout)
    assert facts["schema"] == 1
    assert facts["reference"] == "pjreddie"
    verdicts = {name: verdict["verdict"] for name, verdict in facts["engines"].items()}
    assert verdicts == {
        "pjreddie": "runs",
        "alexeyab": "differs",
        "hank-ai": "refuses",
        "opencv": "differs",
    }
    (reason,) = facts["engines"]["alexeyab"]["reasons"]
    assert reason["line"] == 10
    assert "mish" in reason["text"]


def test_engines_see_the_byte_order_mark(tmp_path):
    cfg = tmp_path / "net.cfg"
    cfg.write_text(DETECTOR, encoding="utf-8-sig")
    facts = json.loads(script("info", cfg, "--engines", "--json").stdout)
    assert facts["engines"].pop("opencv")["verdict"] == "runs"  # it drops what is no ASCII
    assert {verdict["verdict"] for verdict in facts["engines"].values()} == {"refuses"}


def test_engines_are_about_a_cfg(toy, tmp_path):
    done = script("info", toy.weights, "--engines")
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "--engines is about a .cfg" in done.stderr
    (tmp_path / "net.cfg").write_text("hello\n")
    done = script("info", tmp_path / "net.cfg", "--engines")
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert str(tmp_path / "net.cfg") in done.stderr
