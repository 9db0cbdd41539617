"""detect(): what darknet itself answers."""

import copy
import json
from pathlib import Path

import darknet_detector
import numpy as np
import pytest
import torch
from PIL import Image

from converter import CheckpointError, UsageError, convert
from converter.errors import ImageError, NetworkError
from yolov3 import YOLOv3, load
from yolov3.detection.detect import detect
from yolov3.detection.image import read
from yolov3.detection.in_torch import TorchModel

SHAPES = Path(__file__).parents[2] / "data" / "shapes"
PICTURES = sorted((SHAPES / "images").glob("*.png"))
PHOTOS = [
    Path("/usr/share/darknet/data", f"{name}.jpg")
    for name in ("dog", "eagle", "giraffe", "horses", "kite", "person")
]


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory) -> Path:
    target = tmp_path_factory.mktemp("shapes") / "shapes.safetensors"
    return convert(SHAPES / "shapes.weights", target).output


@pytest.fixture(scope="module")
def model(checkpoint):
    return load(checkpoint)


def rows(expected):
    """Darknet's JSON as (class, probability, left, top, right, bottom), likeliest first."""
    found = [
        (
            e["class"],
            e["prob"],
            e["x"] - e["w"] / 2,
            e["y"] - e["h"] / 2,
            e["x"] + e["w"] / 2,
            e["y"] + e["h"] / 2,
        )
        for e in expected
    ]
    return sorted(found, key=lambda row: -row[1])


def agree(detections, expected, *, pixels, score):
    """The same classes and boxes, whichever comes first of two that are about as likely."""
    assert sorted(detections.labels.tolist()) == sorted(row[0] for row in expected)
    scores, boxes = detections.scores.astype(float), detections.boxes.astype(float)
    assert scores.tolist() == sorted(scores.tolist(), reverse=True)
    assert np.isfinite(boxes).all()
    for label, probability, *sides in expected:
        distance = np.abs(boxes - sides).max(1)
        distance[detections.labels != label] = np.inf
        nearest = distance.argmin()
        assert distance[nearest] <= pixels
        assert abs(scores[nearest] - probability) <= score


# Darknet's batch norm: the two differ in the order of additions (measured: 3e-5 pixels, 9e-7).
EXACT = {"pixels": 1e-3, "score": 1e-5}
# PyTorch's batch norm has another epsilon (measured: 6e-4 pixels, 1.4e-4).
CLOSE = {"pixels": 5e-3, "score": 1e-3}


# Against darknet's own boxes


@pytest.mark.parametrize(("bn", "tolerance"), [("pjreddie-cpu", EXACT), ("torch", CLOSE)])
@pytest.mark.parametrize("threshold", ["0.5", "0.25"])
@pytest.mark.parametrize("picture", PICTURES, ids=lambda path: path.stem)
def test_the_sample(checkpoint, picture, threshold, bn, tolerance, device):
    expected = json.loads(picture.with_suffix(".expected.json").read_text())
    found = detect(load(checkpoint, bn=bn, device=device), picture, float(threshold))
    agree(found, rows(expected[f"thresh_{threshold}"]), **tolerance)
    assert list(found.names) == [["circle", "square", "triangle"][i] for i in found.labels]


def test_the_whole_validation_split(checkpoint, device):
    model = load(checkpoint, bn="pjreddie-cpu", device=device)
    text = (SHAPES / "val-detections.jsonl").read_text()
    count = 0
    while text.strip():
        expected, end = json.JSONDecoder().raw_decode(text)
        text = text[end:].lstrip()
        found = detect(model, SHAPES / expected["image"], 0.01)
        agree(found, rows(expected["thresh_0.01"]), **EXACT)
        count += len(found)
    assert count == 218  # val-map.json


@pytest.mark.slow
@pytest.mark.engine
@pytest.mark.parametrize("threshold", [0.3, 0.005])
def test_coco_on_photographs(coco_tiny, threshold, device):
    made = convert(coco_tiny.weights, cfg=coco_tiny.cfg, names=coco_tiny.names)
    model = load(made.output, bn="pjreddie-cpu", device=device)
    expected = darknet_detector.boxes(
        coco_tiny.cfg, coco_tiny.weights, threshold, PHOTOS, classes=80
    )
    assert sum(map(len, expected)) > 20
    for photo, boxes in zip(PHOTOS, expected, strict=True):
        # measured: 7e-4 pixels, 3e-6
        agree(detect(model, photo, threshold), boxes, pixels=1e-2, score=1e-4)


