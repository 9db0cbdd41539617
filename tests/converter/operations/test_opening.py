"""A .weights file opened as the checkpoint that it would become."""

import os
import shutil
from pathlib import Path

import nets
import numpy as np
import pytest
from safetensors.numpy import load_file

from converter import CfgError, CheckpointError, WeightsError, convert
from converter.diagnosis import health
from converter.operations.opening import open_stored

HEADS = Path(__file__).parents[2] / "data" / "heads"
ONE_HEAD = HEADS / "yolo.weights"
NETWORKS = {
    "yolov3": (nets.yolov3(1, 2, size=64), {}, "auto"),
    "tiny": (nets.tiny(1, 2, size=64), {}, "auto"),
    "classifier": (nets.classifier(1, 5, size=64), {}, "auto"),
    "generic": (nets.yolov3(1, 2, size=64), {}, "generic"),
    "article": (nets.yolov3(1, 2, size=64), {}, "article"),
    "another port": (nets.yolov3(1, 2, size=64), {}, "mmdet"),
    "with rules": (nets.modern(nets.yolov3(1, 2, size=64)), {"version": (0, 2, 5)},
                   "ultralytics-v5"),
}  # fmt: skip


@pytest.mark.parametrize("network", NETWORKS)
def test_it_is_what_it_would_become(make, network):
    text, options, family = NETWORKS[network]
    files = make(text, **options)
    files.cfg.with_suffix(".names").write_text("".join(f"name {i}\n" for i in range(2)))
    if network == "classifier":
        files.cfg.with_suffix(".names").unlink()
    require_same(files.weights, family)


def require_same(weights, family):
    before = sorted(os.listdir(weights.parent))
    stored = open_stored(weights, family=family)
    assert sorted(os.listdir(weights.parent)) == before
    written = convert(weights, family=family).output
    converted = open_stored(written)
    assert stored.claims == converted.claims  # the file's hash included
    assert stored.plan.slots == converted.plan.slots
    assert stored.contents.entries.keys() == converted.contents.entries.keys()
    assert stored.contents.shapes == converted.contents.shapes
    with stored.tensors() as tensors:
        for name, values in load_file(written).items():
            mine = tensors.array(name)
            assert mine.shape == values.shape
            np.testing.assert_array_equal(mine.view("<u4"), values.view("<u4"))
        for slot in stored.plan.tensors:
            tensors.require(slot)
            rows = tensors.rows(slot)(1, 2)
            wanted = load_file(written)[slot.tensor].reshape(slot.shape[0], -1)[1:3]
            np.testing.assert_array_equal(rows, wanted.view("<u4"))


def test_it_says_what_convert_says(toy, caplog):
    """Of its values as well: all of them are looked at."""
    caplog.set_level("INFO", "converter")
    data = bytearray(toy.weights.read_bytes())
    data[-4:] = np.float32(np.nan).tobytes()
    toy.weights.write_bytes(data)
    convert(toy.weights, dry_run=True)
    wanted = caplog.messages
    assert any("weights of layer 1 [convolutional]" in line for line in wanted)
    caplog.clear()
    open_stored(toy.weights)
    assert caplog.messages == wanted


def test_files_that_are_given_count_before_those_beside_it(sample, tmp_path):
    sample.cfg.rename(tmp_path / "other.cfg")
    (tmp_path / "other.names").write_text("a\nb\nc\n")
    stored = open_stored(sample.weights, tmp_path / "other.cfg", tmp_path / "other.names")
    assert stored.class_names == ["a", "b", "c"]
    assert stored.inputs == (sample.weights, tmp_path / "other.cfg", tmp_path / "other.names")


def test_names_of_a_checkpoint(sample, tmp_path):
    names = tmp_path / "other.names"
    names.write_text("a\nb\nc\n")
    written = convert(sample.weights).output
    assert open_stored(written).class_names == ["circle", "square", "triangle"]
    assert open_stored(written, names=names).metadata.names == ["a", "b", "c"]
    names.write_text("a\nb\n")
    with pytest.raises(CfgError, match="2"):
        open_stored(written, names=names)


class TestRefusals:
    def test_a_folder_that_save_pretrained_did_not_write(self, tmp_path):
        """As of pictures, given before the weights."""
        with pytest.raises(CheckpointError) as refused:
            open_stored(tmp_path)
        assert str(refused.value) == (
            f"{tmp_path}: is a directory without model.safetensors"
            " (give the file of weights, which comes first)"
        )

    def test_its_size(self, toy):
        toy.weights.write_bytes(toy.weights.read_bytes()[:-4])
        with pytest.raises(WeightsError, match="bytes") as refused:
            open_stored(toy.weights)
        with pytest.raises(WeightsError) as wanted:
            convert(toy.weights)
        assert str(refused.value) == str(wanted.value)

    def test_an_end_after_a_layer_is_for_those_who_ask_for_it(self, toy):
        # 20 of the header, 4 * 4 + 4 * 3 * 9 floats of the first convolution
        toy.weights.write_bytes(toy.weights.read_bytes()[: 20 + 4 * 124])
        with pytest.raises(WeightsError, match="ends after layer 0 of 1"):
            open_stored(toy.weights)
        assert open_stored(toy.weights, partial=True).metadata.cutoff == 1

    def test_it_changes_while_it_is_examined(self, toy, monkeypatch):
        class Touching(health.Survey):
            def complete(self, source):
                os.utime(toy.weights, ns=(0, source.changed_at + 10**9))
                return super().complete(source)

        monkeypatch.setattr(health, "Survey", Touching)
        with pytest.raises(WeightsError, match="changed while it was read"):
            open_stored(toy.weights)

    def test_no_such_file(self, tmp_path):
        with pytest.raises(WeightsError, match=r"yolov3.weights: no such file \(download it: "):
            open_stored(tmp_path / "yolov3.weights")


class TestWhatItIs:
    @pytest.mark.parametrize("name", ["net.safetensors", "net.weights", "net"])
    def test_a_checkpoint_by_any_name(self, tmp_path, name):
        shutil.copyfile(ONE_HEAD, tmp_path / "x.weights")
        shutil.copyfile(HEADS / "yolo.cfg", tmp_path / "x.cfg")
        written = convert(tmp_path / "x.weights", tmp_path / "y.safetensors", dialect="alexeyab")
        written.output.rename(tmp_path / name)
        assert open_stored(tmp_path / name).metadata.dialect == "alexeyab"

    def test_weights_under_a_checkpoints_name(self, tmp_path):
        shutil.copyfile(ONE_HEAD, tmp_path / "net.safetensors")
        with pytest.raises(CheckpointError, match="is not a safetensors file"):
            open_stored(tmp_path / "net.safetensors")
