"""The layouts of decoded boxes, against the boxes that AlexeyAB's darknet gave."""

import ast

import numpy as np
import onnx
import pytest
from exported import KINDS, answers, contain, of_the_sample, run_onnx

from converter import UsageError, convert
from converter.errors import NetworkError
from yolov3 import load
from yolov3.exporting import layouts
from yolov3.exporting.export import export
from yolov3.exporting.straight import export_checkpoint


def corners(rows):
    """Centre x, centre y, width, height -> left, top, right, bottom."""
    centre, sides = rows[..., :2], rows[..., 2:]
    return np.concatenate([centre - sides / 2, centre + sides / 2], -1)


def metadata(path):
    return {prop.key: prop.value for prop in onnx.load(path).metadata_props}


@pytest.mark.parametrize("name", KINDS)
class TestOfEveryKindOfHead:
    def test_boxes(self, heads, tmp_path, name):
        export_checkpoint(heads(name), tmp_path / "out.onnx", layout="boxes")
        for x, scale, expected in answers(name):
            contain(run_onnx(tmp_path / "out.onnx", x), expected, scale=scale)

    def test_ultralytics(self, heads, tmp_path, name):
        """(1, 4 + classes, N), as its own decoder gives it."""
        export_checkpoint(heads(name), tmp_path / "out.onnx", layout="ultralytics", opset=11)
        for x, scale, expected in answers(name):
            (output,) = run_onnx(tmp_path / "out.onnx", x)
            assert output.shape[:2] == (1, 4 + 3)
            rows = output.transpose(0, 2, 1)
            contain([corners(rows[..., :4]), rows[..., 4:]], expected, scale=scale)

    def test_deepstream(self, heads, tmp_path, name):
        """(1, N, 6): the same boxes, of each the best class alone."""
        checkpoint = heads(name)
        export_checkpoint(checkpoint, tmp_path / "boxes.onnx", layout="boxes")
        export_checkpoint(checkpoint, tmp_path / "out.onnx", layout="deepstream", opset=18)
        for x, _, _ in answers(name):
            boxes, scores = run_onnx(tmp_path / "boxes.onnx", x)
            (output,) = run_onnx(tmp_path / "out.onnx", x)
            assert output.shape == (*scores.shape[:2], 6)
            np.testing.assert_array_equal(output[..., :4], boxes)
            np.testing.assert_array_equal(output[..., 4], scores.max(2))
            np.testing.assert_array_equal(output[..., 5], scores.argmax(2))


def test_the_metadata_that_ultralytics_and_frigate_read(heads, tmp_path):
    """ultralytics evaluates them as Python literals: its nn/autobackend.py, 8.4."""
    model = load(heads("yolo"))
    model.names = ["a", "b's", "c"]
    export(model, tmp_path / "out.onnx", layout="ultralytics", batch=2)
    said = metadata(tmp_path / "out.onnx")
    assert ast.literal_eval(said["names"]) == {0: "a", 1: "b's", 2: "c"}
    assert ast.literal_eval(said["imgsz"]) == [64, 96]
    assert (said["task"], said["batch"]) == ("detect", "2")
    assert int(said["stride"]) == 16  # 64 pixels in 4 rows


class TestConsumers:
    """Who knows of a file what its layout says, and nothing of Darknet, finds what darknet finds.

    Their own code is under other licences: these are the definitions that it follows, each with the
    place where it does.
    """

    @pytest.mark.parametrize("picture", ["0003", "0010", "0032", "0053"])
    @pytest.mark.parametrize("layout", ["ultralytics", "deepstream"])
    def test_the_sample(self, sample, tmp_path, layout, picture):
        checkpoint = convert(sample.weights).output
        path = export_checkpoint(checkpoint, tmp_path / "out.onnx", layout=layout).output
        x, wanted = of_the_sample(picture)
        (output,) = run_onnx(path, x)
        boxes, scores, labels = CONSUMERS[layout](output)
        kept = suppressed(boxes, scores, labels, 0.45)
        assert len(kept) == len(wanted) > 0
        found = [[labels[i], scores[i], *boxes[i]] for i in kept]
        for row, (label, probability, *corners) in zip(
            found, sorted(wanted, key=lambda row: -row[1]), strict=True
        ):
            assert row[0] == label
            # Tolerances of ``contain``.
            assert row[1] == pytest.approx(probability, abs=5e-5)
            np.testing.assert_allclose(row[2:], corners, atol=1e-3 + 1e-4 * max(corners))

    def test_frigate_takes_the_longer_side_for_the_boxes(self, heads, tmp_path):
        """Its __post_process_nms_yolo transposes if the first side is the shorter one."""
        result = export_checkpoint(heads("yolo"), tmp_path / "out.onnx", layout="ultralytics")
        _, rows, count = result.outputs["output0"]
        assert rows < count


def of_ultralytics(output):
    """(1, 4 + classes, M): the score of a box is its best class's, above a threshold.

    ultralytics@008ad87 utils/nms.py:13 non_max_suppression; Frigate's __post_process_nms_yolo.
    """
    rows = output[0].T
    scores, labels = rows[:, 4:].max(1), rows[:, 4:].argmax(1)
    likely = scores > 0.5
    return corners(rows[likely, :4]), scores[likely], labels[likely]


def of_deepstream(output):
    """(1, M, 6): corners, score, label.

    DeepStream-Yolo@2ccf529 nvdsparsebbox_Yolo.cpp:72 decodeTensorYolo.
    """
    rows = output[0][output[0][:, 4] > 0.5]
    return rows[:, :4], rows[:, 4], rows[:, 5].astype(int)


