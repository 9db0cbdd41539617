"""convert() and verify(), from file to file."""

import hashlib
import json
from dataclasses import replace
from importlib import metadata
from pathlib import Path

import nets
import numpy as np
import pytest
import reference
from safetensors.numpy import load_file, save_file

import converter
import converter.plan
from converter import (
    CheckpointError,
    FamilyError,
    OutputError,
    UsageError,
    WeightsError,
    convert,
    verify,
)
from converter.checkpoint.header import read_contents, read_head
from converter.darknet.layers.convolutional import Convolutional
from converter.diagnosis import architectures
from converter.diagnosis.architectures import Architecture
from converter.families import FAMILIES, yolov3
from converter.operations.convert import default_output
from converter.plan import named_arrays


def tensors_of(files):
    return reference.expected_tensors(files.text, files.weights, reference.yolov3_modules())


def assert_holds(checkpoint: Path, expected: dict[str, np.ndarray]) -> None:
    found = load_file(checkpoint)
    assert found.keys() == expected.keys()
    for name, values in expected.items():
        np.testing.assert_array_equal(found[name].view("<u4"), values.view("<u4"), err_msg=name)


class TestConvert:
    def test_the_sample(self, sample):
        result = convert(sample.weights)
        assert result.output == sample.checkpoint
        assert (result.status, result.verified) == ("converted", True)
        facts = result.as_dict()
        assert (facts["family"], facts["classes"]) == ("yolov3", 3)
        assert (facts["tensors"], facts["floats"]) == (366, 249_382)
        assert facts["source_sha256"] == hashlib.sha256(sample.weights.read_bytes()).hexdigest()
        assert facts["header"] == {"major": 0, "minor": 2, "revision": 0, "seen": 2400}
        assert_holds(sample.checkpoint, tensors_of(sample))

    def test_it_describes_itself(self, sample):
        convert(sample.weights)
        meta = read_contents(sample.checkpoint).metadata
        assert meta["format"] == "pt"
        assert meta["cfg"] == sample.text
        assert json.loads(meta["names"]) == ["circle", "square", "triangle"]
        assert json.loads(meta["header"])["seen"] == 2400
        assert (meta["family"], meta["dialect"], meta["complete"]) == ("yolov3", "pjreddie", "true")

    def test_same_input_same_bytes(self, sample, tmp_path):
        convert(sample.weights)
        convert(sample.weights, tmp_path / "again.safetensors")
        assert sample.checkpoint.read_bytes() == (tmp_path / "again.safetensors").read_bytes()

    def test_twice_is_up_to_date(self, sample):
        convert(sample.weights)
        before = sample.checkpoint.stat()
        assert convert(sample.weights).status == "up to date"
        assert sample.checkpoint.stat().st_mtime_ns == before.st_mtime_ns

    def test_another_file_is_not_replaced(self, sample):
        sample.checkpoint.write_bytes(b"precious")
        with pytest.raises(OutputError, match="exists already"):
            convert(sample.weights)
        assert sample.checkpoint.read_bytes() == b"precious"
        convert(sample.weights, force=True)
        assert_holds(sample.checkpoint, tensors_of(sample))

    @pytest.mark.parametrize("fault", ["flip", "header"])
    def test_a_damaged_output_is_not_up_to_date(self, sample, fault):
        convert(sample.weights)
        data = bytearray(sample.checkpoint.read_bytes())
        data[-1 if fault == "flip" else 20] ^= 1
        sample.checkpoint.write_bytes(data)
        with pytest.raises(OutputError, match="is not this conversion"):
            convert(sample.weights)

    def test_generic_takes_any_network(self, toy):
        facts = convert(toy.weights).as_dict()
        assert (facts["family"], facts["tensors"], facts["floats"]) == ("generic", 7, 134)
        assert_holds(toy.checkpoint, {
            f"layers.{layer}.{'bn' if layer == 0 and kind != 'weights' else 'conv'}"
            f".{'bias' if kind == 'biases' else reference.TORCH_NAMES[kind].split('.')[1]}": values
            for (layer, kind), values in reference.read(toy.text, toy.weights).items()
        })  # fmt: skip

    def test_yolov3_asked_for_and_not_there(self, toy):
        with pytest.raises(FamilyError, match="is not a YOLOv3"):
            convert(toy.weights, family="yolov3")
        assert not toy.checkpoint.exists()

    def test_article(self, sample):
        facts = convert(sample.weights, family="article").as_dict()
        names = load_file(sample.checkpoint)
        assert facts["verified"]
        assert not any("lateral" in name or "merge" in name for name in names)
        assert {n.split()[0] for n in facts["left_out"]} == {"75", "84", "87", "96", "99"}
        assert len(facts["unfilled"]) == 2 + 2 * 3 + 2 * 2
        everything = tensors_of(sample)
        assert_holds(sample.checkpoint, {name: everything[name] for name in names})

    def test_the_backbone_in_a_classifier(self, make):
        files = make(nets.classifier(2, 7, 64))
        facts = convert(files.weights).as_dict()
        assert (facts["family"], facts["classes"]) == ("yolov3", 7)
        tensors = load_file(files.checkpoint)
        assert tensors["fc.2.weight"].shape == (7, 64)
        last = max(layer for layer, _ in reference.read(files.text, files.weights))
        kernel = reference.read(files.text, files.weights)[last, "weights"]
        np.testing.assert_array_equal(tensors["fc.2.weight"], kernel.reshape(7, 64))

    def test_a_short_head(self, make):
        files = make(nets.yolov3(2, 3, size=96))
        data = files.weights.read_bytes()
        files.weights.write_bytes(b"\0\0\0\0\1\0\0\0\0\0\0\0\7\0\0\0" + data[20:])
        assert convert(files.weights).as_dict()["header"]["seen"] == 7
        found = load_file(files.checkpoint)
        np.testing.assert_array_equal(
            found["backbone.stem.0.bn.bias"], np.frombuffer(data, "<f4", 2, 20)
        )

    def test_dry_run_writes_nothing(self, sample):
        result = convert(sample.weights, dry_run=True)
        assert (result.status, result.verified) == ("dry run", False)
        assert not sample.checkpoint.exists()

    def test_no_verify_says_so(self, sample):
        assert not convert(sample.weights, verify=False).verified


