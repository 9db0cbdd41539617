"""evaluate as a command."""

import json
import shutil
import sys
from pathlib import Path

import pytest
from PIL import Image

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
    assert lines[-4].split()[:3] == ["mean", "193", "1.0000"]
    assert lines[-3].startswith("by the rule: COCO's: precision at 101 recalls")
    assert lines[-2].startswith("COCO's figures: AP 0.82")
    # TP, FP and FN of a class, and of all
    assert lines[2].split()[:2] + lines[2].split()[-3:] == ["circle", "67", "67", "0", "0"]
    assert lines[-4].split()[-3:] == ["193", "2", "0"]
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
    assert answer["coco"] is None  # by Darknet's rule
    # each object is found as what it is; two detections are on none
    right = [entry for entry in answer["confusion"] if entry["class"] == entry["found"]]
    assert sum(entry["count"] for entry in right) == 193
    assert [e["class"] for e in answer["confusion"] if e not in right] == [None, None]


def test_threshold_is_of_what_is_counted(checkpoint, capsys):
    """As darknet's -thresh: average precision is of all that scores above 0.005."""
    arguments = [checkpoint, str(SHAPES / "val"), "--points", "0", "--batch", "16", "--json"]
    answers = []
    for threshold in ("0.25", "1"):
        assert main(["evaluate", *arguments, "--threshold", threshold]) == 0
        answers.append(json.loads(capsys.readouterr().out))
    assert [answer["counts"]["confidence"] for answer in answers] == [0.25, 1]
    assert [answer["counts"]["tp"] for answer in answers] == [193, 0]
    assert answers[0]["detections"] == answers[1]["detections"] == 227
    assert answers[0]["mAP50"] == answers[1]["mAP50"] == pytest.approx(1)
    assert [row["counts"]["fn"] for row in answers[1]["classes"]] == [67, 56, 70]


def test_plots(checkpoint, tmp_path, capsys):
    pytest.importorskip("torch")  # missing where other Pythons are tried
    arguments = ["evaluate", checkpoint, str(SHAPES / "val"), "--points", "0", "--batch", "16"]
    folder = tmp_path / "plots"
    assert main([*arguments, "--plots", str(folder)]) == 0
    assert sorted(path.name for path in folder.iterdir()) == [
        "confusion.png", "precision_recall.png",
    ]  # fmt: skip
    assert f"drawn: {folder}" in capsys.readouterr().err
    # what cannot be drawn is refused before anything is computed
    assert main([*arguments, "--plots", str(SHAPES / "shapes.cfg")]) == 1
    assert "shapes.cfg: is no folder" in capsys.readouterr().err


VOC = """<annotation><size><width>{w}</width><height>{h}</height></size>{objects}</annotation>"""
VOC_OBJECT = (
    "<object><name>{name}</name><difficult>0</difficult><bndbox><xmin>{}</xmin>"
    "<ymin>{}</ymin><xmax>{}</xmax><ymax>{}</ymax></bndbox></object>"
)


def in_all_formats(folder):
    """Six pictures of the sample in each format that has labels of its own, one beside the other.

    Returns:
        What to give to evaluate, by its format.
    """
    names = ["circle", "square", "triangle"]
    for name in ("images/val", "labels/val", "voc/Annotations", "voc/JPEGImages"):
        (folder / name).mkdir(parents=True)
    pictures = sorted((SHAPES / "val").glob("*.png"))[:6]
    for picture in pictures:
        shutil.copyfile(picture, folder / "images/val" / picture.name)
        shutil.copyfile(picture, folder / "voc/JPEGImages" / picture.name)
        labels = picture.with_suffix(".txt")
        shutil.copyfile(labels, folder / "labels/val" / labels.name)
        with Image.open(picture) as image:
            width, height = image.size
        objects = []
        for line in labels.read_text().splitlines():
            label, x, y, w, h = map(float, line.split())
            left, top = (x - w / 2) * width + 1, (y - h / 2) * height + 1  # counted from 1
            corners = (left, top, left + w * width, top + h * height)
            objects.append(VOC_OBJECT.format(*corners, name=names[int(label)]))
        xml = VOC.format(w=width, h=height, objects="".join(objects))
        (folder / "voc/Annotations" / labels.with_suffix(".xml").name).write_text(xml)
    (folder / "valid.txt").write_text("".join(f"images/val/{p.name}\n" for p in pictures))
    (folder / "obj.names").write_text("\n".join(names))
    (folder / "obj.data").write_text("classes = 3\nvalid = valid.txt\nnames = obj.names\n")
    (folder / "data.yaml").write_text(f"path: .\nval: images/val\nnames: {names}\n")
    return {
        "root": folder,
        "list": folder / "valid.txt",
        "darknet": folder / "obj.data",
        "ultralytics": folder / "data.yaml",
        "voc": folder / "voc",
    }


def test_each_format_of_the_same_pictures_has_the_same_figures(checkpoint, tmp_path, capsys):
    answers = {}
    for name, path in in_all_formats(tmp_path).items():
        arguments = [checkpoint, str(path), "--points", "0", "--batch", "6", "--json"]
        assert main(["evaluate", *arguments]) == 0, name
        answers[name] = json.loads(capsys.readouterr().out)
        assert (answers[name].pop("categories") is not None) == (
            name in ("darknet", "ultralytics", "voc")
        )
    expected = answers.pop("root")
    files = list((tmp_path / "labels/val").iterdir())
    assert expected["objects"] == sum(len(path.read_text().splitlines()) for path in files) > 6
    for name, answer in answers.items():
        assert answer.keys() == expected.keys()
        assert answer["counts"]["mean_iou"] == pytest.approx(expected["counts"]["mean_iou"])
        for key in ("images", "objects", "detections", "confusion"):
            assert answer[key] == expected[key], (name, key)
        for key in ("mAP50", "mAP75", "mAP50:95"):
            assert answer[key] == pytest.approx(expected[key], abs=1e-6), (name, key)


def test_a_data_file_names_the_classes_of_a_checkpoint_without_names(tmp_path, capsys):
    for suffix in (".cfg", ".weights"):  # without the names beside them
        shutil.copyfile(SHAPES / f"shapes{suffix}", tmp_path / f"shapes{suffix}")
    data = in_all_formats(tmp_path)["darknet"]
    (tmp_path / "obj.names").write_text("Kreis\nQuadrat\nDreieck\n")
    arguments = [str(tmp_path / "shapes.weights"), str(data), "--points", "0", "--json"]
    assert main(["evaluate", *arguments]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert [row["name"] for row in answer["classes"]] == ["Kreis", "Quadrat", "Dreieck"]
    assert answer["mAP50"] == pytest.approx(1)


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