CONSUMERS = {"ultralytics": of_ultralytics, "deepstream": of_deepstream}


def suppressed(boxes, scores, labels, most):
    """Indices of the likeliest boxes, each of which overlaps no likelier one of its class."""
    kept = []
    for i in np.argsort(-scores):
        same = [j for j in kept if labels[j] == labels[i]]
        if all(overlap(boxes[i], boxes[j]) <= most for j in same):
            kept.append(i)
    return kept


def overlap(a, b):
    width, height = np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2])
    both = max(width, 0) * max(height, 0)
    return both / (np.prod(a[2:] - a[:2]) + np.prod(b[2:] - b[:2]) - both)


@pytest.mark.parametrize("head", ["yolo", "region"])
def test_without_classes_there_is_one_called_object(make, tmp_path, head):
    files = make(
        "[net]\nwidth=8\nheight=8\nchannels=3\n[convolutional]\nfilters=5\n"
        f"activation=linear\n[{head}]\nclasses=0\nnum=1\nanchors=1,2\n"
    )
    checkpoint = convert(files.weights, dialect="pjreddie").output
    result = export_checkpoint(checkpoint, tmp_path / "out.onnx", layout="ultralytics")
    assert result.outputs == {"output0": (1, 5, 64)}
    assert ast.literal_eval(metadata(result.output)["names"]) == {0: "object"}
    x = np.random.default_rng(0).random((1, 3, 8, 8), dtype=np.float32)
    maps = export_checkpoint(checkpoint, tmp_path / "maps.onnx").output
    raw = onnxruntime_run(maps, x)[0].reshape(5, 64)
    objectness = onnxruntime_run(result.output, x)[0][0, 4]
    # Two implementations of exp in float32. Measured: 1.1e-7.
    np.testing.assert_allclose(objectness, 1 / (1 + np.exp(-raw[4])), rtol=1e-6)


def onnxruntime_run(path, x):
    import torch

    return run_onnx(path, torch.from_numpy(x))


@pytest.mark.parametrize("layout", ["ultralytics", "deepstream"])
@pytest.mark.parametrize("options", [{"dynamic": True}, {"batch": 3}])
def test_several_pictures(heads, tmp_path, layout, options):
    checkpoint = heads("yolo-new-coords")
    one = export_checkpoint(checkpoint, tmp_path / "one.onnx", layout=layout).output
    several = export_checkpoint(checkpoint, tmp_path / "more.onnx", layout=layout, **options).output
    x = np.random.default_rng(1).random((3, 3, 64, 96), dtype=np.float32)
    (found,) = onnxruntime_run(several, x)
    for i in range(3):
        (alone,) = onnxruntime_run(one, x[i : i + 1])
        # Measured: equal. Other kernels may add up in another order, as engines in ``contain`` do.
        np.testing.assert_allclose(found[i : i + 1], alone, rtol=1e-4, atol=1e-3)


class TestRefusals:
    def test_formats_that_have_no_such_layout(self, heads, tmp_path):
        with pytest.raises(UsageError, match="layout='deepstream' is for ONNX"):
            export(load(heads("yolo")), tmp_path / "out.pt2", format="pt2", layout="deepstream")

    def test_a_layout_that_is_none(self, heads, tmp_path):
        with pytest.raises(UsageError, match="layout='yolov8' is unknown"):
            export(load(heads("yolo")), tmp_path / "out.onnx", layout="yolov8")

    def test_a_batch_that_is_left_open(self, heads, tmp_path):
        with pytest.raises(UsageError, match="batch=2 fixes what dynamic=True leaves open"):
            export_checkpoint(heads("yolo"), tmp_path / "out", batch=2, dynamic=True)

    def test_heads_of_other_classes(self, make, tmp_path):
        head = "[convolutional]\nfilters={}\nactivation=linear\n[yolo]\nclasses={}\nnum=1\n"
        net = "[net]\nwidth=8\nheight=8\nchannels=3\n"
        files = make(net + head.format(6, 1) + "[route]\nlayers=-2\n" + head.format(7, 2))
        checkpoint = convert(files.weights, dialect="pjreddie").output
        with pytest.raises(NetworkError, match="has other classes than layer 1"):
            export_checkpoint(checkpoint, tmp_path / "out.onnx", layout="ultralytics")


class TestTheComparison:
    CORNERS = np.array([[[0, 0, 1000, 1000], [1, 1, 2, 2]]], np.float32)
    SCORES = np.array([[[0.5, 0.5], [0.9, 0.1]]], np.float32)

    def test_rounding_of_a_side_is_relative_to_the_box(self):
        (wanted,) = layouts.expected("ultralytics", [self.CORNERS, self.SCORES])
        found = wanted.values.copy()
        found[0, 0, 0] += 0.05  # 1e-4 of 1000 pixels is 0.1
        assert wanted.error(found) == pytest.approx(0.05, rel=1e-3)
        found[0, 0, 1] += 0.05
        assert wanted.error(found) is None

    def test_which_of_two_equal_classes_is_the_best_may_differ(self):
        (wanted,) = layouts.expected("deepstream", [self.CORNERS, self.SCORES])
        found = wanted.values.copy()
        found[0, 0, 5] = 1
        assert wanted.error(found) == 0
        found[0, 1, 5] = 1
        assert wanted.error(found) is None