@pytest.mark.slow
def test_what_the_dog_is_called(coco_tiny):
    """What darknet's own README shows for dog.jpg, by the smaller network."""
    model = load(convert(coco_tiny.weights, cfg=coco_tiny.cfg, names=coco_tiny.names).output)
    found = detect(model, PHOTOS[0], 0.3)
    # detector test: dog 56 %, car 52 and 62 %, truck 55 and 42 %, bicycle 59 %
    scores = [round(100 * score) for score in found.scores.tolist()]
    answers = sorted(zip(found.names, scores, strict=True))
    assert answers == [
        ("bicycle", 59), ("car", 52), ("car", 62), ("dog", 56), ("truck", 42), ("truck", 55),
    ]  # fmt: skip


# Forms of the same question


def same(found, wanted, *, pixels=0.0, score=0.0):
    """With ``EXACT``: other kernels add up in another order, or in float64."""
    assert found.labels.tolist() == wanted.labels.tolist()
    assert found.names == wanted.names
    np.testing.assert_allclose(found.scores, wanted.scores, atol=score, rtol=0)
    np.testing.assert_allclose(found.boxes, wanted.boxes, atol=pixels, rtol=0)


def test_paths_images_and_arrays(model):
    picture = PICTURES[0]
    wanted = detect(model, picture)
    assert len(wanted) > 0
    with Image.open(picture) as image:
        for form in (str(picture), image, np.asarray(image)):
            same(detect(model, form), wanted)


def test_several_pictures_of_several_sizes(model):
    singles = [detect(model, picture) for picture in PICTURES]
    assert len({read(picture).shape for picture in PICTURES}) > 1
    for batch in (1, 3, 8):
        found = detect(model, PICTURES, batch=batch)
        for several, single in zip(found, singles, strict=True):
            # kernels for another batch size may add up in another order
            same(several, single, **EXACT)


def test_any_iterable_of_pictures(model):
    assert len(detect(model, (picture for picture in PICTURES[:2]))) == 2
    assert detect(model, []) == []


def test_a_box_has_all_its_labels(model):
    """val/0024 has a triangle at 0.92 whose box is a square at 0.077 too: val-detections.jsonl."""
    found = detect(model, SHAPES / "val" / "0024.png", 0.05)
    boxes = found.boxes.tolist()
    twice = [i for i, box in enumerate(boxes) if boxes.count(box) == 2]
    assert [found.names[i] for i in twice] == ["triangle", "square"]


def test_boxes_are_not_clipped(model):
    picture = read(PICTURES[0])[:, :]
    found = [detect(model, picture[30:, offset:]).boxes for offset in range(0, 120, 10)]
    height, width = picture[30:].shape[:2]
    boxes = np.concatenate(found)
    assert (boxes[:, :2] < 0).any() or (boxes[:, 2:] > [width, height]).any()


def test_nothing_to_be_found(model):
    found = detect(model, np.zeros((30, 40, 3), np.uint8))
    assert len(found) == 0
    assert found.boxes.shape == (0, 4)
    assert found.scores.shape == found.labels.shape == (0,)


def test_nms_0_keeps_all(model):
    assert len(detect(model, PICTURES[0], nms=0)) > len(detect(model, PICTURES[0]))


@pytest.mark.parametrize("classes", ["circle", ["circle"], [0], ["0"], ("circle", 0)])
def test_one_class(model, classes):
    # As NMS is by class, it is what all of them are less the others.
    everything = detect(model, PICTURES[0])
    circles = everything.labels == 0
    assert 0 < circles.sum() < len(everything)
    found = detect(model, PICTURES[0], classes=classes)
    assert set(found.names) == {"circle"}
    np.testing.assert_array_equal(found.boxes, everything.boxes[circles])


def test_all_classes_of_a_name(model):
    runner = TorchModel(model)
    runner.names = ("a", "b", "a")
    everything = detect(runner, PICTURES[0]).labels.tolist()
    assert set(everything) == {0, 1, 2}
    found = detect(runner, PICTURES[0], classes=["a"])
    assert found.labels.tolist() == [label for label in everything if label != 1]


def test_the_likeliest(model):
    everything = detect(model, PICTURES[0], 0.05)
    for most in (1, 3, 1000):
        found = detect(model, PICTURES[0], 0.05, max_boxes=most)
        np.testing.assert_array_equal(found.boxes, everything.boxes[:most])
        np.testing.assert_array_equal(found.scores, everything.scores[:most])


def test_whatever_the_classes(model):
    """val/0024 has a triangle at 0.92 whose box is a square at 0.077 too: val-detections.jsonl."""
    picture = SHAPES / "val" / "0024.png"
    plain = detect(model, picture, 0.05)
    found = detect(model, picture, 0.05, agnostic=True)
    boxes = [tuple(box) for box in found.boxes.tolist()]
    assert len(set(boxes)) == len(boxes) < len(plain)
    twice = [box for box in plain.boxes.tolist() if plain.boxes.tolist().count(box) == 2]
    assert found.names[found.boxes.tolist().index(twice[0])] == "triangle"


