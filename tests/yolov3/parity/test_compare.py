"""A checkpoint against real engines, as ``verify --against`` shows it."""

from pathlib import Path

import nets
import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from converter import UsageError, convert
from converter.checkpoint.header import read_contents
from yolov3.parity.compare import Difference, Parity, against

DOG = Path("/usr/share/darknet/data/dog.jpg")


def change(checkpoint: Path, tensor: str, factor: float) -> None:
    tensors = dict(load_file(checkpoint))
    tensors[tensor] = tensors[tensor] * np.float32(factor)
    save_file(tensors, checkpoint, read_contents(checkpoint).metadata)


def row(relative: float, *, varies: bool = True, excuse: str | None = None) -> Difference:
    return Difference(
        index=0, place="", max_abs=0, relative=relative, rms=1, varies=varies, excuse=excuse
    )


class TestVerdict:
    @pytest.mark.parametrize(
        ("rows", "ok"),
        [
            ([row(1e-6)], True),
            ([row(1e-4)], False),
            ([row(float("nan"))], False),  # nan > bound is False, which must not pass
            ([row(float("inf"))], False),
            ([row(1, excuse="a bug"), row(0)], True),
            ([row(1, excuse="a bug")], False),  # nothing was compared
            ([row(0, varies=False)], False),
            ([], False),
        ],
    )
    def test_ok(self, rows, ok):
        assert Parity(engine="darknet", bound=1e-5, rows=tuple(rows)).ok is ok


@pytest.mark.engine
class TestEngines:
    @pytest.mark.parametrize("engine", ["darknet", "opencv", "generic"])
    def test_the_sample(self, sample, engine):
        checkpoint = convert(sample.weights).output
        parity = against(sample.weights, checkpoint, engine)
        assert parity.ok
        assert len(parity.rows) == (107 if engine == "darknet" else 3)

    @pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
    @pytest.mark.parametrize("engine", ["darknet", "opencv", "generic"])
    def test_rounded_values_are_computed_with_in_float32(self, sample, caplog, dtype, engine):
        checkpoint = convert(sample.weights, dtype=dtype).output
        with caplog.at_level("INFO", "yolov3"):
            parity = against(sample.weights, checkpoint, engine)
        assert parity.ok
        assert [record.message for record in caplog.records] == [
            f"the values are {dtype}: computing in float32 from them"
        ]

    @pytest.mark.parametrize(
        ("engine", "place"), [("darknet", "layer 12 "), ("opencv", "layer 81 ")]
    )
    def test_the_first_layer_that_diverges(self, sample, engine, place):
        checkpoint = convert(sample.weights).output
        # cfg layer 12 is the downsampling conv of the third stage
        change(checkpoint, "backbone.conv_3_in.conv.weight", 1.01)
        parity = against(sample.weights, checkpoint, engine)
        assert not parity.ok
        assert parity.first.place.startswith(place)

    @pytest.mark.parametrize("engine", ["opencv", "generic"])
    def test_a_network_without_heads_has_no_maps_to_compare(self, make, engine):
        files = make(nets.classifier(2, 7, 64))
        with pytest.raises(UsageError, match=r"has no heads.* \(compare it with --against darknet"):
            against(files.weights, convert(files.weights).output, engine)

    def test_a_classifier_and_a_generic_checkpoint(self, make, sample):
        files = make(nets.classifier(2, 7, 64))
        assert against(files.weights, convert(files.weights).output, "darknet").ok
        generic = convert(sample.weights, family="generic").output
        assert against(sample.weights, generic, "darknet").ok
        with pytest.raises(UsageError, match="family generic already"):
            against(sample.weights, generic, "generic")

    def test_a_checkpoint_of_another_program(self, sample, tmp_path):
        theirs = convert(sample.weights, tmp_path / "x.pth", family="ultralytics").output
        cfg = sample.weights.with_suffix(".cfg")
        assert against(sample.weights, theirs, "darknet", cfg=cfg).ok

    def test_a_photograph(self, sample):
        checkpoint = convert(sample.weights).output
        assert against(sample.weights, checkpoint, "darknet", picture=DOG).ok