class TestCompanions:
    @pytest.mark.parametrize("ending", ["_final", "_best", "_last", "_1000"])
    def test_the_cfg_of_a_trained_file(self, sample, ending):
        trained = sample.weights.with_name(f"shapes{ending}.weights")
        sample.weights.rename(trained)
        result = convert(trained)
        assert result.output.name == f"shapes{ending}.safetensors"
        assert result.metadata.names == ["circle", "square", "triangle"]

    def test_backup(self, sample):
        sample.weights.rename(sample.weights.with_suffix(".backup"))
        assert convert(sample.weights.with_suffix(".backup")).output == sample.checkpoint

    def test_other_suffixes_are_kept(self):
        assert default_output("a/darknet53.conv.74").name == "darknet53.conv.74.safetensors"

    @pytest.mark.parametrize("dry_run", [True, False])
    def test_a_type_that_is_none(self, sample, dry_run):
        """In Python no parser has looked at it; it was a KeyError, or a plan."""
        with pytest.raises(UsageError) as caught:
            convert(sample.weights, dtype="half", dry_run=dry_run)
        assert str(caught.value) == (
            "dtype='half' is unknown (use one of float32, float16, bfloat16)"
        )

    @pytest.mark.parametrize("name", [".", "", "/", ".."])
    def test_a_folder(self, name):
        with pytest.raises(WeightsError, match=r"is a directory \(give a \.weights file\)$"):
            convert(name)

    def test_a_cfg_beside_it_that_does_not_fit_is_an_error(self, sample):
        sample.cfg.write_text(nets.yolov3(2, 5))
        with pytest.raises(WeightsError, match="fits 3 classes, the cfg says 5"):
            convert(sample.weights)

    def test_no_cfg_and_no_known_architecture(self, sample):
        sample.cfg.unlink()
        with pytest.raises(WeightsError, match="no architecture known") as caught:
            convert(sample.weights)
        assert "with cfg=" in caught.value.remedy