def test_frames_of_opencv(model):
    rgb = np.array(Image.open(PICTURES[0]).convert("RGB"))
    same(detect(model, rgb[:, :, ::-1], bgr=True), detect(model, rgb))


def test_fused_and_channels_last_and_float64(checkpoint, model):
    wanted = detect(model, PICTURES[0])
    fast = load(checkpoint).fuse().to(memory_format=torch.channels_last)
    same(detect(fast, PICTURES[0]), wanted, **EXACT)
    same(detect(load(checkpoint, dtype=torch.float64), PICTURES[0]), wanted, **EXACT)


def test_a_compiled_model(checkpoint, model):
    """backend="eager" traces as others do, but needs no C++ compiler."""
    compiled = torch.compile(load(checkpoint), backend="eager")
    same(detect(compiled, PICTURES[0]), detect(model, PICTURES[0]), **EXACT)


def test_the_answer_is_numpys(model):
    found = detect(model, PICTURES[0])
    kinds = [values.dtype for values in (found.boxes, found.scores, found.labels)]
    assert kinds == [np.float32, np.float32, np.int64]


def test_resize_can_be_chosen(model):
    assert len(detect(model, PICTURES[2], resize="stretch")) > 0
    for other in ("fit", "crop"):  # crop is for classifiers: no box finds back from it
        with pytest.raises(UsageError, match=f"resize='{other}' cannot be used here"):
            detect(model, PICTURES[2], resize=other)


def test_boxes_that_are_infinite(model):
    """exp(1000) times an anchor, of a finite map."""
    broken = copy.deepcopy(model)
    with torch.no_grad():
        for head in broken.heads:
            head.conv.bias[2::8] = 1000  # (5 + 3) values a box, the third is its width
    with pytest.raises(NetworkError, match="boxes that are infinite"):
        detect(broken, PICTURES[0])


# Refusals


def test_arguments_that_make_no_sense(model):
    for options in ({"threshold": 1.5}, {"threshold": -0.1}, {"nms": 45}, {"batch": 0}):
        with pytest.raises(UsageError, match=next(iter(options))):
            detect(model, PICTURES[0], **options)
    with pytest.raises(UsageError, match="threshold=nan"):
        detect(model, PICTURES[0], float("nan"))


def test_classes_that_there_are_not(model):
    shapes = "is no class of the network, whose classes are circle, square, triangle"
    for given, problem in (
        ("circel", rf"'circel' {shapes} \(is 'circle' meant\?\)"),
        (3, rf"3 {shapes} \(or 0 to 2\)"),
        (-1, rf"-1 {shapes}"),
        ("", f"'' {shapes}"),
    ):
        with pytest.raises(UsageError, match=problem):
            detect(model, PICTURES[0], classes=[0, given])
    with pytest.raises(UsageError, match="max_boxes=0 must be at least 1"):
        detect(model, PICTURES[0], max_boxes=0)


def test_a_picture_that_is_none(model, tmp_path):
    (tmp_path / "broken.png").write_bytes(b"no picture")
    with pytest.raises(ImageError, match=r"broken.png: is no picture"):
        detect(model, [PICTURES[0], tmp_path / "broken.png"])


def test_a_picture_that_is_too_narrow(model, tmp_path):
    Image.new("RGB", (1000, 1)).save(tmp_path / "line.png")
    with pytest.raises(ImageError, match=r"line.png: is too narrow"):
        detect(model, tmp_path / "line.png")
    assert len(detect(model, tmp_path / "line.png", resize="stretch")) == 0


def test_a_model_in_training(checkpoint):
    with pytest.raises(UsageError, match="in training mode"):
        detect(load(checkpoint).train(), PICTURES[0])


def test_a_model_from_nowhere(model):
    stranger = YOLOv3(model.backbone, model.fpn, 3).eval()
    with pytest.raises(UsageError, match="comes from no checkpoint"):
        detect(stranger, PICTURES[0])


def test_the_articles_wiring(sample):
    made = convert(sample.weights, family="article")
    with pytest.raises(CheckpointError, match="the article's wiring"):
        detect(load(made.output, strict=False), PICTURES[0])


def test_a_model_that_is_not_whole(checkpoint):
    model = load(checkpoint)
    model.missing = ("heads.0.conv.bias",)
    with pytest.raises(CheckpointError, match="only in part: 1 tensors are missing"):
        detect(model, PICTURES[0])


def test_weights_that_are_no_numbers(checkpoint):
    model = load(checkpoint)
    with torch.no_grad():
        model.heads[0].conv.bias[3] = float("nan")
    with pytest.raises(NetworkError, match=r"\[yolo\].*infinite or no numbers"):
        detect(model, PICTURES[0])
