"""verify as a command."""

import json
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from converter import convert
from converter.checkpoint.header import read_contents
from converter.cli.main import main
from tests.converter.cli.processes import SCRIPTS, script


def test_the_verdict_and_nothing_that_needs_no_reading(sample):
    convert(sample.weights)
    done = script("verify", sample.weights, sample.checkpoint)
    assert done.returncode == 0
    *claims, verdict = done.stdout.splitlines()
    assert [line.split(": ")[1] for line in claims] == ["not compared"] * 3
    assert verdict == "equal: 366 of 366 tensors are bit for bit the same"


def test_the_arrays_that_differ(sample):
    convert(sample.weights)
    tensors, metadata = load_file(sample.checkpoint), read_contents(sample.checkpoint).metadata
    tensors["heads.0.conv.weight"] += np.float32(1)
    save_file(tensors, sample.checkpoint, metadata)
    done = script("verify", sample.weights, sample.checkpoint)
    assert done.returncode == 1
    heading, row, *_, verdict = done.stdout.splitlines()
    assert heading.split() == ["equal", "layer", "bytes", "tensor", "shape"]
    assert row.split()[:4] == ["NO", "105", "convolutional", "weights"]
    assert verdict == "DIFFERENT: 365 of 366 tensors are bit for bit the same"


class TestFilesThatDoNotBelongTogether:
    def test_of_another_network(self, sample, toy):
        convert(sample.weights)
        done = script("verify", toy.weights, sample.checkpoint)
        assert (done.returncode, done.stdout) == (1, "")
        assert done.stderr == (
            f"error: {toy.weights}: does not belong to {sample.checkpoint}: it has 556 bytes, and a"
            " .weights file of that network 997,548 (give the file that shapes.safetensors was made"
            " from)\n"
        )

    def test_of_another_training_of_the_network(self, sample):
        convert(sample.weights)
        values = np.frombuffer(sample.weights.read_bytes()[20:], np.float32)
        sample.weights.write_bytes(sample.weights.read_bytes()[:20] + (values + 1).tobytes())
        done = script("verify", sample.weights, sample.checkpoint)
        assert done.returncode == 1
        assert done.stdout.splitlines()[-1] == (
            "DIFFERENT: 0 of 366 tensors are bit for bit the same;"
            " the checkpoint was made from another file"
        )

    def test_the_wrong_way_round(self, sample):
        convert(sample.weights)
        done = script("verify", sample.checkpoint, sample.weights)
        assert done.returncode == 2
        assert done.stderr == (
            "error: the .weights come first"
            f" (python {SCRIPTS}/verify.py {sample.weights} {sample.checkpoint})\n"
        )


class TestACheckpointThatIsNotMadeYet:
    @pytest.mark.parametrize(
        ("checkpoint", "options", "line"),
        [
            ("shapes.safetensors", (), "shapes.weights"),
            ("out/x.safetensors", (), "shapes.weights -o out/x.safetensors"),
            (
                "shapes.safetensors",
                ("--cfg", "shapes.cfg", "--family", "generic", "--dialect", "pjreddie"),
                "shapes.weights --cfg shapes.cfg --dialect pjreddie --family generic",
            ),
        ],
    )
    def test_the_line_makes_it(self, sample, monkeypatch, capsys, checkpoint, options, line):
        monkeypatch.chdir(sample.weights.parent)
        Path("out").mkdir()
        call = ["verify", "shapes.weights", checkpoint, *options]
        assert main(call) == 1
        assert capsys.readouterr() == (
            "",
            f"error: {checkpoint}: no such file (make it: python -m converter convert {line})\n",
        )
        assert main(["convert", *line.split()]) == 0
        assert main(call) == 0

    @pytest.mark.parametrize(
        ("weights", "checkpoint"),
        [
            ("none.weights", "none.safetensors"),
            ("shapes.weights", "shapes.pth"),
            ("shapes.cfg", "shapes.safetensors"),
        ],
    )
    def test_what_no_line_makes(self, sample, monkeypatch, capsys, weights, checkpoint):
        monkeypatch.chdir(sample.weights.parent)
        assert main(["verify", weights, checkpoint]) == 1
        err = capsys.readouterr().err
        assert err.startswith(f"error: {checkpoint}: ")
        assert err.endswith(" (check the path)\n")


