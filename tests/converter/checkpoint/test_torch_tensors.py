"""Files of PyTorch's as checkpoints: those that we write, and those of training programs."""

import sys
from types import ModuleType

import nets
import numpy as np
import pytest
import reference
import torch
from safetensors.numpy import load_file, save_file
from safetensors.torch import save_file as save_tensors

from converter import CheckpointError, OutputError, UsageError, convert, revert, verify
from converter.checkpoint import torch_tensors
from converter.checkpoint.metadata import NetworkUnknown
from converter.checkpoint.torch_tensors import read_torch
from converter.errors import ExtraError
from converter.operations.info import describe
from yolov3 import load

TEXT = nets.tiny(1, 2, size=64)
NAME = "module_list.0.conv_0.weight"


@pytest.fixture
def files(make):
    return make(TEXT)


@pytest.fixture
def written(files):
    return convert(files.weights, files.weights.with_name("x.pth"), family="pytorchyolo").output


def back(files, path, **options):
    """The floats of the .weights file that ``path`` goes back to, and whether they are its own."""
    target = files.weights.with_name("back.weights")
    found = revert(path, target, cfg=files.cfg, force=True, **options)
    return found, target.read_bytes()[20:] == files.weights.read_bytes()[20:]


class TestWriting:
    @pytest.mark.parametrize("suffix", [".pt", ".pth"])
    def test_a_plain_state_dict(self, files, suffix):
        made = convert(files.weights, files.weights.with_name("x" + suffix), family="pytorchyolo")
        assert (made.status, made.verified) == ("converted", True)
        tensors = torch.load(made.output, weights_only=True)
        assert type(tensors) is dict
        same = convert(files.weights, family="pytorchyolo").output
        expected = load_file(same)
        assert list(tensors) == [slot.tensor for slot in made.plan.slots]
        for name, tensor in tensors.items():
            assert tensor.dtype == torch.float32
            np.testing.assert_array_equal(tensor.numpy(), expected[name])

    def test_the_same_again_is_up_to_date(self, files, written):
        before = written.stat().st_mtime_ns
        again = convert(files.weights, written, family="pytorchyolo")
        assert (again.status, written.stat().st_mtime_ns) == ("up to date", before)

    def test_another_file_is_kept_without_force(self, files, written):
        with pytest.raises(OutputError, match="exists already, and is not this conversion"):
            convert(files.weights, written, family="ultralytics")
        made = convert(files.weights, written, family="ultralytics", force=True)
        assert made.status == "converted"

    def test_a_dry_run_writes_nothing(self, files):
        target = files.weights.with_name("x.pth")
        made = convert(files.weights, target, family="pytorchyolo", dry_run=True)
        assert made.status == "dry run"
        assert not target.exists()

    @pytest.mark.parametrize("family", ["auto", "generic", "yolov3"])
    def test_our_own_names_are_for_safetensors(self, files, family):
        with pytest.raises(UsageError) as caught:
            convert(files.weights, files.weights.with_name("x.pt"), family=family)
        assert "is a PyTorch file's name" in str(caught.value)
        assert "with family=: bubbliiiing, dena" in str(caught.value)

    def test_a_smaller_type_is_for_safetensors(self, files):
        with pytest.raises(UsageError, match="float16 is for safetensors"):
            convert(files.weights, files.weights.with_name("x.pt"), family="mmdet", dtype="float16")

    def test_without_pytorch(self, files, monkeypatch):
        monkeypatch.setitem(sys.modules, "torch", None)
        target = files.weights.with_name("x.pth")
        with pytest.raises(ExtraError, match=r"needs PyTorch \(pip install torch\)"):
            convert(files.weights, target, family="pytorchyolo")
        assert not target.exists()


