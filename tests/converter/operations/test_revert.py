"""There and back: the same bytes."""

import hashlib
from pathlib import Path

import nets
import numpy as np
import pytest
import reference
import torch
from safetensors.numpy import load_file, save_file

from converter import (
    CheckpointError,
    FamilyError,
    OutputError,
    UsageError,
    convert,
    rename,
    revert,
    verify,
)
from converter.checkpoint.header import read_contents


def there_and_back(weights: Path, **options) -> bytes:
    checkpoint = convert(weights, weights.with_name("there.safetensors"), **options).output
    result = revert(checkpoint, weights.with_name("back.weights"))
    assert result.verified
    assert result.identical
    data = result.output.read_bytes()
    assert result.sha256 == hashlib.sha256(data).hexdigest()
    return data


class TestRoundTrip:
    def test_the_sample(self, sample):
        assert there_and_back(sample.weights) == sample.weights.read_bytes()

    @pytest.mark.parametrize(
        "text",
        [
            nets.yolov3(2, 5, spp=True),
            nets.yolov3(2, 5, levels=5, merge=(4, 4, 4, 8)),
            nets.classifier(2, 7),
            "\n".join([nets.net(64), *nets.darknet53(2)]),
        ],
    )
    def test_relatives(self, make, text):
        files = make(text)
        assert there_and_back(files.weights) == files.weights.read_bytes()

    @pytest.mark.parametrize("version", [(0, 2, 0), (0, 2, 5), (0, 1, 0), (1, 0, 7)])
    def test_heads(self, toy, version):
        data = toy.weights.read_bytes()
        start = np.array(version, "<i4").tobytes()
        seen = bytes(range(1, 9)) if version != (0, 1, 0) else bytes(range(1, 5))
        toy.weights.write_bytes(start + seen + data[20:])
        assert there_and_back(toy.weights) == toy.weights.read_bytes()

    def test_a_backbone_file(self, sample):
        end = next(20 + 4 * e.first for e in reference.layout(sample.text) if e.layer == 75)
        sample.weights.write_bytes(sample.weights.read_bytes()[:end])
        assert there_and_back(sample.weights, partial=True) == sample.weights.read_bytes()

    def test_nan_payloads(self, toy):
        data = bytearray(toy.weights.read_bytes())
        data[20:32] = np.array([0x7F800001, 0xFFC12345, 0x80000000], "<u4").tobytes()
        toy.weights.write_bytes(data)
        assert there_and_back(toy.weights) == data

    def test_connected_matrices_of_a_transposed_file(self, tmp_path):
        """With minor > 1000 the file holds (in, out): pj parser.c:1243."""
        (tmp_path / "x.cfg").write_text(
            "[net]\ninputs=3\n[connected]\noutput=2\nactivation=linear\n"
        )
        values = np.arange(8, dtype="<f4")  # 2 biases, then 3 rows of 2
        weights = tmp_path / "x.weights"
        head = np.array([0, 1001, 0, 7], "<i4").tobytes()
        weights.write_bytes(head + values.tobytes())
        assert there_and_back(weights) == weights.read_bytes()
        (matrix,) = (v for k, v in load_file(tmp_path / "there.safetensors").items() if v.ndim == 2)
        np.testing.assert_array_equal(matrix, [[2, 4, 6], [3, 5, 7]])

    def test_flipped_kernels(self, tmp_path):
        """``flipped`` stores the (n, c * k * k) matrix transposed: pj parser.c:1206."""
        (tmp_path / "x.cfg").write_text(
            "[net]\nwidth=4\nheight=4\nchannels=2\n[convolutional]\nfilters=3\nflipped=1\n"
        )
        values = np.arange(9, dtype="<f4")  # 3 biases, then 2 channels of 3 filters
        weights = tmp_path / "x.weights"
        weights.write_bytes(np.array([0, 2, 0, 0, 0], "<i4").tobytes() + values.tobytes())
        assert there_and_back(weights) == weights.read_bytes()
        kernel = load_file(tmp_path / "there.safetensors")["layers.0.conv.weight"]
        np.testing.assert_array_equal(kernel.reshape(3, 2), [[3, 6], [4, 7], [5, 8]])


