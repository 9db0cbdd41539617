"""evaluate as a command."""

import json
import shutil
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
    assert lines[-3].split()[:3] == ["mean", "193", "1.0000"]
    assert lines[-2].startswith("by the rule: COCO's: precision at 101 recalls")
    assert lines[-1].startswith("above score 0.25, by Darknet's rule: TP 19")
    assert "recall " in lines[-1]


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
    assert answer["rule"].startswith("Darknet's: the whole area under the curve")
    assert answer["counts"]["rule"].startswith("Darknet's")
    assert answer["counts"]["tp"] + answer["counts"]["fn"] == 193
    assert answer["categories"] is None  # labels in YOLO's format are the classes


def coco(folder, *names):
    """A picture of the sample, with an object of each of three categories."""
    shutil.copyfile(SHAPES / "images" / "0003.png", folder / "a.png")
    ids = range(1, 4)
    content = {
        "images": [{"id": 1, "file_name": "a.png"}],
        "categories": [{"id": i, "name": name} for i, name in zip(ids, names, strict=True)],
        "annotations": [{"image_id": 1, "category_id": i, "bbox": [0, 0, 9, 9]} for i in ids],
    }
    (folder / "labels.json").write_text(json.dumps(content))
    return str(folder)


def test_categories_by_another_word(checkpoint, tmp_path, capsys):
    (tmp_path / "x.names").write_text("sofa\nsquare\ntriangle\n")
    folder = coco(tmp_path, "Square", "couch", "triangle")
    arguments = [checkpoint, folder, "--names", str(tmp_path / "x.names"), "--json"]
    assert main(["evaluate", *arguments]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["categories"] == {"renamed": {"couch": "sofa"}, "by_order": False}


def test_categories_by_order_only_when_asked_for(checkpoint, tmp_path, capsys):
    arguments = ["evaluate", checkpoint, coco(tmp_path, "round", "square", "triangle"), "--json"]
    assert main(arguments) == 1
    assert (
        "no class of the network: 'round'"
        in json.loads(capsys.readouterr().out)["error"]["message"]
    )
    assert main([*arguments, "--by-order"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["categories"] == {"renamed": {}, "by_order": True}


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
