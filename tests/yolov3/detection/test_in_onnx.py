"""Exported ONNX files as detectors: the boxes that PyTorch's model gives, and what is refused."""

import json
import shutil
import sys
from pathlib import Path

import nets
import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from converter import CheckpointError, ExtraError, NetworkError, convert
from yolov3 import OnnxModel, detect, load
from yolov3.exporting.export import export
from yolov3.exporting.straight import export_checkpoint

DATA = Path(__file__).parents[2] / "data"
PICTURES = sorted((DATA / "shapes" / "images").glob("*.png"))
HANK_AIS = json.loads((DATA / "boxes" / "hank-ai-heads.json").read_text())
CASES = [
    *(("alexeyab", path.stem) for path in sorted((DATA / "heads").glob("*.cfg"))),
    *(("pjreddie", name) for name in ("detection", "region", "region-no-softmax", "yolo")),
    *(("hank-ai", name) for name in HANK_AIS),
]


# Two runtimes add up in another order. Measured: 1.4e-6 in scores, and in boxes 3e-5 pixels, or up
# to 1e-5 of their size and 2e-4 pixels (some of the random networks' are ten pictures large).
def same(found, wanted, *, pixels=1e-3, score=1e-5):
    assert found.labels.tolist() == wanted.labels.tolist()
    assert found.names == wanted.names
    np.testing.assert_allclose(found.scores, wanted.scores, atol=score, rtol=0)
    np.testing.assert_allclose(found.boxes, wanted.boxes, atol=pixels, rtol=1e-5)


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory) -> Path:
    target = tmp_path_factory.mktemp("shapes") / "shapes.safetensors"
    return convert(DATA / "shapes" / "shapes.weights", target).output


@pytest.fixture(scope="module")
def model(checkpoint):
    return load(checkpoint)


def exported(source, target, **options) -> Path:
    return export_checkpoint(source, target, verify=False, **options).output


@pytest.mark.parametrize("threshold", [0.25, 0.005])
def test_the_sample(checkpoint, model, tmp_path, threshold):
    ours = OnnxModel(exported(checkpoint, tmp_path / "x.onnx"))
    assert (ours.network, ours.dialect, ours.names) == (model.network, model.dialect, model.names)
    for picture in PICTURES:
        wanted = detect(model, picture, threshold)
        assert len(wanted) > 0
        same(detect(ours, picture, threshold), wanted)


@pytest.mark.parametrize(("dialect", "name"), CASES)
def test_every_kind_of_head(tmp_path, dialect, name):
    """Resizing, kind of NMS and clipping are those of the engine, too."""
    for suffix in (".cfg", ".weights"):
        shutil.copyfile(DATA / "heads" / (name + suffix), tmp_path / (name + suffix))
    made = convert(tmp_path / f"{name}.weights", dialect=dialect).output
    ours, model = OnnxModel(exported(made, tmp_path / "x.onnx")), load(made)
    golden = json.loads((DATA / "heads" / f"{name}.json").read_text())["threshold"]
    # pjreddie's engine makes the classes of region-no-softmax logistic, and so less likely.
    threshold = golden / 4 if dialect == "pjreddie" else golden
    for picture in PICTURES[:2]:
        wanted = detect(model, picture, threshold)
        assert len(wanted) > 0
        same(detect(ours, picture, threshold), wanted)


@pytest.mark.parametrize(
    "options", [{"dynamic": True}, {"batch": 4}, {"batch": 2}, {"opset": 11}], ids=str
)
def test_any_number_of_pictures(checkpoint, model, tmp_path, options):
    ours = OnnxModel(exported(checkpoint, tmp_path / "x.onnx", **options))
    for batch in (1, 3):
        found = detect(ours, PICTURES, batch=batch)
        for one, picture in zip(found, PICTURES, strict=True):
            same(one, detect(model, picture))


def test_half(checkpoint, model, tmp_path):
    """Measured: 1.9e-4 in scores and 0.022 pixels. What rounds every node's output, which
    onnxruntime need not, differs by half as much again (``layouts.HALF``).
    """
    ours = OnnxModel(exported(checkpoint, tmp_path / "x.onnx", half=True))
    same(detect(ours, PICTURES[0], 0.5), detect(model, PICTURES[0], 0.5), pixels=0.1, score=1e-3)


def test_straight_from_darknets_file(model, tmp_path):
    ours = OnnxModel(exported(DATA / "shapes" / "shapes.weights", tmp_path / "x.onnx"))
    same(detect(ours, PICTURES[0]), detect(model, PICTURES[0]))


def test_through_pytorchs_exporter(checkpoint, model, tmp_path):
    fused = load(checkpoint).fuse()
    ours = OnnxModel(export(fused, tmp_path / "x.onnx").output)
    same(detect(ours, PICTURES[0]), detect(model, PICTURES[0]))


def test_another_ports_checkpoint(sample, model, tmp_path):
    """It says neither its network nor whose engine it is for: the exported file does."""
    made = convert(sample.weights, tmp_path / "port.pth", family="mmdet").output
    said = {"cfg": sample.cfg, "dialect": "alexeyab"}
    ours = OnnxModel(exported(made, tmp_path / "x.onnx", **said))
    assert (ours.dialect, ours.names) == ("alexeyab", None)
    same(detect(ours, PICTURES[0]), detect(load(made, **said), PICTURES[0]))
    said["names"] = sample.cfg.with_suffix(".names")
    named = OnnxModel(exported(made, tmp_path / "x.onnx", force=True, **said))
    assert named.names == load(made, **said).names == ["circle", "square", "triangle"]


# Refusals