class TestRecognised:
    """Without a cfg, by the number of floats. Full-width files are in test_parity.py."""

    @pytest.fixture
    def toys(self, monkeypatch):
        def toy(name, filters):
            # 3 * filters + filters floats, then 4 * classes * filters + 4 * classes
            def layers(classes):
                return [Convolutional(filters=filters), Convolutional(filters=4 * classes)]

            return Architecture(
                name=name, size=8, layers=layers, base=4 * filters, slope=4 * filters + 4
            )

        monkeypatch.setattr(architectures, "ARCHITECTURES", (toy("narrow", 1), toy("wide", 3)))

    def test_one_reading(self, toys, tmp_path):
        (tmp_path / "x.weights").write_bytes(b"\0\0\0\0\2\0\0\0" + bytes(12 + 4 * 12))
        facts = convert(tmp_path / "x.weights").as_dict()  # 4 + 8 * 1 floats
        assert facts["assumed"] == {"architecture": "narrow", "width": 8, "height": 8}
        assert json.loads(read_contents(facts["output"]).metadata["assumed"]) == facts["assumed"]

    def test_two_readings_are_an_error_that_names_both(self, toys, tmp_path):
        # 44 floats are 4 + 8 * 5, and 12 + 16 * 2
        (tmp_path / "x.weights").write_bytes(b"\0\0\0\0\2\0\0\0" + bytes(12 + 4 * 44))
        both = "can be narrow with 5 classes or wide with 2 classes by its size"
        with pytest.raises(WeightsError, match=both):
            convert(tmp_path / "x.weights")


class TestPartial:
    def test_a_backbone_of_a_detector(self, sample, tmp_path):
        end = next(
            20 + 4 * e.first for e in reference.layout(sample.text) if e.layer == 75
        )  # layer 74 is a shortcut without weights
        sample.weights.write_bytes(sample.weights.read_bytes()[:end])
        with pytest.raises(WeightsError, match="ends after layer 73 of 106: a backbone"):
            convert(sample.weights)
        facts = convert(sample.weights, partial=True).as_dict()
        assert (facts["cutoff"], facts["complete"], facts["tensors"]) == (74, False, 52 * 5)
        assert read_contents(sample.checkpoint).metadata["cutoff"] == "74"
        assert all(name.startswith("backbone.") for name in load_file(sample.checkpoint))
        assert verify(sample.weights, sample.checkpoint).ok


def edit(checkpoint: Path, change) -> None:
    tensors = dict(load_file(checkpoint))
    metadata = read_contents(checkpoint).metadata
    change(tensors)
    save_file(tensors, checkpoint, metadata)


class TestVerify:
    @pytest.fixture
    def converted(self, sample):
        convert(sample.weights)
        return sample

    def test_equal(self, converted):
        result = verify(converted.weights, converted.checkpoint)
        assert result.ok
        assert len(result.comparison.rows) == 366

    @pytest.mark.parametrize("position", [0.0, 0.3, 0.999])
    def test_a_flipped_bit(self, converted, position):
        data = bytearray(converted.checkpoint.read_bytes())
        start = len(read_head(converted.checkpoint))
        data[start + int(position * (len(data) - start))] ^= 0x10
        converted.checkpoint.write_bytes(data)
        result = verify(converted.weights, converted.checkpoint)
        assert not result.ok
        assert len(result.comparison.mismatched) == 1

    @pytest.mark.parametrize(
        ("one", "other"),
        [
            ("backbone.stem.0.bn.weight", "backbone.stem.0.bn.bias"),
            ("backbone.stem.0.bn.running_mean", "backbone.stem.0.bn.running_var"),
            ("fpn.fpn_convs.2.0.conv.weight", "fpn.fpn_convs.2.2.conv.weight"),
            ("fpn.fpn_convs.2.0.conv.weight", "fpn.tail_convs.2.conv.weight"),
        ],
    )
    def test_swapped_tensors(self, converted, one, other):
        def swap(tensors):
            tensors[one], tensors[other] = tensors[other], tensors[one]

        edit(converted.checkpoint, swap)
        assert set(verify(converted.weights, converted.checkpoint).comparison.mismatched) == {
            one, other,
        }  # fmt: skip

    def test_a_missing_and_a_surplus_tensor(self, converted):
        def change(tensors):
            tensors["surplus"] = tensors.pop("heads.0.conv.bias")

        edit(converted.checkpoint, change)
        facts = verify(converted.weights, converted.checkpoint).as_dict()
        assert facts["ok"] is False
        assert (facts["missing"], facts["unexpected"]) == (["heads.0.conv.bias"], ["surplus"])
        assert facts["mismatched"] == []

    def test_another_shape_or_type(self, converted):
        def change(tensors):
            tensors["heads.0.conv.bias"] = tensors["heads.0.conv.bias"].reshape(4, 6)
            tensors["heads.1.conv.bias"] = tensors["heads.1.conv.bias"].astype(np.float64)

        edit(converted.checkpoint, change)
        assert verify(converted.weights, converted.checkpoint).comparison.mismatched == (
            "heads.1.conv.bias", "heads.0.conv.bias",
        )  # fmt: skip

    def test_nan_equals_itself_and_zero_is_not_minus_zero(self, toy):
        data = bytearray(toy.weights.read_bytes())
        data[20:28] = np.array([np.nan, 0.0], "<f4").tobytes()
        toy.weights.write_bytes(data)
        convert(toy.weights)
        assert verify(toy.weights, toy.checkpoint).ok
        data[24:28] = np.array([-0.0], "<f4").tobytes()
        toy.weights.write_bytes(data)
        assert verify(toy.weights, toy.checkpoint).comparison.mismatched == ("layers.0.bn.bias",)

    def test_another_head(self, converted):
        data = bytearray(converted.weights.read_bytes())
        data[12] ^= 1  # seen
        converted.weights.write_bytes(data)
        result = verify(converted.weights, converted.checkpoint)
        assert (result.comparison.ok, result.ok) == (True, False)
        assert not result.as_dict()["header"]

    def test_a_checkpoint_of_somebody_else(self, sample):
        save_file({"x": np.zeros(3, "<f4")}, sample.checkpoint)
        with pytest.raises(CheckpointError, match="does not say which network it is"):
            verify(sample.weights, sample.checkpoint)


