"""Mean average precision, and the datasets that it is measured on."""

import json
import shutil
import sys
from dataclasses import replace
from operator import attrgetter
from pathlib import Path

import pytest
from PIL import Image

import yolov3
from converter import UsageError, convert
from converter.errors import ImageError
from yolov3 import load
from yolov3.detection.dataset import Dataset
from yolov3.detection.datasets import read_dataset
from yolov3.detection.detect import Detector
from yolov3.detection.evaluate import evaluate
from yolov3.detection.image import read
from yolov3.detection.in_torch import TorchModel

SHAPES = Path(__file__).parents[2] / "data" / "shapes"
NAMES = ["circle", "square", "triangle"]


@pytest.fixture(scope="module")
def find(tmp_path_factory) -> Detector:
    target = tmp_path_factory.mktemp("shapes") / "shapes.safetensors"
    made = convert(SHAPES / "shapes.weights", target)
    return Detector(TorchModel(load(made.output, bn="pjreddie-cpu")), 0.005, 0.45)


# The sample


def test_darknets_own_figures(find):
    """val-map.json: mAP of real darknet's boxes, as a script of its own computed it."""
    expected = next(
        run
        for run in json.loads((SHAPES / "val-map.json").read_text())["runs"]
        if run["score_threshold"] == 0.005
    )
    result = evaluate(find, read_dataset(SHAPES / "val", 3, NAMES), points=0, batch=8)
    assert result.images == 60
    assert result.detections == expected["detections"]
    assert result.mean.objects == 193
    figures = (result.mean.ap50, result.mean.ap75, result.mean.ap)
    # six digits are given; an IoU of the threshold itself, which that script counts and darknet
    # does not, occurs nowhere
    wanted = (expected["mAP50"], expected["mAP75"], expected["mAP50:95"])
    assert figures == pytest.approx(wanted, abs=1e-6)
    assert [row.ap50 for row in result.classes] == [1, 1, 1]
    assert result.rule == (
        "Darknet's: the whole area under the curve, mean of all classes, as detector map -points 0"
    )


def test_cocos_own_figures(find):
    """What pycocotools 2.0.11 makes of real darknet's boxes, val-detections.jsonl."""
    result = evaluate(find, read_dataset(SHAPES / "val", 3, NAMES))
    assert (result.mean.ap50, result.mean.ap75, result.mean.ap) == pytest.approx(
        (1, 0.968973307, 0.822319445), abs=1e-9
    )
    # By the whole area under the curve the last two are 0.971777 and 0.822891.
    assert [row.ap for row in result.classes] == pytest.approx(
        [0.882077594, 0.869265413, 0.715615328], abs=1e-9
    )
    assert [row.ap75 for row in result.classes] == pytest.approx(
        [1, 0.980198020, 0.926721902], abs=1e-9
    )
    assert result.rule.startswith("COCO's: precision at 101 recalls")
    assert "mean of the classes that have objects" in result.rule


def test_counts_are_those_of_darknets_rule_whatever_the_mean(find):
    dataset = read_dataset(SHAPES / "val", 3, NAMES)
    by_coco, by_darknet = evaluate(find, dataset), evaluate(find, dataset, points=0)
    assert by_coco.counts == by_darknet.counts
    counts = by_coco.as_dict()["counts"]
    assert counts["rule"].startswith("Darknet's")
    # AP 1 at IoU 0.5: all are found
    assert (counts["tp"] + counts["fn"], counts["fn"]) == (193, 0)


def by_the_c_code(pictures, threshold, least_iou):
    """What AlexeyAB's validate_detector_map prints, written as its loops are: detector.c:1122-1203.

    Args:
        pictures: of each its size, its objects and what is found.
        threshold: its -thresh.
        least_iou: its -iou_thresh.

    Returns:
        TP, FP, FN, precision, recall, F1 and average IoU; the AP of each class as -points 0; TP and
        FP of each class.
    """
    detections, objects, class_objects = [], 0, [0, 0, 0]
    tp, fp, sum_iou = [0, 0, 0], [0, 0, 0], 0.0
    for (width, height), truths, found in pictures:
        taken = set()
        for truth in truths:
            class_objects[truth.label] += 1
        for label, score, corners in zip(
            found.labels.tolist(), found.scores.tolist(), found.boxes.tolist(), strict=True
        ):
            best, which = 0.0, -1
            for j, truth in enumerate(truths):
                left, top, w, h = truth.box
                box = (left * width, top * height, (left + w) * width, (top + h) * height)
                overlap = intersection_over_union(corners, box)
                if overlap > max(least_iou, best) and label == truth.label:
                    best, which = overlap, objects + j
            detections.append((score, label, which))
            if score > threshold:
                right = which > -1 and which not in taken
                tp[label] += right
                fp[label] += not right
                sum_iou += best * right
            taken.add(which)
        objects += len(truths)
    detections.sort(key=lambda each: -each[0])
    areas = [area_under_the_curve(detections, i, count) for i, count in enumerate(class_objects)]
    precision, recall = sum(tp) / sum(tp + fp), sum(tp) / objects
    f1 = 2 * precision * recall / (precision + recall)
    totals = (sum(tp), sum(fp), objects - sum(tp), precision, recall, f1, sum_iou / sum(tp + fp))
    return totals, areas, tp, fp