def changed(path, target, **says):
    """A copy with other metadata; None leaves out."""
    model = onnx.load(path)
    kept = [(p.key, p.value) for p in model.metadata_props if p.key not in says]
    del model.metadata_props[:]
    for key, value in [*kept, *((k, v) for k, v in says.items() if v is not None)]:
        model.metadata_props.add(key=key, value=value)
    onnx.save(model, target)
    return target


@pytest.fixture(scope="module")
def maps(checkpoint, tmp_path_factory) -> Path:
    return exported(checkpoint, tmp_path_factory.mktemp("maps") / "x.onnx")


@pytest.mark.parametrize(
    ("says", "problem"),
    [
        ({"library_name": None}, "does not say which Darknet network it is: another program wrote"),
        ({"library_name": "x"}, "does not say which Darknet network it is: another program wrote"),
        ({"cfg": None}, "lacks metadata that detection needs (cfg): an older version wrote it"),
        ({"reading": None}, "lacks metadata that detection needs (reading): an older version"),
        ({"dialect": "x"}, "metadata dialect: is none of pjreddie, alexeyab, hank-ai"),
        ({"dialect": "null"}, "metadata dialect: is none of pjreddie, alexeyab, hank-ai"),
        ({"reading": "x"}, "metadata reading: is none of pjreddie, alexeyab, hank-ai, null"),
        ({"cfg": "[net]\nwidth=x\n"}, "metadata cfg: line 2: width="),
        ({"cfg": "[net]\n"}, "metadata cfg: "),
        ({"names": "x"}, "metadata names: is no list of names"),
        ({"names": "[1, 2, 3]"}, "metadata names: is no list of names"),
        ({"names": '["a"]'}, "metadata names: are 1, but cfg has 3 classes"),
        ({"cfg": nets.yolov3(1, 3, size=64)}, "takes something else than the pictures of its cfg"),
    ],
)  # fmt: skip
def test_what_it_says_of_itself(maps, tmp_path, says, problem):
    with pytest.raises(CheckpointError) as refused:
        OnnxModel(changed(maps, tmp_path / "x.onnx", **says))
    assert str(refused.value).startswith(f"{tmp_path / 'x.onnx'}: {problem}")
    assert refused.value.remedy


@pytest.mark.parametrize("text", [b"circle", b"library_name", b"pjreddie", b"images", b"map0"])
def test_texts_that_are_none(maps, tmp_path, text):
    """A class name, a key, a dialect, the input and an output, wherever they stand in the file."""
    content = maps.read_bytes()
    assert text in content
    (tmp_path / "x.onnx").write_bytes(content.replace(text, b"\xff" + text[1:]))
    with pytest.raises(CheckpointError, match=r"x.onnx: has a text that is not UTF-8 \(.+\)$"):
        OnnxModel(tmp_path / "x.onnx")


def test_a_map_of_another_size(maps, tmp_path):
    text = (DATA / "shapes" / "shapes.cfg").read_text()
    smaller = text.replace("stride=2", "stride=4", 1)
    broken = OnnxModel(changed(maps, tmp_path / "x.onnx", cfg=smaller))
    with pytest.raises(NetworkError, match="a map of another size than its cfg says"):
        detect(broken, PICTURES[0])


@pytest.mark.parametrize("layout", ["boxes", "ultralytics", "deepstream"])
def test_another_layout(checkpoint, tmp_path, layout):
    path = exported(checkpoint, tmp_path / "x.onnx", layout=layout)
    with pytest.raises(CheckpointError, match=r"\(export it with layout='maps'\)$"):
        OnnxModel(path)


def test_a_classifier(make, tmp_path):
    files = make(nets.classifier(1, 5, size=64))
    ours = OnnxModel(exported(files.weights, tmp_path / "x.onnx"))
    with pytest.raises(NetworkError, match=r"\[softmax\].*gives no boxes"):
        detect(ours, PICTURES[0])


def test_files_that_are_none(maps, tmp_path):
    path = tmp_path / "x.onnx"
    with pytest.raises(CheckpointError, match=r"x.onnx: no such file \(check the path\)"):
        OnnxModel(path)
    for content in (b"", b"no model", maps.read_bytes()[:-1000], b"\x08" * 100):
        path.write_bytes(content)
        with pytest.raises(CheckpointError, match=r"x.onnx: cannot be opened by onnxruntime: .+"):
            OnnxModel(path)
    with pytest.raises(CheckpointError, match="is a directory"):
        OnnxModel(tmp_path)


def test_somebody_elses_network(tmp_path):
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 3, 8, 8])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 3, 8, 8])
    graph = helper.make_graph([helper.make_node("Relu", ["x"], ["y"])], "g", [x], [y])
    opset = helper.make_opsetid("", 13)
    onnx.save(helper.make_model(graph, opset_imports=[opset], ir_version=7), tmp_path / "x.onnx")
    with pytest.raises(CheckpointError, match="another program wrote it"):
        OnnxModel(tmp_path / "x.onnx")


def test_weights_that_are_no_numbers(checkpoint, tmp_path):
    data = bytearray((DATA / "shapes" / "shapes.weights").read_bytes())
    data[-4:] = np.float32(np.nan).tobytes()
    (tmp_path / "x.weights").write_bytes(data)
    path = exported(tmp_path / "x.weights", tmp_path / "x.onnx", cfg=DATA / "shapes" / "shapes.cfg")
    with pytest.raises(NetworkError, match=r"\[yolo\].*infinite or no numbers"):
        detect(OnnxModel(path), PICTURES[0])


def test_without_onnxruntime_one_line_says_what_to_install(maps, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(ExtraError) as refused:
        OnnxModel(maps)
    assert str(refused.value) == (
        "running an ONNX file needs the package onnxruntime (pip install onnxruntime pillow)"
    )
