"""Why a file does not fit its cfg: hypotheses, tested on sizes and values."""

import json
import os
import shlex
import struct
import subprocess
from pathlib import Path

import nets
import numpy as np
import pytest
import reference
from safetensors.numpy import load_file

from converter import WeightsError, convert
from converter.checkpoint.header import read_contents
from converter.cli.main import main
from converter.diagnosis.architectures import ARCHITECTURES
from converter.errors import NetworkError

THREE = nets.yolov3(2, 3)  # 20 + 4 * 249,382 = 997,548 bytes
EIGHTY = nets.yolov3(2, 80)
# The heads have 64, 32 and 16 inputs, so a class more is 3 * (64 + 32 + 16 + 3) = 345 floats; 77
# more are 77 * 345 * 4 = 106,260 bytes.
SIZE, SIZE_80 = 997_548, 1_103_808


@pytest.fixture
def refusal(make):
    """The error of converting ``data`` by ``text``."""

    def refuse(text, data, error=WeightsError, name="net", **options):
        files = make(THREE, name)
        files.cfg.write_text(text)
        files.weights.write_bytes(data)
        with pytest.raises(error) as caught:
            convert(files.weights, **options)
        assert list(files.weights.parent.glob("*.safetensors")) == []
        return caught.value

    return refuse


def weights(text, **options):
    return reference.random_weights(text, **options)


def test_the_sizes_of_this_file():
    assert len(weights(THREE)) == SIZE
    assert len(weights(EIGHTY)) == SIZE_80


class TestOneHypothesis:
    def test_classes(self, refusal):
        error = refusal(THREE, weights(EIGHTY))
        assert error.message == (
            "the file fits 80 classes, the cfg says 3 (1,103,808 bytes, net.cfg asks for 997,548)"
        )
        # 82 layers of two lines or more; the first head's convolution is layer 81
        assert error.place.startswith("layer 81 [convolutional], line ")
        assert "classes=80" in error.remedy

    def test_fewer_classes(self, refusal):
        assert refusal(EIGHTY, weights(THREE)).message.startswith(
            "the file fits 3 classes, the cfg says 80 ("
        )

    @pytest.mark.parametrize("number", [1, 4])
    def test_channels(self, refusal, number):
        error = refusal(THREE, weights(nets.yolov3(2, 3, channels=number)))
        assert error.message.startswith(f"the file fits channels={number}, the cfg says 3 (")
        assert error.place.startswith("layer 0 [convolutional], line ")
        assert error.remedy == f"set channels={number} in [net]"

    def test_classes_of_a_classifier(self, refusal):
        error = refusal(nets.classifier(2, 7, 64), weights(nets.classifier(2, 10, 64)))
        assert error.message.startswith("the file fits 10 classes, the cfg says 7 (")

    def test_a_short_header_that_says_it_is_long(self, refusal):
        data = weights(THREE)
        error = refusal(THREE, data[:12] + data[16:])
        assert error.message.startswith(
            "the file fits a header of 16 bytes, its version 0.2.0 says 20 ("
        )
        assert "write the version 0, 1, 0" in error.remedy

    def test_a_long_header_that_says_it_is_short(self, refusal):
        """A PyTorch port writes 0.0.0 and eight bytes of seen."""
        error = refusal(THREE, bytes(12) + weights(THREE)[12:])
        assert error.message.startswith(
            "the file fits a header of 20 bytes, its version 0.0.0 says 16 ("
        )

    @pytest.mark.parametrize(("dtype", "width"), [("<f2", 2), ("<f8", 8)])
    def test_other_floats(self, refusal, dtype, width):
        data = weights(THREE)
        error = refusal(THREE, data[:20] + np.frombuffer(data[20:], "<f4").astype(dtype).tobytes())
        assert error.message.startswith(
            f"the file fits values of {width} bytes: float{8 * width} ("
        )
        assert "float32" in error.remedy

    def test_another_engine(self, refusal):
        """A [batchnorm] of one channel: scales, mean and variance; AlexeyAB's has biases, too."""
        text = "[net]\nwidth=2\nheight=2\nchannels=1\n[batchnorm]\n"
        error = refusal(text, _zeros(36), dialect="pjreddie")
        assert str(error).endswith(
            "byte 32: the file fits alexeyab's darknet, not pjreddie's"
            " (36 bytes, net.cfg asks for 32) (use dialect='alexeyab')"
        )

    def test_a_backbone(self, refusal):
        end = next(20 + 4 * e.first for e in reference.layout(THREE) if e.layer == 75)
        error = refusal(THREE, weights(THREE)[:end])
        assert error.message.startswith("ends after layer 73 of 106: a backbone (")
        assert error.remedy == "use partial=True to convert the layers that it has"

    def test_a_known_architecture(self, refusal):
        data = struct.pack("<iiiQ", 0, 2, 0, 0) + bytes(35_434_956 - 20)
        error = refusal(THREE, data)
        assert error.message.startswith("the file has the size of yolov3-tiny with 80 classes (")

    def test_a_published_file(self, refusal):
        data = struct.pack("<iiiQ", 0, 2, 0, 0) + bytes(24_251_276 - 20)
        error = refusal(THREE, data)
        assert "the file has the size of yolov4-tiny.weights as published" in error.message

    def test_an_official_cfg(self, refusal):
        """yolov4-tiny with 3 classes: 5,884,944 floats."""
        data = struct.pack("<iiiQ", 0, 2, 5, 0) + bytes(4 * 5_884_944)
        error = refusal(THREE, data)
        assert "; it fits yolov4-tiny.cfg, yolov4-tiny-custom.cfg of AlexeyAB's" in error.message
        assert error.remedy == (
            "give the cfg it was trained with; or begin with: python -m converter download"
            " --cfg yolov4-tiny --classes 3"
        )