class TestPlantedFaults:
    """A wrong mapping passes its own verification; only the tests' own reader can catch it."""

    @pytest.mark.parametrize(
        ("one", "other"),
        [
            (".bn.bias", ".bn.weight"),
            (".running_mean", ".running_var"),
            ("fpn.fpn_convs.2.0.", "fpn.fpn_convs.2.2."),
        ],
    )
    def test_exchanged_tensors(self, sample, monkeypatch, one, other):
        named = named_arrays

        def wrong(*arguments):
            for node, array, tensor in named(*arguments):
                swapped = (
                    tensor.replace(one, other) if one in tensor else tensor.replace(other, one)
                )
                yield node, array, swapped

        monkeypatch.setattr(converter.plan, "named_arrays", wrong)
        assert convert(sample.weights).verified
        with pytest.raises(AssertionError):
            assert_holds(sample.checkpoint, tensors_of(sample))

    def test_weights_before_biases(self, sample, monkeypatch):
        """The order of Caffe: every array of a layer moves."""
        arrays = Convolutional.arrays

        def wrong(layer, shapes, dialect):
            *vectors, kernel = arrays(layer, shapes, dialect)
            yield from (kernel, *vectors)

        monkeypatch.setattr(Convolutional, "arrays", wrong)
        assert convert(sample.weights).verified
        with pytest.raises(AssertionError):
            assert_holds(sample.checkpoint, tensors_of(sample))

    def test_a_head_before_the_merge_conv(self, sample, monkeypatch):
        """Registration order: all of the neck, then all heads."""

        def registered(network):
            naming = yolov3.name_layers(network)
            paths = sorted(naming.modules.values(), key=lambda path: path.startswith("heads"))
            modules = dict(zip(naming.modules, paths, strict=True))
            heads = {i: path for i, path in modules.items() if path.startswith("heads")}
            parts = {i: {"conv": path, "bn": f"{path}.bn"} for i, path in heads.items()}
            return replace(naming, modules=modules, parts=parts)

        wrong = replace(yolov3.FAMILY, name_layers=registered)
        monkeypatch.setitem(FAMILIES._found, "yolov3", wrong)
        assert convert(sample.weights).verified
        with pytest.raises(AssertionError):
            assert_holds(sample.checkpoint, tensors_of(sample))


def test_what_it_returns_is_read_at_a_glance(sample, tmp_path):
    """Not the 366 slots of the plan, nor the cfg's text."""
    done = convert(sample.weights, tmp_path / "o.safetensors")
    shown = repr(done)
    assert shown.startswith("Conversion(status='converted', output=")
    assert "plan=Plan(yolov3, 366 slots, 997,548 bytes)" in shown
    assert len(shown) < 800


def test_the_version_is_that_of_the_package():
    assert converter.__version__ == metadata.version("darknet-safetensors")
