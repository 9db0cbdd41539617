"""What a .weights file is, by what lies beside it or by its size."""

import struct

import nets
import pytest
import reference

from converter import CfgError, NetworkError, WeightsError, convert
from converter.darknet.header import Header
from converter.diagnosis.architectures import Architecture
from converter.files.source import opened
from converter.identify import identify
from converter.operations.info import describe

BATCHNORM = "[net]\nwidth=2\nheight=2\nchannels=1\n[batchnorm]\n"


def known(path, *arguments, **options):
    with opened(path) as source:
        return identify(source, *arguments, **options)


def refusal(error, path, *arguments, **options):
    with pytest.raises(error) as caught:
        known(path, *arguments, **options)
    return caught.value


class TestByItsCfg:
    def test_beside_it(self, toy):
        found = known(toy.weights)
        assert found.how == f"{toy.cfg}, found beside the weights"
        assert (found.cfg, found.network.text, found.dialect) == (toy.cfg, toy.text, "pjreddie")
        assert found.header == Header(major=0, minor=2, revision=0, seen=64_000, size=20)
        assert (found.assumed, found.warning) == ({}, None)

    def test_of_the_net_it_was_trained_from(self, toy):
        path = toy.weights.rename(toy.weights.with_name("toy_final.weights"))
        assert known(path).cfg == toy.cfg

    def test_one_that_is_given(self, toy, tmp_path):
        (tmp_path / "other.cfg").write_text(toy.text + "[dropout]\n")
        found = known(toy.weights, tmp_path / "other.cfg")
        assert found.how == str(tmp_path / "other.cfg")
        assert len(found.network.nodes) == 3

    def test_one_that_is_no_network(self, toy):
        toy.cfg.write_text("[net]\nwidth=x\n[convolutional]\n")
        assert refusal(CfgError, toy.weights).place == "line 2"
        toy.cfg.write_text("[net]\n[convolutional]\n")
        assert refusal(NetworkError, toy.weights).path == str(toy.cfg)

    def test_heads_that_do_not_fit_are_explained_by_the_file(self, make):
        files = make(nets.yolov3(1, 3, size=64))
        files.cfg.write_text(files.text.replace("filters=24", "filters=255"))
        error = refusal(NetworkError, files.weights)
        assert error.remedy == "the file fits classes=3 with filters=24"
        assert describe(files.weights).problem.remedy == error.remedy


class TestBySize:
    @pytest.fixture
    def tiny(self, tmp_path):
        """yolov3-tiny for 1 class: 20 + 4 * (8,673,934 + 3 * (513 + 257)) bytes."""
        path = tmp_path / "x.weights"
        path.write_bytes(struct.pack("<iiiQ", 0, 2, 0, 7) + bytes(4 * 8_676_244))
        return path

    def test_recognised(self, tiny):
        found = known(tiny)
        assert found.how == (
            "yolov3-tiny with 1 classes, recognised by the 8,676,244 floats of the file; anchors"
            " and input size (416) are assumed to be as published"
        )
        assert found.assumed == {
            "architecture": "yolov3-tiny", "width": 416, "height": 416,
            "anchors": [10, 14, 23, 27, 37, 58, 81, 82, 135, 169, 344, 319],
        }  # fmt: skip
        assert (found.cfg, found.network.classes, found.header.seen) == (None, 1, 7)

    def test_conversion_and_info_say_the_same(self, tiny, caplog):
        caplog.set_level("INFO", "converter")
        convert(tiny, dry_run=True)
        assert f"network: {known(tiny).how}" in [r.getMessage() for r in caplog.records]
        assert describe(tiny).how == known(tiny).how

    def test_unknown(self, toy):
        toy.cfg.unlink()
        error = refusal(WeightsError, toy.weights)
        assert error.message.startswith("is of no architecture known by its size (556 bytes)")

    def test_two_that_are_as_long(self, tiny, monkeypatch):
        from converter.diagnosis import architectures

        (one,) = (a for a in architectures.ARCHITECTURES if a.name == "yolov3-tiny")
        other = Architecture(
            name="other", size=32, layers=one.layers, base=one.floats(1), classes=0
        )
        monkeypatch.setattr(architectures, "ARCHITECTURES", (one, other))
        error = refusal(WeightsError, tiny)
        assert str(error) == (
            "can be yolov3-tiny with 1 classes or other by its size (give its cfg with cfg=)"
        )
        assert describe(tiny).problem.message == error.message


class TestDialect:
    @pytest.fixture
    def batchnorm(self, tmp_path):
        def write(size, version=(0, 2, 0)):
            (tmp_path / "x.cfg").write_text(BATCHNORM)
            data = struct.pack("<iiiQ", *version, 0).ljust(size, b"\0")
            (tmp_path / "x.weights").write_bytes(data)
            return tmp_path / "x.weights"

        return write

    def test_by_its_size(self, batchnorm):
        """Scales, mean and variance of one channel; AlexeyAB's has biases, too."""
        assert known(batchnorm(20 + 4 * 3)).dialect == "pjreddie"
        found = known(batchnorm(20 + 4 * 4))
        assert found.dialect == "alexeyab"
        assert found.warning == (
            "read as a file of AlexeyAB's darknet, though version 0.2.0 in its header is of"
            " pjreddie's darknet"
        )

    def test_as_it_is_given(self, batchnorm):
        found = known(batchnorm(20 + 4 * 4), dialect="pjreddie")
        assert (found.dialect, "though its size" in found.warning) == ("pjreddie", True)

    def test_its_header_is_read_by_it(self, tmp_path):
        """From version 1000 on pjreddie's engine reads a short one: pj parser.c:1230."""
        text = "[net]\ninputs=3\n[connected]\noutput=2\n"
        (tmp_path / "x.cfg").write_text(text)
        for size in (16, 20):
            data = struct.pack("<iii", 0, 1001, 0).ljust(size + 4 * 8, b"\0")
            (tmp_path / "x.weights").write_bytes(data)
            assert known(tmp_path / "x.weights").header.size == size


def test_a_plan_that_does_not_fit_is_explained_by_the_values(make):
    """A file of noise that is a channel short: it would have noise for variances."""
    text = "[net]\nwidth=8\nheight=8\nchannels={}\n[convolutional]\nbatch_normalize=1\nfilters=4\n"
    files = make(text.format(3))
    files.weights.write_bytes(reference.random_weights(text.format(2)))
    plain = files.weights.read_bytes()
    noise = plain[:20] + bytes(3) + b"\xbf" * (len(plain) - 23)  # -1.4 and so on
    for data, message in (
        (plain, "the file fits channels=2"),
        (noise, "by its size alone, the file"),
    ):
        files.weights.write_bytes(data)
        with opened(files.weights) as source:
            naming = convert(make(text.format(3), "whole").weights, dry_run=True).plan.naming
            with pytest.raises(WeightsError) as caught:
                identify(source).plan(source, naming)
        assert message in str(caught.value)