class TestReading:
    def test_it_goes_back_and_is_verified(self, files, written):
        found, same = back(files, written)
        assert same
        assert (found.plan.naming.family, found.verified, found.identical) == (
            "pytorchyolo", True, None,
        )  # fmt: skip
        result = verify(files.weights, written, cfg=files.cfg)
        assert result.ok
        assert result.claims == ()
        assert result.as_dict()["header"] is None

    def test_class_names_have_nothing_to_be_compared_with(self, files, written):
        names = files.weights.with_suffix(".names")
        names.write_text("a\nb\n")
        result = verify(files.weights, written, cfg=files.cfg, names=names)
        assert [(claim.name, claim.ok) for claim in result.claims] == [("names", None)]

    def test_pytorch_is_not_needed(self, files, written, monkeypatch):
        monkeypatch.setitem(sys.modules, "torch", None)
        assert back(files, written)[1]

    def test_what_is_in_it_is_found_once(self, files, written, monkeypatch):
        reading = []
        monkeypatch.setattr(
            torch_tensors, "read_torch", lambda path: reading.append(path) or read_torch(path)
        )
        assert verify(files.weights, written, cfg=files.cfg).ok
        assert describe(written, cfg=files.cfg).problem is None
        assert reading == [written, written]  # each of the two

    def test_a_changed_value_is_found(self, files, written):
        tensors = torch.load(written)
        tensors[NAME][0, 0, 0, 0] += 1
        torch.save(tensors, written)
        (wrong,) = verify(files.weights, written, cfg=files.cfg).comparison.mismatched
        assert wrong == NAME

    @pytest.mark.parametrize(
        ("wrap", "where"),
        [
            (lambda t: {"epoch": 3, "state_dict": t}, "those under state_dict"),
            (lambda t: {"model": {n: v + 1 for n, v in t.items()}, "ema": t},
             "those under ema (moving averages of the weights), not those under model"),
            (lambda t: {"model": {f"module.{n}": v for n, v in t.items()}}, "those under model"),
            (lambda t: {f"module.{n}": v for n, v in t.items()}, ""),
        ],
    )  # fmt: skip
    def test_what_training_programs_put_around_them(self, files, written, caplog, wrap, where):
        tensors = torch.load(written)
        tensors["module_list.0.batch_norm_0.num_batches_tracked"] = torch.tensor(7)
        tensors["module_list.16.yolo_16.anchors"] = torch.ones(3, 2)
        torch.save(wrap(tensors), written)
        assert read_torch(written).where == where
        with caplog.at_level("INFO"):
            assert back(files, written)[1]
        assert (f"tensors: {where}" in caplog.text) == bool(where)
        assert "family: pytorchyolo, by the names of its tensors" in caplog.text
        assert describe(written, cfg=files.cfg).where == (where or None)

    def test_a_pickled_module_whose_class_is_gone(self, files, written, monkeypatch):
        program = ModuleType("models")

        class Darknet(torch.nn.Module):
            pass

        Darknet.__module__, Darknet.__qualname__ = "models", "Darknet"
        program.Darknet = Darknet
        monkeypatch.setitem(sys.modules, "models", program)
        model = Darknet()
        for name, tensor in torch.load(written).items():
            *path, last = name.split(".")
            part = model
            for step in path:
                if step not in part._modules:
                    part.add_module(step, torch.nn.Module())
                part = part._modules[step]
            part.register_buffer(last, tensor)
        torch.save({"model": model}, written)
        monkeypatch.delitem(sys.modules, "models")
        assert read_torch(written).where == "those under model, those of a pickled models.Darknet"
        assert back(files, written)[1]

    def test_half_precision_goes_back_as_it_is(self, files, written):
        """It was trained so: no float32 values were lost."""
        tensors = {name: tensor.half() for name, tensor in torch.load(written).items()}
        torch.save(tensors, written)
        target = files.weights.with_name("back.weights")
        revert(written, target, cfg=files.cfg)
        arrays, exact = (reference.read(TEXT, path) for path in (target, files.weights))
        for place, values in arrays.items():
            np.testing.assert_array_equal(values, exact[place].astype("<f2"))
        assert verify(target, written, cfg=files.cfg).ok

    @pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
    def test_the_model_is_that_of_safetensors(self, files, written, dtype):
        tensors = {name: tensor.to(dtype) for name, tensor in torch.load(written).items()}
        torch.save(tensors, written)
        same = written.with_suffix(".safetensors")
        save_tensors(tensors, same)
        ours, theirs = load(written, cfg=files.cfg), load(same, cfg=files.cfg)
        for a, b in zip(ours.parameters(), theirs.parameters(), strict=True):
            assert a.dtype == dtype
            assert torch.equal(a, b)

    def test_tensors_of_another_network(self, files, written, make):
        other = make(nets.tiny(2, 2, size=64), "other")
        with pytest.raises(CheckpointError, match=r"module_list\.0\.\S+: is F32 \(1,\), not"):
            revert(written, cfg=other.cfg)

    def test_what_is_no_checkpoint(self, tmp_path):
        path = tmp_path / "x.pth"
        path.write_bytes(b"[net]\n")
        with pytest.raises(CheckpointError, match="is no PyTorch file by its first bytes"):
            revert(path)

    def test_a_network_that_nothing_says(self, written):
        with pytest.raises(NetworkUnknown, match="does not say which network it is"):
            revert(written)


class TestRecognition:
    """Without a cfg: as many values as a published network, and its shapes under its names."""

    @pytest.fixture
    def published(self, tmp_path):
        """YOLOv3-tiny of full width with 2 classes, all zeros but for what must not be."""
        text = nets.tiny(16, 2)
        (tmp_path / "net.cfg").write_text(text)
        values = np.zeros(reference.floats(text), "<f4")
        for entry in reference.layout(text):
            if entry.kind == "rolling_variance":
                values[entry.first : entry.first + entry.shape[0]] = 1
        weights = tmp_path / "net.weights"
        head = np.array([0, 2, 0, 0, 0], "<i4").tobytes()
        weights.write_bytes(head + values.tobytes())
        made = convert(weights, tmp_path / "x.pth", family="ultralytics").output
        (tmp_path / "net.cfg").unlink()
        return weights, made

    @pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
    def test_it_needs_no_cfg(self, published, suffix, caplog):
        weights, made = published
        path = made.with_suffix(suffix)
        if suffix == ".safetensors":
            save_file({name: t.numpy() for name, t in torch.load(made).items()}, path)
        target = path.with_name("back.weights")
        with caplog.at_level("INFO"):
            revert(path, target)
        assert target.read_bytes() == weights.read_bytes()
        assert "network: yolov3-tiny with 2 classes, recognised by the names and the" in caplog.text
        assert describe(path).as_dict()["family"] == "ultralytics"
        assert len(load(path).anchors) == 2

    def test_one_that_has_other_shapes(self, published):
        _, made = published
        tensors = torch.load(made)
        name = "module_list.0.Conv2d.weight"
        tensors[name] = tensors[name].reshape(3, 16, 3, 3)
        torch.save(tensors, made)
        with pytest.raises(NetworkUnknown):
            revert(made)