class TestChanged:
    def test_a_changed_tensor_shows_in_the_file(self, sample):
        checkpoint = convert(sample.weights).output
        tensors = dict(load_file(checkpoint))
        tensors["heads.0.conv.bias"] = tensors["heads.0.conv.bias"] + 1
        save_file(tensors, checkpoint, read_contents(checkpoint).metadata)
        result = revert(checkpoint, sample.weights.with_name("back.weights"))
        assert (result.verified, result.identical) == (True, False)
        old = reference.read(sample.text, sample.weights)
        new = reference.read(sample.text, result.output)
        for key, values in old.items():
            shift = 1 if key == (105, "biases") else 0
            np.testing.assert_array_equal(new[key], values + np.float32(shift))

    @pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
    def test_rounded_values_need_force(self, sample, dtype):
        result = convert(sample.weights, dtype=dtype)
        assert read_contents(result.output).metadata["lossless"] == "false"
        assert verify(sample.weights, result.output).ok
        back = sample.weights.with_name("back.weights")
        with pytest.raises(CheckpointError, match=f"holds {dtype} values"):
            revert(result.output, back)
        revert(result.output, back, force=True)
        rounded = getattr(torch, dtype)
        old = reference.read(sample.text, sample.weights)
        largest = 0.0
        for key, values in reference.read(sample.text, back).items():
            expected = torch.from_numpy(old[key]).to(rounded).float().numpy()
            np.testing.assert_array_equal(values, expected)
            largest = max(largest, float(np.abs(expected - old[key]).max()))
        assert result.max_error == largest

    def test_overflow_names_the_tensor(self, toy):
        data = bytearray(toy.weights.read_bytes())
        data[20:24] = np.array([1e6], "<f4").tobytes()
        toy.weights.write_bytes(data)
        with pytest.raises(OutputError, match="1e\\+06 does not fit into float16") as caught:
            convert(toy.weights, dtype="float16")
        assert caught.value.place == "layers.0.bn.bias"
        assert not toy.checkpoint.exists()


class TestStrangers:
    """Safetensors without our metadata: a state dict that somebody saved."""

    @pytest.mark.parametrize("family", ["yolov3", "generic"])
    def test_a_state_dict_needs_a_cfg(self, sample, tmp_path, family):
        checkpoint = convert(sample.weights, family=family).output
        tensors = dict(load_file(checkpoint))
        tensors["backbone.stem.0.bn.num_batches_tracked"] = np.array(3)
        plain = tmp_path / "plain.safetensors"
        save_file(tensors, plain)
        with pytest.raises(CheckpointError, match="does not say which network") as caught:
            revert(plain)
        assert "with cfg=" in caught.value.remedy
        for dialect, revision in (("auto", 0), ("pjreddie", 0), ("alexeyab", 5)):
            result = revert(plain, cfg=sample.cfg, dialect=dialect, force=True)
            head = np.array([0, 2, revision, 0, 0], "<i4").tobytes()
            assert result.output.read_bytes() == head + sample.weights.read_bytes()[20:]
            assert result.identical is None

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            (lambda t: t.pop("heads.1.conv.bias"), "lacks 1 tensors of family yolov3"),
            (lambda t: t.update(x=np.zeros(1, "<f4")), "has 1 tensors that its network lacks"),
            (lambda t: t.update({"heads.1.conv.bias": np.zeros(3, "<f4")}), r"is F32 \(3,\), not"),
            (lambda t: t.update({"heads.1.conv.bias": np.zeros(24, "<f8")}), "holds F"),
        ],
    )
    def test_what_does_not_fit(self, sample, tmp_path, change, message):
        tensors = dict(load_file(convert(sample.weights).output))
        change(tensors)
        plain = tmp_path / "plain.safetensors"
        save_file(tensors, plain)
        with pytest.raises(CheckpointError, match=message):
            revert(plain, cfg=sample.cfg)
        assert not plain.with_suffix(".weights").exists()


