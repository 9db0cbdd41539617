"""What info.py shows of a file."""

import hashlib
import struct
from itertools import pairwise

import nets
import numpy as np
import pytest
import reference
from safetensors.numpy import save_file

from converter import CfgError, CheckpointError, WeightsError, convert
from converter.cli.main import main
from converter.operations.info import describe


@pytest.mark.parametrize(
    ("text", "bflops", "parameters", "statistics"),
    [
        # BFLOPs as pjreddie.com/darknet/yolo states them ("65.86 Bn" for 416 x 416, "141.45 Bn" for
        # spp at 608), which add up what darknet prints for each convolution. Parameters: all floats
        # of the published file less the statistics, of which there are two a normalised filter.
        (nets.yolov3(), 65.86, 61_949_149, 52_608),
        (nets.yolov3(size=608, spp=True), 141.45, 62_998_749, 53_632),
    ],
)
def test_costs(tmp_path, text, bflops, parameters, statistics):
    (tmp_path / "net.cfg").write_text(text)
    facts = describe(tmp_path / "net.cfg").as_dict()
    totals = facts["totals"]
    assert totals["bflops"] == pytest.approx(bflops, abs=0.005)
    assert (totals["parameters"], totals["statistics"]) == (parameters, statistics)
    assert totals["bytes"] == 20 + 4 * (parameters + statistics)
    # darknet prints "0.299 BFLOPs" for the first layer at 416: 2 * 32 * 27 * 416 * 416 / 1e9
    side = facts["input"][1]
    assert facts["layers"][0]["multiply_adds"] == 32 * 27 * side * side


@pytest.mark.parametrize(
    ("section", "multiply_adds"),
    [
        # input: 6 x 8 x 8
        ("[convolutional]\nfilters=4\nsize=3\nstride=2\npad=1\n", 4 * 6 * 9 * 4 * 4),
        ("[convolutional]\nfilters=4\nsize=3\npad=1\ngroups=2\n", 4 * 3 * 9 * 8 * 8),
        # antialiasing convolves every pixel, then blurs and picks: AB convolutional_layer.c:617
        ("[convolutional]\nfilters=4\nsize=3\nstride=2\npad=1\nantialiasing=1\n",
         4 * 6 * 9 * 8 * 8),
        ("[deconvolutional]\nfilters=4\nsize=2\nstride=2\n", 6 * 8 * 8 * 4 * 4),
        ("[connected]\noutput=5\n", 6 * 8 * 8 * 5),
        ("[local]\nfilters=4\nsize=3\n", 4 * 6 * 6 * 6 * 9),
        ("[rnn]\noutput=5\nhidden=5\n", 6 * 8 * 8 * 5 + 5 * 5 + 5 * 5),
        ("[maxpool]\nsize=2\nstride=2\n", 0),
    ],
)  # fmt: skip
def test_multiply_adds(tmp_path, section, multiply_adds):
    path = tmp_path / "net.cfg"
    path.write_text(f"[net]\nwidth=8\nheight=8\nchannels=6\n{section}")
    assert describe(path).as_dict()["layers"][0]["multiply_adds"] == multiply_adds


