"""A model in memory goes back to Darknet."""

import copy
from dataclasses import replace
from pathlib import Path

import darknet_detector
import numpy as np
import pytest
import reference
import torch
from safetensors.numpy import load_file
from torch import nn

from converter import CheckpointError, OutputError, UsageError, convert, rename, revert
from converter.checkpoint.checkpoint import Checkpoint
from yolov3 import FPN, Darknet53, YOLOv3, detect, load, save
from yolov3.parity.engines import Darknet

DATA = Path(__file__).parents[1] / "data"


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


def test_what_its_checkpoint_assumed_stays_assumed(sample, tmp_path):
    """As of a file without a cfg, whose size alone told the architecture."""
    model = load(convert(sample.weights).output)
    assumed = {"architecture": "yolov3", "width": 192, "height": 192}
    model.metadata = replace(model.metadata, assumed=assumed)
    save(model, tmp_path / "again.safetensors")
    assert Checkpoint.open(tmp_path / "again.safetensors").metadata.assumed == assumed
    save(model, tmp_path / "known.safetensors", cfg=sample.cfg)
    assert Checkpoint.open(tmp_path / "known.safetensors").metadata.assumed == {}


def test_another_network_is_not_the_one_that_was_assumed(sample, tmp_path):
    """Its cfg says its anchors; rename() would look for the published ones by the file's size."""
    model = load(convert(sample.weights).output, model_class=YOLOv3)
    assumed = {"architecture": "yolov3", "width": 192, "height": 192}
    model.metadata = replace(model.metadata, assumed=assumed)
    anchors = [(5.0 + i, 6.0 + i) for i in range(9)]
    model.replace_heads(7, anchors=anchors)
    save(model, tmp_path / "again.safetensors")
    stored = Checkpoint.open(tmp_path / "again.safetensors")
    assert stored.metadata.assumed == {}
    rename(tmp_path / "again.safetensors", tmp_path / "other.safetensors", family="generic")
    kept = load(tmp_path / "other.safetensors").anchors
    assert kept == model.anchors == load(tmp_path / "again.safetensors").anchors


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


def compiled(model: nn.Module) -> nn.Module:
    """In torch.compile's shell, which compiles nothing before it is called."""
    return torch.compile(model, backend="eager")


@pytest.mark.parametrize(
    "shell", [nn.DataParallel, compiled, lambda model: compiled(nn.DataParallel(model))]
)
@pytest.mark.parametrize("cfg", [False, True])
def test_a_model_in_a_shell(sample, tmp_path, shell, cfg):
    model = shell(load(convert(sample.weights).output))
    save(model, tmp_path / "x.weights", cfg=sample.cfg if cfg else None)
    assert (tmp_path / "x.weights").read_bytes()[20:] == sample.weights.read_bytes()[20:]


def test_a_state_dict_from_a_shell(sample, tmp_path):
    checkpoint = convert(sample.weights).output
    state = nn.DataParallel(load(checkpoint)).state_dict()
    save(state, tmp_path / "x.safetensors", cfg=sample.cfg)
    assert load_file(tmp_path / "x.safetensors").keys() == load_file(checkpoint).keys()
    assert load(tmp_path / "x.safetensors").network.classes == 3


@pytest.mark.parametrize("suffix", [".weights", ".safetensors"])
def test_the_counter_can_be_set(sample, tmp_path, suffix):
    model = load(convert(sample.weights).output)
    save(model, tmp_path / f"x{suffix}", seen=64)
    if suffix == ".safetensors":
        revert(tmp_path / "x.safetensors")
    data = sample.weights.read_bytes()
    assert (tmp_path / "x.weights").read_bytes() == data[:12] + bytes([64] + 7 * [0]) + data[20:]


