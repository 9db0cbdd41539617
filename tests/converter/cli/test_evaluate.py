"""evaluate as a command."""

import json
import sys
from pathlib import Path

import pytest

from converter import convert
from converter.cli.main import main

SHAPES = Path(__file__).parents[2] / "data" / "shapes"


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory) -> str:
    target = tmp_path_factory.mktemp("shapes") / "shapes.safetensors"
    return str(convert(SHAPES / "shapes.weights", target).output)


def test_evaluate(checkpoint, capsys):
    assert main(["evaluate", checkpoint, str(SHAPES / "val")]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    lines = out.splitlines()
    assert lines[0] == "60 pictures, 227 detections"
    # as COCO measures it; darknet's boxes get 1.0000, 0.9718, 0.8229 by the whole area
    assert lines[-2].split()[:3] == ["mean", "193", "1.0000"]
    assert lines[-1].startswith("by the rule: precision at 101 recalls, as COCO's")


def test_evaluate_json(checkpoint, capsys):
    arguments = [checkpoint, str(SHAPES / "val"), "--points", "0", "--batch", "16", "--json"]
    assert main(["evaluate", *arguments]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert (answer["schema"], answer["images"], answer["objects"]) == (1, 60, 193)
    # val-map.json, for PyTorch's batch norm, which moves boxes by 1e-3 pixels
    assert answer["mAP50"] == pytest.approx(1)
    assert answer["mAP75"] == pytest.approx(0.971777, abs=1e-3)
    assert answer["mAP50:95"] == pytest.approx(0.822891, abs=1e-3)
    assert [row["name"] for row in answer["classes"]] == ["circle", "square", "triangle"]


def test_evaluate_a_folder_that_is_none(checkpoint, tmp_path, capsys):
    assert main(["evaluate", checkpoint, str(tmp_path)]) == 1
    assert "no labels beside its pictures" in capsys.readouterr().err


def test_a_name_that_is_none(checkpoint, capsys):
    assert main(["evaluate", checkpoint, "n" * 300]) == 1
    assert "cannot be read: File name too long" in capsys.readouterr().err


def test_progress_on_a_terminal(checkpoint, capsys, monkeypatch):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    assert main(["evaluate", checkpoint, str(SHAPES / "val"), "--batch", "30"]) == 0
    err = capsys.readouterr().err
    assert "[===============               ] 30 of 60 pictures" in err  # half of 30 characters
    assert err.endswith("\r")