class TestCfgTwice:
    def test_with_its_net(self, refusal):
        error = refusal(THREE + "\n" + THREE, weights(THREE), Exception)
        line = THREE.count("\n") + 2
        assert error.message == "holds the same network again: it was appended to itself"
        assert (error.place, error.remedy) == (
            f"line {line}", f"delete everything from line {line} on",
        )  # fmt: skip

    def test_another_network(self, refusal):
        error = refusal(THREE + "\n" + EIGHTY, weights(THREE), Exception)
        assert error.message == "holds a second network"

    def test_without_its_net(self, refusal, toy):
        net, layers = toy.text.split("\n\n", 1)
        error = refusal(f"{net}\n\n{layers}\n{layers}", toy.weights.read_bytes())
        # The second time, the first layer sees 2 channels: 16 + 72 and 10 floats more.
        assert error.message == (
            "the file fits the first 2 layers, which the cfg repeats;"
            " or ends after layer 1 of 3: a backbone (556 bytes, net.cfg asks for 948)"
        )

    def test_layers_that_do_not_fit_a_second_time(self, refusal):
        net, layers = THREE.split("\n\n", 1)[0], THREE.split("channels=3\n", 1)[1]
        error = refusal(f"{net}\n{layers}\n{layers}", weights(THREE), NetworkError)
        assert "the layers repeat" in error.remedy


class TestHeads:
    """filters= before a head that is not 3 * (5 + classes)."""

    def test_the_file_shows_that_classes_are_wrong(self, refusal):
        text = THREE.replace("filters=24", "filters=255")  # 3 * (5 + 80)
        error = refusal(text, weights(EIGHTY), NetworkError)
        assert error.message.startswith("classes=3 with 3 anchors needs 24 channels")
        assert error.remedy == "the file fits classes=80 with filters=255"

    def test_the_file_shows_that_filters_are_wrong(self, refusal):
        text = THREE.replace("filters=24", "filters=255")
        error = refusal(text, weights(THREE), NetworkError)
        assert error.remedy == "the file fits classes=3 with filters=24"

    def test_the_file_fits_neither(self, refusal):
        text = THREE.replace("filters=24", "filters=255")
        error = refusal(text, weights(THREE)[:-4], NetworkError)
        assert error.remedy == (
            "write classes=3 with filters=24 or classes=80 with filters=255 there"
        )