class TestTarget:
    @pytest.mark.parametrize("name", [".", "", "/", ".."])
    def test_a_folder(self, name, tmp_path):
        message = r"is a directory \(give a \.safetensors file\)$"
        with pytest.raises(CheckpointError, match=message):
            revert(name)
        with pytest.raises(CheckpointError, match=message):
            rename(name, tmp_path / "x.safetensors")

    def test_up_to_date_and_force(self, sample):
        checkpoint = convert(sample.weights).output
        assert revert(checkpoint).status == "up to date"
        data = bytearray(sample.weights.read_bytes())
        data[12] ^= 1
        sample.weights.write_bytes(data)
        with pytest.raises(OutputError, match="exists already"):
            revert(checkpoint)
        assert revert(checkpoint, force=True).identical

    def test_article_cannot_go_back(self, sample):
        checkpoint = convert(sample.weights, family="article").output
        with pytest.raises(CheckpointError, match="article's wiring"):
            revert(checkpoint, force=True)

    def test_the_cfg_of_another_network(self, sample, tmp_path):
        """The remedy was another scheme of names, which contradicts the checkpoint."""
        other = tmp_path / "other.cfg"
        other.write_text("[net]\nwidth=8\nheight=8\nchannels=3\n[convolutional]\nfilters=4\n")
        stored = convert(sample.weights).output
        with pytest.raises(FamilyError, match="is not a YOLOv3") as caught:
            revert(stored, tmp_path / "back.weights", cfg=other)
        assert caught.value.remedy == "give the cfg it was made with, or leave cfg= out"
        assert revert(stored, tmp_path / "back.weights").identical

    def test_a_dialect_that_contradicts(self, sample):
        with pytest.raises(UsageError, match="contradicts"):
            revert(convert(sample.weights).output, dialect="alexeyab")

    def test_the_cfg_is_that_of_the_conversion_with_what_is_for_training(self, sample, tmp_path):
        text = sample.cfg.read_text().replace("[net]", "[net]\nmax_batches=4000  # steps")
        written = text.replace("\n", "\r\n").encode()
        sample.cfg.write_bytes(written)
        checkpoint = convert(sample.weights).output
        sample.cfg.unlink()
        revert(checkpoint, cfg_out=tmp_path / "own.cfg")
        assert (tmp_path / "own.cfg").read_bytes() == written
        revert(checkpoint, cfg_out=tmp_path / "own.cfg")  # the same again is no conflict
        (tmp_path / "own.cfg").write_text("precious")
        with pytest.raises(OutputError, match="exists already"):
            revert(checkpoint, cfg_out=tmp_path / "own.cfg")

    def test_a_cfg_that_would_replace_something_else(self, sample, tmp_path):
        checkpoint = convert(sample.weights, tmp_path / "a.safetensors").output
        before = checkpoint.read_bytes(), sample.cfg.read_bytes()
        target = tmp_path / "back.weights"
        for cfg_out in (checkpoint, target, sample.cfg):
            with pytest.raises(UsageError, match="is an input, or another output"):
                revert(checkpoint, target, cfg=sample.cfg, cfg_out=cfg_out, force=True)
        assert (checkpoint.read_bytes(), sample.cfg.read_bytes()) == before
        assert not target.exists()

    def test_no_cfg_is_left_behind_by_a_refusal(self, sample, tmp_path):
        checkpoint = convert(sample.weights).output
        (tmp_path / "back.weights").write_text("precious")
        with pytest.raises(OutputError, match="exists already"):
            revert(checkpoint, tmp_path / "back.weights", cfg_out=tmp_path / "own.cfg")
        with pytest.raises(OutputError, match="cannot be written"):
            revert(checkpoint, tmp_path / "none" / "back.weights", cfg_out=tmp_path / "own.cfg")
        with pytest.raises(OutputError, match="a zero byte in its name"):
            revert(checkpoint, "a\0b.weights", cfg_out=tmp_path / "own.cfg")
        assert not (tmp_path / "own.cfg").exists()
        (tmp_path / "own.cfg").write_text("precious")
        with pytest.raises(OutputError, match=r"own\.cfg: exists already"):
            revert(checkpoint, tmp_path / "new.weights", cfg_out=tmp_path / "own.cfg")
        assert not (tmp_path / "new.weights").exists()
