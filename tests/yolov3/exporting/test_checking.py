"""How an exported file is tried, and what it may not compute."""

import sys

import numpy as np
import pytest

from converter.darknet.network import parse_network
from converter.errors import CheckpointError, ExtraError, OutputError
from yolov3.exporting.checking import (
    Exported,
    foreign_errors,
    in_onnxruntime,
    inputs_for,
    require_finite,
    worst,
)

NET = "[net]\nwidth=64\nheight=32\nchannels=3\n"
POOLS = "[maxpool]\nsize=2\nstride=2\n" * 3 + "[convolutional]\nfilters=6\nsize=1\n"
DETECTOR = parse_network(NET + POOLS + "[yolo]\nclasses=1\nnum=1\nmask=0\nanchors=1,2\n")
CLASSIFIER = parse_network(NET + POOLS + "[avgpool]\n[softmax]\n")


class TestInputs:
    @pytest.mark.parametrize("network", [DETECTOR, CLASSIFIER])
    def test_one_of_the_networks_size(self, network):
        (x,) = inputs_for(network, dynamic=False, batch=4)
        assert (x.shape, x.dtype) == ((4, 3, 32, 64), np.float32)
        assert 0 <= x.min() < 0.1 < 0.9 < x.max() < 1

    def test_a_detector_of_any_size_is_tried_on_another_one(self):
        # Its map has an eighth of the rows and columns, so sizes go by eight pixels.
        shapes = [x.shape for x in inputs_for(DETECTOR, dynamic=True)]
        assert shapes == [(2, 3, 32, 64), (3, 3, 40, 80)]

    def test_a_classifier_of_any_batch_keeps_its_size(self):
        shapes = [x.shape for x in inputs_for(CLASSIFIER, dynamic=True)]
        assert shapes == [(2, 3, 32, 64), (3, 3, 32, 64)]

    def test_they_are_the_same_each_time(self):
        (a,), (b,) = (inputs_for(DETECTOR, dynamic=False) for _ in range(2))
        np.testing.assert_array_equal(a, b)


class TestWorst:
    """1e-4 may differ, and 1e-4 of the value; float32's step at 1 and 5 is below 1 % of that."""

    def found(self, mine, theirs):
        mine, theirs = ([[np.float32(y) for y in x]] for x in (mine, theirs))
        return worst(["a", "b"], mine, theirs, "maps", "x.onnx")

    def test_the_largest_difference_of_each_output(self):
        errors = self.found([[[1, 2.0001]], [[5]]], [[[1, 2]], [[5.0002]]])
        assert errors == {"a": pytest.approx(1e-4, rel=0.01), "b": pytest.approx(2e-4, rel=0.01)}

    def test_over_all_inputs(self):
        one, two = np.float32([1]), np.float32([1.0001])
        errors = worst(["a"], [[one], [two], [one]], [[one], [one], [one]], "maps", "x.onnx")
        assert errors == {"a": pytest.approx(1e-4, rel=0.01)}

    def test_what_differs_by_more(self):
        with pytest.raises(OutputError) as caught:
            self.found([[1, 2], [5.5]], [[1, 2], [5]])
        assert str(caught.value) == (
            "x.onnx: computes b that differ by up to 0.5, and so was not kept (try another format"
            " or opset)"
        )

    @pytest.mark.parametrize("other", [[1, 2, 3], [[1, 2]], [np.nan, 2], [np.inf, 2]])
    def test_another_shape_or_what_is_no_number(self, other):
        with pytest.raises(OutputError, match="computes a of another kind"):
            self.found([other, [5]], [[1, 2], [5]])


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_what_nothing_was_compared_with_must_be_finite(value):
    fine, wrong = np.float32([1, 2]), np.float32([1, value])
    require_finite(["a", "b"], [[fine, fine]], "x.onnx")
    with pytest.raises(OutputError, match="computes b that are infinite or no number"):
        require_finite(["a", "b"], [[fine, fine], [fine, wrong]], "x.onnx")


class TestForeignErrors:
    def test_the_first_line_of_it(self):
        with pytest.raises(OutputError) as caught, foreign_errors("x.onnx", "cannot be made"):
            raise RuntimeError("\n no such operator\nat line 7 of 900\n")
        assert str(caught.value) == "x.onnx: cannot be made: no such operator"
        assert isinstance(caught.value.__cause__, RuntimeError)

    def test_our_own_are_left_alone(self):
        error = CheckpointError("is none")
        with pytest.raises(CheckpointError) as caught, foreign_errors("x.onnx", "cannot be made"):
            raise error
        assert caught.value is error

    def test_an_interruption_is_no_error(self):
        with pytest.raises(KeyboardInterrupt), foreign_errors("x.onnx", "cannot be made"):
            raise KeyboardInterrupt


def test_without_onnxruntime_one_line_says_so(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(ExtraError, match="onnxruntime") as caught:
        in_onnxruntime(tmp_path / "x.onnx")
    assert caught.value.remedy == "pip install onnx onnxruntime onnxscript"
    with pytest.raises(ExtraError) as caught:
        in_onnxruntime(tmp_path / "x.onnx", "verify=False")
    assert caught.value.remedy == (
        "pip install onnx onnxruntime onnxscript, or do without the check: verify=False"
    )


@pytest.mark.parametrize(("unverified", "reason"), [("", None), ("verify=False", "verify=False")])
def test_for_programs(tmp_path, unverified, reason):
    made = Exported(
        output=tmp_path / "x.onnx", format="onnx", opset=13, outputs={"map0": (1, 6, 4, 8)},
        tolerance=(1e-4, 1e-3), errors={"map0": 2e-5}, unverified=unverified,
    )  # fmt: skip
    assert made.as_dict() == {
        "schema": 1,
        "output": str(tmp_path / "x.onnx"),
        "data": None,
        "format": "onnx",
        "opset": 13,
        "outputs": {"map0": [1, 6, 4, 8]},
        "max_abs_error": {"map0": 2e-5},
        "tolerance": {"absolute": 1e-4, "relative": 1e-3},
        "unverified": reason,
    }