class TestSeveralHypotheses:
    def test_two_changes_at_once(self, refusal):
        error = refusal(THREE, bytes(12) + weights(EIGHTY)[12:])
        assert error.message.startswith(
            "the file fits a header of 20 bytes, its version 0.0.0 says 16"
            " and the file fits 80 classes, the cfg says 3 ("
        )

    def test_two_that_fit_alike_are_both_named(self, refusal):
        """A channel of the picture is 4 floats here, a class 3 * (4 + 1): 15 are as long as 4."""
        text = (
            "[net]\nwidth=8\nheight=8\nchannels={}\n"
            "[convolutional]\nbatch_normalize=1\nfilters=4\nsize=1\nactivation=leaky\n"
            "[convolutional]\nfilters=24\nsize=1\nactivation=linear\n[yolo]\nclasses=3\nnum=3\n"
        )
        error = refusal(text.format(3), weights(text.format(3 + 15)))
        # 20 + 4 * (4 * 4 + 4 * 18 + 24 + 96) and 20 + 4 * (4 * 4 + 4 * 3 + 24 + 96) bytes
        assert str(error.message) == (
            "the file fits 7 classes, the cfg says 3; or the file fits channels=18, the cfg says 3"
            " (852 bytes, net.cfg asks for 612)"
        )
        assert "classes=7" in error.remedy
        assert error.remedy.endswith("; or set channels=18 in [net]")

    def test_a_hypothesis_that_the_values_refute(self, refusal):
        """Cut so that a class less would fit; but then noise would stand for variances."""
        data = weights(THREE)[: SIZE - 4 * 345]
        error = refusal(THREE, data)
        assert error.message.startswith("ends inside weights of layer 105 [convolutional]")
        assert "by its size alone, the file fits 2 classes, the cfg says 3" in error.message

    def test_where_the_values_cease_to_make_sense(self, refusal):
        """A slimmed cfg: the file goes on with a layer that is not in it."""
        other = THREE.replace("filters=16\nsize=3\nstride=2", "filters=12\nsize=3\nstride=2")
        assert other != THREE
        error = refusal(other, weights(THREE))
        assert error.message == (
            "its variances would be negative: the file is of another network than net.cfg, from"
            f" here on at the latest ({SIZE:,} bytes, net.cfg asks for {len(weights(other)):,})"
        )
        # It is that one: its 12 variances are, in the file, 12 of 16 means.
        assert error.place == "layer 12 [convolutional], line 92"

    def test_a_short_file_of_another_network_is_not_said_to_be_broken_off(self, refusal):
        """Where it ends is in no layer of its own."""
        other = THREE.replace("filters=16\nsize=3\nstride=2", "filters=20\nsize=3\nstride=2")
        error = refusal(other, weights(THREE))
        assert len(weights(other)) > SIZE
        assert error.message.startswith("its variances would be negative: the file is of another")
        assert error.place.startswith("layer 12 [convolutional], line ")
        assert error.remedy == "give the cfg it was trained with"


def _zeros(size):
    return struct.pack("<iiiQ", 0, 2, 0, 0) + bytes(size - 20)