def test_the_table(sample):
    script("convert", sample.weights)
    done = script("verify", sample.weights, sample.checkpoint, "-v")
    assert done.returncode == 0
    heading, *rows, network, names, dialect, verdict = done.stdout.splitlines()
    assert heading.split() == ["equal", "layer", "bytes", "tensor", "shape"]
    assert [row.split()[0] for row in rows] == ["yes"] * 366
    assert network == "network: not compared: its own cfg was believed: --cfg compares it"
    assert names == "names: not compared: they were believed: --names compares them"
    assert dialect == "dialect: not compared: pjreddie was believed: --dialect compares it"
    assert verdict == "equal: 366 of 366 tensors are bit for bit the same"


def test_a_difference_in_json(sample):
    script("convert", sample.weights)
    data = bytearray(sample.checkpoint.read_bytes())
    data[-1] ^= 1
    sample.checkpoint.write_bytes(data)
    done = script("verify", sample.weights, sample.checkpoint, "--json")
    assert done.returncode == 1
    facts = json.loads(done.stdout)
    assert facts.pop("claims") == {
        "header": True, "cutoff": True, "source_sha256": True,
        "network": None, "names": None, "dialect": None,
    }  # fmt: skip
    assert facts.pop("remarks").keys() == {"network", "names", "dialect"}
    assert facts == {
        "schema": 1, "ok": False, "tensors": 366, "mismatched": ["heads.0.conv.weight"],
        "missing": [], "unexpected": [], "changes": [], "header": True, "dtype": "float32",
    }  # fmt: skip


class TestNamesInAnotherEncoding:
    def test_they_are_compared(self, sample, capsys):
        names = sample.weights.with_suffix(".names")
        names.write_bytes("원\n사각형\n삼각형\n".encode("cp949"))
        given = ("--names", str(names), "--names-encoding", "cp949")
        assert main(["convert", str(sample.weights), *given]) == 0
        pair = ("verify", str(sample.weights), str(sample.checkpoint))
        assert main([*pair, *given[:2]]) == 1
        assert "name its encoding with --names-encoding" in capsys.readouterr().err
        assert main([*pair, *given, "--json"]) == 0
        assert json.loads(capsys.readouterr().out)["claims"]["names"] is True
        names.write_bytes("원\n삼각형\n사각형\n".encode("cp949"))
        assert main([*pair, *given]) == 1
        assert "class 1 is 사각형, but 삼각형 in " in capsys.readouterr().out

    def test_of_no_names(self, sample, capsys):
        assert main(["verify", str(sample.weights), "x", "--names-encoding", "gbk"]) == 2
        assert capsys.readouterr().err == (
            "error: --names-encoding is that of --names (give both)\n"
        )


def test_a_picture_that_nothing_runs_on(sample):
    done = script("verify", sample.weights, "x.safetensors", "--image", "dog.jpg")
    assert done.returncode == 2
    assert "add --against" in done.stderr


@pytest.mark.engine
def test_against_darknet(sample):
    checkpoint = convert(sample.weights).output
    pair = (sample.weights, checkpoint, "--against", "darknet")
    done = script("verify", *pair)
    assert done.returncode == 0
    assert done.stdout.splitlines()[-1] == "equal: no layer's relative distance is above 1e-05"
    tensors, metadata = load_file(checkpoint), read_contents(checkpoint).metadata
    tensors["heads.0.conv.weight"] = tensors["heads.0.conv.weight"] * np.float32(1.01)
    save_file(tensors, checkpoint, metadata)
    done = script("verify", *pair, "--json")
    assert done.returncode == 1
    facts = json.loads(done.stdout)
    assert (facts["ok"], facts["mismatched"]) == (False, ["heads.0.conv.weight"])
    assert facts["against"]["first"].startswith("layer 105 ")
    assert facts["against"]["bound"] == 1e-5
    assert len(facts["against"]["layers"]) == 107