def area_under_the_curve(detections, label, objects):
    """Of a class, by falling score: AB detector.c:1240-1315."""
    points, taken, tp, fp = [], set(), 0, 0
    for _, found, which in detections:
        if found == label:
            right = which > -1 and which not in taken
            tp, fp = tp + right, fp + (not right)
            taken.add(which)
        points.append((tp / objects, tp / max(tp + fp, 1)))
    (last_recall, last_precision), area = points[-1], 0.0
    for recall, precision in reversed(points[:-1]):
        last_precision = max(precision, last_precision)
        area += (last_recall - recall) * last_precision
        last_recall = recall
    return area + last_recall * last_precision


def intersection_over_union(one, other):
    """Of left, top, right, bottom."""
    width = min(one[2], other[2]) - max(one[0], other[0])
    height = min(one[3], other[3]) - max(one[1], other[1])
    if width < 0 or height < 0:
        return 0
    both = sum((box[2] - box[0]) * (box[3] - box[1]) for box in (one, other))
    return width * height / (both - width * height)


def test_the_figures_of_the_sample_are_those_of_alexeyabs_formulas(find):
    dataset = read_dataset(SHAPES / "val", 3, NAMES)
    pictures = []
    for sample in dataset.samples:
        pixels = find.read(sample.path)
        pictures.append((pixels.shape[1::-1], sample.truths, *find([pixels])))
    for threshold in (0.25, 0.9):
        result = evaluate(find, dataset, points=0, threshold=threshold, batch=8)
        (*numbers, precision, recall, f1, iou), areas, tp, fp = by_the_c_code(
            pictures, threshold, 0.5
        )
        ours = result.counts
        assert [ours.tp, ours.fp, ours.fn] == numbers
        # boxes are floats there, doubles here
        assert (ours.precision, ours.recall, ours.f1, ours.mean_iou) == pytest.approx(
            (precision, recall, f1, iou), abs=1e-6
        )
        assert [row.ap50 for row in result.classes] == pytest.approx(areas)
        assert [each.tp for each in result.class_counts] == tp
        assert [each.fp for each in result.class_counts] == fp
    assert ours.fn > 0  # not all score above 0.9
    _, areas, *_ = by_the_c_code(pictures, 0.25, 0.75)
    assert min(areas) < 0.95
    assert [row.ap75 for row in result.classes] == pytest.approx(areas)


@pytest.mark.parametrize("threshold", [-0.1, 1.1, float("nan")])
def test_a_threshold_that_is_no_score(find, threshold):
    with pytest.raises(UsageError, match=r"threshold=.* is outside 0 to 1"):
        evaluate(find, Dataset(samples=()), threshold=threshold)


# Arithmetic, with labels that are chosen for what is found


def labelled(folder, find, *lines):
    """A dataset of one picture with two kinds of objects; ``lines`` are its labels."""
    shutil.copyfile(SHAPES / "images" / "0003.png", folder / "a.png")
    (folder / "a.txt").write_text("".join(f"{line}\n" for line in lines))
    return read_dataset(folder, 3, NAMES)


def own_boxes(find):
    """What is found on that picture, as labels, likeliest first."""
    pixels = read(SHAPES / "images" / "0003.png")
    (found,) = find([pixels])
    height, width = pixels.shape[:2]
    lines = []
    for label, (left, top, right, bottom) in zip(
        found.labels.tolist(), found.boxes.tolist(), strict=True
    ):
        x, y = (left + right) / 2 / width, (top + bottom) / 2 / height
        lines.append(f"{label} {x} {y} {(right - left) / width} {(bottom - top) / height}")
    return lines


def test_its_own_answers_as_labels(tmp_path, find):
    result = evaluate(find, labelled(tmp_path, find, *own_boxes(find)))
    assert result.mean.ap == pytest.approx(1)


def test_an_object_that_is_not_found(tmp_path, find):
    """Of n circles and one more all but that are found: recall ends at n / (n + 1)."""
    lines = own_boxes(find)
    n = sum(line.startswith("0") for line in lines)
    samples = labelled(tmp_path, find, *lines, "0 0.5 0.5 0.01 0.01")
    circle = evaluate(find, samples, points=0).classes[0]
    assert circle.objects == n + 1
    assert circle.ap50 == pytest.approx(n / (n + 1))


def test_a_class_without_objects(tmp_path, find):
    lines = [line for line in own_boxes(find) if not line.startswith("2")]
    dataset = labelled(tmp_path, find, *lines)
    darknets = evaluate(find, dataset, points=0)
    assert darknets.classes[2].ap50 == 0
    assert darknets.mean.ap50 == pytest.approx(2 / 3)  # of all three
    result = evaluate(find, dataset)
    assert result.classes[2].objects == 0
    assert result.classes[2].ap50 is None
    assert result.mean.ap == pytest.approx(1)  # of the other two