class TestNoHypothesis:
    def test_cut_anywhere(self, refusal):
        error = refusal(THREE, weights(THREE)[:500_001])
        assert error.message.startswith("ends inside weights of layer 70 [convolutional], line ")
        assert error.message.endswith(": 500,001 bytes of the 997,548 that net.cfg asks for")
        assert error.place == "byte 500001"

    def test_partial_of_a_file_that_is_cut_inside_a_layer(self, make, monkeypatch):
        """What is proposed is done: the shell's line writes a file that --partial takes."""
        files = make(THREE)
        whole = files.weights.read_bytes()
        files.weights.write_bytes(whole[:500_001])
        monkeypatch.chdir(files.weights.parent)
        with pytest.raises(WeightsError) as caught:
            convert("net.weights", cfg="net.cfg", partial=True)
        assert caught.value.message.startswith("ends inside weights of layer 70 [convolutional]")
        assert ", and a partial file ends after a layer: 500,001 bytes" in caught.value.message
        end = next(20 + 4 * e.first for e in reference.layout(THREE) if e.layer == 70)
        cut = f"head -c {end} net.weights > net.conv.70"
        assert caught.value.remedy == (
            "download or copy it again, or use the cfg it was trained with; or take its first 70"
            f" layers, which are whole: {cut}; python -m converter convert net.conv.70"
            " --cfg net.cfg --partial"
        )
        Path("net.conv.70").write_bytes(whole[:end])  # as head does
        assert convert("net.conv.70", cfg="net.cfg", partial=True).plan.cutoff == 70

    @pytest.mark.parametrize(
        ("option", "family"), [("--family", "generic"), ("--family-table", "my table.json")]
    )
    def test_the_line_for_the_first_layers_keeps_what_was_given(
        self, make, monkeypatch, option, family
    ):
        files = make(THREE)
        monkeypatch.chdir(files.weights.parent)
        convert(files.weights, "whole.safetensors", family="generic")
        Path("my table.json").write_text(json.dumps({n: n for n in load_file("whole.safetensors")}))
        Path("my names").write_bytes("개\n새\n곰\n".encode("cp949"))
        Path("net.weights").write_bytes(Path("net.weights").read_bytes()[:500_001])
        with pytest.raises(WeightsError) as caught:
            convert("net.weights", cfg="net.cfg", partial=True, dialect="alexeyab", family=family,
                    names="my names", names_encoding="cp949")  # fmt: skip
        cut, line = caught.value.remedy.rpartition("whole: ")[2].split("; ")
        family = shlex.quote(family)
        assert line == (
            "python -m converter convert net.conv.70 --cfg net.cfg --dialect alexeyab"
            f" {option} {family} --names 'my names' --names-encoding cp949 --partial"
        )
        subprocess.run(cut, shell=True, check=True)
        assert main(shlex.split(line)[3:]) == 0
        found = read_contents(Path("net.conv.70.safetensors")).metadata
        assert (found["dialect"], json.loads(found["names"])) == ("alexeyab", ["개", "새", "곰"])

    def test_first_layers_that_are_cut(self, make, monkeypatch):
        """They are called by the network's name; no file is replaced by the shell's line."""
        files = make(THREE)
        whole = files.weights.read_bytes()
        monkeypatch.chdir(files.weights.parent)
        Path("net.conv.80").write_bytes(whole[:500_001])
        Path("net.conv.70").write_bytes(b"precious")
        with pytest.raises(WeightsError) as caught:
            convert("net.conv.80", cfg="net.cfg", partial=True)
        end = next(20 + 4 * e.first for e in reference.layout(THREE) if e.layer == 70)
        assert caught.value.remedy.endswith(
            f"take its first 70 layers, which are whole: head -c {end} net.conv.80 >"
            " 2-net.conv.70; python -m converter convert 2-net.conv.70 --cfg net.cfg --partial"
        )

    def test_partial_of_a_file_without_a_whole_layer(self, refusal):
        error = refusal(THREE, weights(THREE)[:30], partial=True)
        assert ", and a partial file ends after a layer: 30 bytes of" in error.message
        assert error.remedy == "download or copy it again, or use the cfg it was trained with"

    def test_surplus(self, refusal):
        error = refusal(THREE, weights(THREE) + bytes(4096))
        assert error.message == (
            "has 4,096 bytes more than net.cfg asks for (1,001,644, not 997,548)"
        )

    def test_garbage(self, refusal):
        error = refusal(THREE, b"\x81" + np.random.default_rng(0).bytes(400_000))
        assert "which no darknet wrote" in error.message

    def test_zeros(self, refusal):
        """As long as the file, which a header of version 0.0.0 makes four bytes too long."""
        error = refusal(THREE, bytes(SIZE))
        assert error.message == (
            "holds nothing but zeros (997,548 bytes): room was made for it, and what should fill it"
            " never came"
        )
        assert error.remedy == "download or copy it again"

    def test_an_interrupted_download(self, make):
        files = make(ARCHITECTURES[3].network(80).text, "yolov3-tiny")
        whole = files.weights.read_bytes()
        assert len(whole) == 35_434_956
        files.weights.write_bytes(whole[:30_000_000])
        with pytest.raises(WeightsError) as caught:
            convert(files.weights)
        assert caught.value.remedy == (
            "an interrupted download of yolov3-tiny.weights: download it again"
        )


