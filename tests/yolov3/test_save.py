"""A model in memory goes back to Darknet."""

import numpy as np
import pytest
import reference
import torch

from converter import CheckpointError, OutputError, UsageError, convert, revert
from yolov3 import FPN, Darknet53, YOLOv3, load, save
from yolov3.parity.engines import Darknet


def built() -> YOLOv3:
    """The sample's model, built by hand."""
    backbone = Darknet53(num_classes=None, width=2)
    return YOLOv3(backbone, FPN(backbone.channels), 3).eval()


def test_an_unchanged_model_gives_its_file_back(sample, tmp_path):
    save(load(convert(sample.weights).output), tmp_path / "back.weights")
    assert (tmp_path / "back.weights").read_bytes() == sample.weights.read_bytes()


def test_an_unchanged_model_gives_its_checkpoint_back(sample, tmp_path):
    checkpoint = convert(sample.weights).output
    save(load(checkpoint), tmp_path / "again.safetensors")
    assert (tmp_path / "again.safetensors").read_bytes() == checkpoint.read_bytes()


@pytest.mark.parametrize("dialect", ["pjreddie", "alexeyab"])
def test_a_model_built_by_hand_needs_a_cfg(sample, tmp_path, dialect):
    model = built()
    with pytest.raises(UsageError, match=r"needs its cfg|comes from no checkpoint"):
        save(model.state_dict(), tmp_path / "x.weights")
    with pytest.raises(CheckpointError, match="comes from no checkpoint"):
        save(model, tmp_path / "x.weights")
    save(model, tmp_path / "x.weights", cfg=sample.cfg, dialect=dialect)
    revision = {"pjreddie": 0, "alexeyab": 5}[dialect]
    head = (tmp_path / "x.weights").read_bytes()[:20]
    assert head == np.array([0, 2, revision, 0, 0], "<i4").tobytes()
    arrays = reference.read(sample.text, tmp_path / "x.weights")
    np.testing.assert_array_equal(arrays[105, "biases"], model.heads[0].conv.bias.detach())
    np.testing.assert_array_equal(arrays[0, "weights"], model.backbone.stem[0].conv.weight.detach())


@pytest.mark.engine
def test_darknet_reads_what_was_saved(sample, tmp_path):
    torch.manual_seed(0)
    model = built()
    save(model, tmp_path / "x.weights", cfg=sample.cfg)
    x = np.random.default_rng(0).random((3, 192, 192), dtype=np.float32)
    theirs = Darknet(sample.cfg, tmp_path / "x.weights").run(x)
    with torch.no_grad():
        maps = model(torch.from_numpy(x)[None])
    for ours, layer in zip(reversed(maps), (81, 93, 105), strict=True):
        error = np.linalg.norm(ours[0].numpy() - theirs[layer]) / np.linalg.norm(theirs[layer])
        assert error <= 5e-4  # the model has PyTorch's batch norm, not pjreddie's


def test_a_state_dict(sample, tmp_path):
    state = load(convert(sample.weights, family="generic").output).state_dict()
    save(state, tmp_path / "x.weights", cfg=sample.cfg)
    assert (tmp_path / "x.weights").read_bytes()[20:] == sample.weights.read_bytes()[20:]
    save(state, tmp_path / "x.safetensors", cfg=sample.cfg)
    assert load(tmp_path / "x.safetensors").network.classes == 3


@pytest.mark.parametrize("suffix", [".weights", ".safetensors"])
def test_the_counter_can_be_set(sample, tmp_path, suffix):
    model = load(convert(sample.weights).output)
    save(model, tmp_path / f"x{suffix}", seen=64)
    if suffix == ".safetensors":
        revert(tmp_path / "x.safetensors")
    data = sample.weights.read_bytes()
    assert (tmp_path / "x.weights").read_bytes() == data[:12] + bytes([64] + 7 * [0]) + data[20:]


class TestRefusals:
    # A header of version 0.2 has 8 bytes for it: pj parser.c:1230.
    @pytest.mark.parametrize("seen", [-1, 2**64])
    def test_a_counter_that_no_header_holds(self, sample, tmp_path, seen):
        with pytest.raises(UsageError, match=rf"seen={seen} is outside 0 to 2\^64 - 1"):
            save(load(convert(sample.weights).output), tmp_path / "x.weights", seen=seen)
        assert not (tmp_path / "x.weights").exists()

    def test_an_existing_file(self, sample, tmp_path):
        model = load(convert(sample.weights).output)
        (tmp_path / "x.weights").write_bytes(b"precious")
        with pytest.raises(OutputError, match="exists already"):
            save(model, tmp_path / "x.weights")
        assert (tmp_path / "x.weights").read_bytes() == b"precious"
        save(model, tmp_path / "x.weights", force=True)
        assert (tmp_path / "x.weights").read_bytes() == sample.weights.read_bytes()

    def test_another_suffix(self, sample, tmp_path):
        with pytest.raises(UsageError, match=r"neither \.weights nor \.safetensors"):
            save(load(convert(sample.weights).output), tmp_path / "x.pt")

    def test_a_half_precision_model(self, sample, tmp_path):
        model = load(convert(sample.weights).output).half()
        with pytest.raises(CheckpointError, match=r"is torch.float16 .*Darknet's is float32"):
            save(model, tmp_path / "x.weights")
        assert not (tmp_path / "x.weights").exists()

    def test_a_surplus_tensor(self, sample, tmp_path):
        state = {**built().state_dict(), "more": torch.zeros(1)}
        with pytest.raises(CheckpointError, match="has 1 tensors that its network lacks"):
            save(state, tmp_path / "x.weights", cfg=sample.cfg)

    def test_names_of_another_number(self, sample, tmp_path):
        """load() would refuse what was written."""
        model = load(convert(sample.weights).output)
        model.names = ["circle", "square"]
        with pytest.raises(CheckpointError, match="has 2 class names, the network has 3 classes"):
            save(model, tmp_path / "x.safetensors")
        assert not (tmp_path / "x.safetensors").exists()