def test_nothing_found_and_nothing_there(tmp_path, find):
    Image.new("RGB", (64, 64)).save(tmp_path / "a.png")
    (tmp_path / "a.txt").write_text("0 0.5 0.5 0.2 0.2\n")
    samples = read_dataset(tmp_path, 3, NAMES)
    assert evaluate(find, samples).mean.ap == 0
    (tmp_path / "a.txt").write_text("")
    assert evaluate(find, read_dataset(tmp_path, 3, NAMES)).mean.ap is None
    assert evaluate(find, read_dataset(tmp_path, 3, NAMES), points=0).mean.ap == 0


def test_points_that_make_no_sense(find):
    with pytest.raises(UsageError, match="points=1"):
        evaluate(find, Dataset(samples=()), points=1)


def test_without_pycocotools_it_is_darknets_rule(tmp_path, find, monkeypatch, caplog):
    monkeypatch.setattr("yolov3.detection.evaluate.find_spec", lambda name: None)
    dataset = labelled(tmp_path, find, *own_boxes(find))
    assert evaluate(find, dataset).as_dict() == evaluate(find, dataset, points=0).as_dict()
    assert caplog.messages == [
        "by Darknet's rule, since COCO's needs pycocotools:"
        " pip install torch pillow pycocotools pyyaml"
    ]


def test_darknets_rule_needs_no_pycocotools(tmp_path, find, monkeypatch):
    monkeypatch.setitem(sys.modules, "pycocotools", None)  # its import fails
    monkeypatch.setattr("yolov3.detection.evaluate.find_spec", lambda name: None)
    result = evaluate(find, labelled(tmp_path, find, *own_boxes(find)), points=0)
    assert result.mean.ap == pytest.approx(1)


def test_crowds_and_difficult_objects_are_left_out_by_darknets_rule(tmp_path, find):
    """The circles stay. Of the others there are no objects, so their AP is 0."""
    (sample,) = labelled(tmp_path, find, *own_boxes(find)).samples
    truths = [
        replace(truth, difficult=truth.label == 1, crowd=truth.label == 2)
        for truth in sample.truths
    ]
    result = evaluate(find, Dataset(samples=(replace(sample, truths=tuple(truths)),)), points=0)
    assert [row.objects for row in result.classes[1:]] == [0, 0]
    assert [row.ap50 for row in result.classes] == [1, 0, 0]


def test_a_broken_picture_is_not_skipped(tmp_path, find):
    (tmp_path / "a.png").write_bytes(b"")
    (tmp_path / "a.txt").write_text("0 0.5 0.5 0.2 0.2\n")
    with pytest.raises(ImageError, match=r"a.png"):
        evaluate(find, read_dataset(tmp_path, 3, NAMES))


def test_the_sample_as_coco(tmp_path, find):
    """The same pictures and objects in COCO's format have the same precision.

    By the order of the ids the circles and the triangles would be each other's.
    """
    images, annotations = [], []
    for i, picture in enumerate(sorted((SHAPES / "images").glob("*.png"))):
        with Image.open(picture) as image:
            width, height = image.size
        images.append({"id": i, "file_name": picture.name})
        for line in picture.with_suffix(".txt").read_text().splitlines():
            label, x, y, w, h = map(float, line.split())
            box = [(x - w / 2) * width, (y - h / 2) * height, w * width, h * height]
            annotations.append({"image_id": i, "category_id": 12 - label, "bbox": box})
    content = {
        "images": images,
        "annotations": annotations,
        "categories": [{"id": 12 - i, "name": name.upper()} for i, name in enumerate(NAMES)],
    }
    file = tmp_path / "shapes.json"
    file.write_text(json.dumps(content))
    for points in (None, 0):
        ours = evaluate(find, read_dataset(file, 3, NAMES, SHAPES / "images"), points=points)
        theirs = evaluate(find, read_dataset(SHAPES / "images", 3, NAMES), points=points)
        assert ours.mean == theirs.mean


def test_a_model_and_a_path_will_do(find):
    """The same figures as those of a detector with darknet's threshold and a dataset."""
    model = load(SHAPES / "shapes.weights", bn="pjreddie-cpu")
    found = yolov3.evaluate(model, SHAPES / "val", points=0)
    same = evaluate(find, read_dataset(SHAPES / "val", 3, find.names), points=0)
    assert found.as_dict() == same.as_dict()
    assert repr(found).startswith("Evaluation(images=60, mean.objects=")
    assert len(repr(found)) < 400
    assert f"mean.ap50={found.mean.ap50!r}, " in repr(found)
    assert f"<td>mean.ap50</td><td>{found.mean.ap50}</td>" in found._repr_html_()
    for name, value in found._facts():  # each can be asked for by the name that is shown
        assert attrgetter(name)(found) == value
