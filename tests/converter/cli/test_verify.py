"""verify as a command."""

import json

from tests.converter.cli.processes import script


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


def test_a_picture_that_nothing_runs_on(sample):
    done = script("verify", sample.weights, "x.safetensors", "--image", "dog.jpg")
    assert done.returncode == 2
    assert "add --against" in done.stderr