class TestWeights:
    def test_the_sample(self, sample):
        facts = describe(sample.weights).as_dict()
        assert (facts["kind"], facts["size"], facts["family"]) == ("weights", 997_548, "yolov3")
        assert facts["sha256"] == hashlib.sha256(sample.weights.read_bytes()).hexdigest()
        assert facts["published"] is None
        assert facts["header"] == {
            "major": 0, "minor": 2, "revision": 0, "seen": 2400, "size": 20, "transpose": False,
        }  # fmt: skip
        assert facts["names"] == ["circle", "square", "triangle"]
        assert [head["layer"] for head in facts["heads"]] == [82, 94, 106]
        assert facts["heads"][0]["anchors"] == [[53, 55], [68, 65], [92, 88]]  # mask=6,7,8
        assert facts["warnings"] == []
        assert facts["problem"] is None

    def test_byte_ranges(self, sample):
        """By the tests' own reader of the format."""
        spans: dict[int, list[int]] = {}
        for entry in reference.layout(sample.text):
            start = 20 + 4 * entry.first
            end = start + 4 * int(np.prod(entry.shape))
            spans[entry.layer] = [spans.get(entry.layer, [start])[0], end]
        rows = describe(sample.weights).as_dict()["layers"]
        found = {row["index"]: row["bytes"] for row in rows if row["parameters"]}
        assert found == spans
        assert all(a["bytes"][1] == b["bytes"][0] for a, b in pairwise(rows))

    def test_recognised_by_size(self, tmp_path):
        path = tmp_path / "x.weights"
        path.write_bytes(b"\0\0\0\0\2\0\0\0" + bytes(35_434_956 - 8))
        facts = describe(path).as_dict()
        # yolov3-tiny.weights has 20 + 4 * 8,858,734 bytes
        assert facts["read_as"] == (
            "yolov3-tiny with 80 classes, recognised by the 8,858,734 floats of the file; anchors"
            " and input size (416) are assumed to be as published"
        )
        assert len(facts["layers"]) == 24
        assert facts["warnings"]  # it is all zeros

    def test_official_cfgs_that_fit(self, tmp_path, capsys):
        """yolov4-tiny with 3 classes: 5,884,944 floats. They are proposed, and not read as such."""
        path = tmp_path / "x.weights"
        path.write_bytes(struct.pack("<iiiQ", 0, 2, 5, 0) + bytes(4 * 5_884_944))
        facts = describe(path).as_dict()
        (fit,) = facts["fits"]
        command = "python -m converter download --cfg yolov4-tiny --classes 3"
        assert (fit["classes"], fit["command"]) == (3, command)
        assert (facts["layers"], facts["classes"]) == ([], None)
        assert main(["info", str(path)]) == 0
        assert (
            "fits: yolov4-tiny.cfg, yolov4-tiny-custom.cfg of AlexeyAB's with 3 classes"
            f" ({command})\n"
        ) in capsys.readouterr().out

    def test_with_a_cfg_none_is_proposed(self, sample):
        assert describe(sample.weights).as_dict()["fits"] == []

    def test_unknown(self, toy):
        toy.cfg.unlink()
        facts = describe(toy.weights).as_dict()
        assert (facts["layers"], facts["size"]) == ([], 556)
        assert facts["problem"]["message"].startswith("is of no architecture known by its size")

    def test_one_that_does_not_fit(self, make):
        files = make(nets.yolov3(2, 80, size=96))
        files.cfg.write_text(nets.yolov3(2, 3, size=96))
        facts = describe(files.weights).as_dict()
        assert facts["problem"]["message"].startswith("the file fits 80 classes, the cfg says 3")
        assert len(facts["layers"]) == 107  # what the cfg asks for, to compare
        assert facts["warnings"] is None

    def test_a_backbone(self, toy):
        toy.weights.write_bytes(toy.weights.read_bytes()[:516])
        facts = describe(toy.weights).as_dict()
        assert facts["read_as"].endswith(", of which it holds the first 1 layers")
        assert facts["problem"] is None

    def test_bad_values(self, toy):
        data = bytearray(toy.weights.read_bytes())
        data[20:24] = np.float32([np.nan]).tobytes()
        toy.weights.write_bytes(data)
        (warning,) = describe(toy.weights).as_dict()["warnings"]
        assert warning["text"] == "biases of layer 0 [convolutional], line 6 holds NaN"

    def test_no_weights_at_all(self, tmp_path):
        (tmp_path / "x.weights").write_bytes(b"<!DOCTYPE html><html>")
        with pytest.raises(WeightsError, match="is an HTML page"):
            describe(tmp_path / "x.weights")


class TestCheckpoint:
    def test_ours(self, sample):
        convert(sample.weights)
        facts = describe(sample.checkpoint).as_dict()
        of_weights = describe(sample.weights).as_dict()
        for key in ("layers", "totals", "header", "heads", "names", "family", "dialect"):
            assert facts[key] == of_weights[key]
        assert len(facts["tensors"]) == 366
        assert facts["metadata"]["source_sha256"] == of_weights["sha256"]
        assert "cfg" not in facts["metadata"]
        assert facts["warnings"] == []

    @pytest.mark.parametrize("family", ["article", "generic"])
    def test_other_families(self, sample, family):
        convert(sample.weights, family=family)
        facts = describe(sample.checkpoint).as_dict()
        assert (facts["family"], facts["warnings"], facts["problem"]) == (family, [], None)

    def test_rounded(self, sample):
        convert(sample.weights, dtype="bfloat16")
        facts = describe(sample.checkpoint).as_dict()
        assert {tensor["dtype"] for tensor in facts["tensors"].values()} == {"BF16"}
        assert (facts["warnings"], facts["problem"]) == ([], None)

    def test_a_stranger(self, tmp_path):
        save_file({"x": np.zeros((2, 3), "<f4")}, tmp_path / "x.safetensors")
        facts = describe(tmp_path / "x.safetensors").as_dict()
        assert facts["tensors"] == {"x": {"dtype": "F32", "shape": [2, 3]}}
        assert facts["problem"]["message"] == "does not say which network it is"

    def test_no_checkpoint(self, tmp_path):
        (tmp_path / "x.safetensors").write_bytes(b"x" * 100)
        with pytest.raises(CheckpointError):
            describe(tmp_path / "x.safetensors")


def test_a_missing_cfg(tmp_path):
    with pytest.raises(CfgError):
        describe(tmp_path / "no.cfg")