class TestAllThatDarknetNeeds:
    """.weights, .cfg and .names in one call."""

    @pytest.fixture
    def model(self, sample) -> YOLOv3:
        """The sample with anchors twice as large and other names, its heads as they were."""
        model = load(convert(sample.weights).output)
        heads = copy.deepcopy(model.heads)
        anchors = [(2 * w, 2 * h) for level in model.anchors for w, h in level]
        model.replace_heads(3, names=["circle", "box", "wedge"], anchors=anchors)
        model.heads = heads
        return model.eval()

    def test_the_three_files(self, model, sample, tmp_path):
        out = tmp_path / "out"
        out.mkdir()
        save(model, out / "net.weights", cfg_out=out / "net.cfg", names_out=out / "net.names")
        assert sorted(path.name for path in out.iterdir()) == [
            "net.cfg",
            "net.names",
            "net.weights",
        ]
        assert (out / "net.names").read_text() == "circle\nbox\nwedge\n"
        first = "anchors=28,30, 36,34, 44,42, 54,58, 68,64, 84,80, 106,110, 136,130, 184,176"
        old = next(line for line in sample.text.split("\n") if line.startswith("anchors="))
        assert (out / "net.cfg").read_text() == sample.text.replace(old, first)
        again = load(convert(out / "net.weights").output)
        assert (again.names, again.anchors) == (model.names, model.anchors)

    def test_the_cfg_stands_beside_if_the_heads_are_others(self, model, tmp_path):
        """Else darknet would read the file with the cfg of three other classes."""
        out = tmp_path / "out"
        out.mkdir()
        save(model, out / "net.weights")
        assert (out / "net.cfg").read_text() == model.network.text
        again = load(convert(out / "net.weights").output)
        assert again.anchors == model.anchors
        (out / "net.weights").unlink()
        (out / "net.cfg").write_text("precious")
        with pytest.raises(OutputError, match=r"net.cfg: exists already"):
            save(model, out / "net.weights")
        assert not (out / "net.weights").exists()
        save(model, out / "net.weights", cfg_out=out / "other.cfg")
        assert (out / "net.cfg").read_text() == "precious"

    def test_no_cfg_beside_a_checkpoint_nor_for_the_same_network(self, model, sample, tmp_path):
        out = tmp_path / "out"
        out.mkdir()
        save(model, out / "net.safetensors")
        save(load(sample.checkpoint), out / "same.weights")
        assert sorted(path.name for path in out.iterdir()) == ["net.safetensors", "same.weights"]

    @pytest.mark.engine
    def test_darknet_finds_the_very_boxes_with_them(self, model, tmp_path):
        save(
            model, tmp_path / "net.weights",
            cfg_out=tmp_path / "net.cfg", names_out=tmp_path / "net.names",
        )  # fmt: skip
        picture = DATA / "shapes" / "images" / "0003.png"
        (theirs,) = darknet_detector.boxes(
            tmp_path / "net.cfg", tmp_path / "net.weights", 0.5, [picture], 3
        )
        ours = detect(
            load(convert(tmp_path / "net.weights").output, bn="pjreddie-cpu"), picture, 0.5
        )
        assert len(theirs) >= 1
        assert [row[0] for row in theirs] == ours.labels.tolist()
        # Pixels of a picture of some hundreds: darknet's float32 against ours.
        np.testing.assert_allclose([row[2:] for row in theirs], ours.boxes, atol=0.01)

    @pytest.mark.parametrize("there", ["net.weights", "net.cfg", "net.names"])
    def test_one_that_exists_stops_all(self, model, tmp_path, there):
        out = tmp_path / "out"
        out.mkdir()
        (out / there).write_bytes(b"precious")
        files = {"cfg_out": out / "net.cfg", "names_out": out / "net.names"}
        with pytest.raises(OutputError, match="exists already") as caught:
            save(model, out / "net.weights", **files)
        assert caught.value.path == str(out / there)
        assert [path.name for path in out.iterdir()] == [there]
        assert (out / there).read_bytes() == b"precious"
        save(model, out / "net.weights", **files, force=True)
        assert len(list(out.iterdir())) == 3

    @pytest.mark.parametrize(
        ("cfg_out", "names_out"),
        [("x.weights", None), ("x.cfg", "x.cfg"), ("shapes.cfg", None), (None, "shapes.cfg")],
    )
    def test_no_file_is_an_input_or_another(self, model, sample, tmp_path, cfg_out, names_out):
        files = {
            "cfg_out": cfg_out and tmp_path / cfg_out,
            "names_out": names_out and tmp_path / names_out,
        }
        before = sample.cfg.read_bytes()
        with pytest.raises(UsageError, match="is an input, or another output"):
            save(model, tmp_path / "x.weights", cfg=sample.cfg, **files, force=True)
        assert sample.cfg.read_bytes() == before
        assert not list(tmp_path.glob("x.*"))

    def test_nothing_is_written_if_one_fails(self, model, tmp_path):
        out = tmp_path / "out"
        out.mkdir()
        (out / "net.weights").write_bytes(b"old")
        with torch.no_grad():
            model.heads[0].conv.bias.data = model.heads[0].conv.bias.data.half()
        with pytest.raises(CheckpointError, match=r"is torch.float16"):
            save(model, out / "net.weights", cfg_out=out / "net.cfg", force=True)
        assert [path.name for path in out.iterdir()] == ["net.weights"]
        assert (out / "net.weights").read_bytes() == b"old"

    @pytest.mark.parametrize(
        ("names", "problem"),
        [
            (None, "names are not known"),
            (["a", "b"], "has 2 names, its network 3 classes"),
            (["a", "b\nc", "d"], "cannot be one line of a .names file"),
            (["a", "b", ""], "cannot be one line of a .names file"),
            (["a", " b", "c"], "cannot be one line of a .names file"),
        ],
    )
    def test_names_that_no_file_holds(self, model, tmp_path, names, problem):
        model.names = names
        with pytest.raises(UsageError, match=problem):
            save(model, tmp_path / "x.weights", names_out=tmp_path / "x.names")
        assert not list(tmp_path.glob("x.*"))


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