class TestWithoutCfg:
    @pytest.fixture
    def alone(self, tmp_path):
        def refuse(name, data):
            path = tmp_path / name
            path.write_bytes(data)
            with pytest.raises(WeightsError) as caught:
                convert(path)
            return caught.value

        return refuse

    def test_nothing_known(self, alone):
        error = alone("x.weights", weights(THREE))
        assert error.message == (
            "is of no architecture known by its size (997,548 bytes), and no cfg of its name is"
            " beside it"
        )
        assert error.remedy == "give its cfg with cfg="

    def test_an_official_cfg(self, alone):
        """yolov4-tiny with 3 classes: 5,884,944 floats."""
        error = alone("mine.weights", struct.pack("<iiiQ", 0, 2, 5, 0) + bytes(4 * 5_884_944))
        assert error.message == (
            "is of no architecture known by its size (23,539,796 bytes), and no cfg of its name is"
            " beside it; it fits yolov4-tiny.cfg, yolov4-tiny-custom.cfg of AlexeyAB's with 3"
            " classes"
        )
        assert error.remedy == (
            "give its cfg with cfg=; if it is lost, begin with: python -m converter download"
            " --cfg yolov4-tiny --classes 3"
        )

    def test_a_published_name(self, alone):
        error = alone("yolov3.weights", _zeros(1020))
        assert error.message.endswith("; yolov3.weights as published has 248,007,048 bytes")
        assert error.remedy.startswith("download it again")

    @pytest.mark.parametrize("header", [16, 20])
    def test_a_published_name_whose_header_may_be_old(self, alone, header):
        """tiny.weights, of 1,046,488 floats, has either size, and was not broken off."""
        version = struct.pack("<iii", 0, {16: 1, 20: 2}[header], 0)
        error = alone("tiny.weights", version.ljust(header + 4 * 1_046_488, b"\0"))
        assert "as published has" not in error.message
        assert "; it fits tiny.cfg of pjreddie's or tiny.cfg of AlexeyAB's" in error.message

    @pytest.mark.parametrize("size", [997_548, 35_434_956])
    def test_zeros(self, alone, size):
        """The second is as long as yolov3-tiny.weights."""
        error = alone("x.weights", bytes(size))
        assert error.message.startswith(f"holds nothing but zeros ({size:,} bytes): ")
        assert error.remedy == "download or copy it again"

    def test_zeros_of_a_published_name(self, alone):
        error = alone("yolov3-tiny.weights", bytes(35_434_956))
        assert error.message.startswith("holds nothing but zeros (35,434,956 bytes): ")
        folder = shlex.quote(os.path.dirname(error.path))
        assert error.remedy == (
            f"download it again: python -m converter download yolov3-tiny -o {folder} --force"
        )

    def test_half_precision(self, alone):
        error = alone("x.weights", _zeros(20 + 35_434_936 // 2))
        assert error.message.endswith("; in float16 it would be yolov3-tiny with 80 classes")

    def test_another_header(self, alone):
        error = alone("x.weights", bytes(20) + b"\1".ljust(35_434_936, b"\0"))
        assert error.message.endswith(
            "; with a header of 20 bytes it would be yolov3-tiny with 80 classes"
        )

    def test_the_first_layers(self, alone):
        """yolov3-tiny.conv.15 holds all before layer 15, the first head's convolution."""
        convs = [(3, 16, 9), (16, 32, 9), (32, 64, 9), (64, 128, 9), (128, 256, 9),
                 (256, 512, 9), (512, 1024, 9), (1024, 256, 1), (256, 512, 9)]  # fmt: skip
        floats = sum(4 * out + into * out * kernel for into, out, kernel in convs)
        error = alone("yolov3-tiny.conv.15", _zeros(20 + 4 * floats))
        assert error.message.endswith("; the first 15 layers of yolov3-tiny would be as long")
        assert error.remedy == "give its cfg with cfg=, and partial=True for the first layers"

    def test_garbage(self, alone):
        error = alone("x.weights", b"\x81" + np.random.default_rng(0).bytes(5000))
        assert "which no darknet wrote" in error.message


def test_every_cut_is_refused_with_its_place(toy):
    """All lengths of a small file; most are torn, some are another file's."""
    whole = toy.weights.read_bytes()
    assert len(whole) == 556
    # The whole file of 1 or 2 channels: 4 * 4 + 4 * 9 * channels + 10 floats after a header of 16
    # or 20 bytes.
    fitting = {h + 4 * (26 + 36 * channels): channels for channels in (1, 2) for h in (16, 20)}
    for size in range(556):
        toy.weights.write_bytes(whole[:size])
        with pytest.raises(WeightsError) as caught:
            convert(toy.weights)
        text = str(caught.value)
        assert text.startswith(f"{toy.weights}: ")
        assert "\n" not in text
        if size == 0:
            assert "is empty" in text
        elif size < 20:
            assert f"ends after {size} bytes, inside its" in text
        elif size == 516:
            assert "ends after layer 0 of 1: a backbone" in text
        elif size == 552:
            assert "the file fits a header of 16 bytes" in text
        elif size in fitting:
            assert f"the file fits channels={fitting[size]}, the cfg says 3" in text
        else:
            assert f"{size} bytes of the 556 " in text
        assert not toy.checkpoint.exists()
