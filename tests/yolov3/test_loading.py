"""load(): the checkpoint alone rebuilds the model."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import nets
import numpy as np
import pytest
import reference
import torch
from safetensors.numpy import load_file, save_file
from safetensors.torch import save_file as save_model_file

from converter import CheckpointError, UsageError, convert
from converter.checkpoint.header import read_contents
from yolov3 import Darknet53, DarknetModel, YOLOv3, load, save


def converted(files, **options):
    return convert(files.weights, **options).output


def test_the_sample(sample):
    model = load(converted(sample))
    assert isinstance(model, YOLOv3)
    assert not model.training
    assert model.num_classes == 3
    assert model.names == ["circle", "square", "triangle"]
    assert model.input_size == (192, 192)
    assert model.strides == [8, 16, 32]
    assert model.anchors[0] == [(14, 15), (18, 17), (22, 21)]  # shapes.cfg: mask 0, 1, 2
    assert model.anchors[2] == [(53, 55), (68, 65), (92, 88)]
    assert model.missing == ()


def test_whoever_wants_one_class_gets_it_or_a_refusal(sample):
    path = converted(sample)
    assert type(load(path, model_class=YOLOv3)) is YOLOv3
    with pytest.raises(CheckpointError, match="is for a YOLOv3, not a DarknetModel") as refused:
        load(path, model_class=DarknetModel)
    assert str(path) in str(refused.value)


@pytest.mark.parametrize("bn", ["torch", "pjreddie-cpu"])
def test_the_state_dict_is_the_file(sample, bn):
    path = converted(sample)
    state = load(path, bn=bn).state_dict()
    counters = {name for name in state if name.endswith("num_batches_tracked")}
    tensors = load_file(path)
    assert state.keys() - counters == tensors.keys()
    for name, values in tensors.items():
        np.testing.assert_array_equal(state[name].numpy(), values)
    assert all(state[name] == 0 for name in counters)


def test_the_two_rules_of_batch_norm(sample):
    path = converted(sample)
    x = torch.rand(1, 8, 3, 3)
    ours, pj = (load(path, bn=bn).backbone.conv_2_in.bn for bn in ("torch", "pjreddie-cpu"))
    mean, var = (t[:, None, None].double() for t in (ours.running_mean, ours.running_var))
    gamma, beta = (t[:, None, None].double().detach() for t in (ours.weight, ours.bias))
    with torch.no_grad():
        # pj blas.c:147, blas_kernels.cu:200; 1e-5: a dozen float32 roundings of values below 10
        torch.testing.assert_close(
            pj(x).double(), gamma * (x - mean) / (var.sqrt() + 1e-6) + beta, rtol=1e-5, atol=1e-5
        )
        torch.testing.assert_close(
            ours(x).double(), gamma * (x - mean) / (var + 1e-5).sqrt() + beta, rtol=1e-5, atol=1e-5
        )


def test_training_uses_the_ordinary_rule(sample):
    path = converted(sample)
    x = torch.rand(2, 3, 64, 64)
    outputs = []
    for bn in ("torch", "pjreddie-cpu"):
        model = load(path, bn=bn).train()
        outputs.append(model(x)[0].detach())
        assert model.backbone.stem[0].bn.num_batches_tracked == 1
    torch.testing.assert_close(*outputs, rtol=0, atol=0)


def test_a_changed_model_does_not_change_the_file(sample):
    path = converted(sample)
    before = path.read_bytes()
    model = load(path)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.zero_()
    assert path.read_bytes() == before


@pytest.mark.parametrize("device", ["cuda:99", torch.device("cuda:99")])
def test_a_device_that_is_not_there(sample, device):
    """What is there depends on the machine; of a build without CUDA it is the CPU alone."""
    with pytest.raises(UsageError) as caught:
        load(converted(sample), device=device)
    assert re.fullmatch(r"device=cuda:99: [^\n]+ \(use cpu[^\n]*\)", str(caught.value))
    if not torch.backends.cuda.is_built() and not torch.backends.mps.is_available():
        said = "device=cuda:99: Torch not compiled with CUDA enabled (use cpu)"
        assert str(caught.value) == said


def test_a_device_that_holds_no_values_is_pytorchs_own_affair(sample):
    assert next(load(converted(sample), device="meta").parameters()).is_meta


def test_dtype_and_device(sample):
    model = load(converted(sample), dtype=torch.float64, device="cpu")
    assert model(torch.rand(1, 3, 32, 32, dtype=torch.float64))[0].dtype == torch.float64


def test_parameters_can_be_trained(sample):
    model = load(converted(sample))
    assert all(p.requires_grad for p in model.parameters())
    sum(x.square().mean() for x in model(torch.rand(1, 3, 64, 64))).backward()
    assert all(p.grad is not None for p in model.parameters())


@pytest.mark.parametrize(
    ("text", "shapes"),
    [
        (nets.yolov3(2, 5, size=64, spp=True), [8, 4, 2]),
        (nets.yolov3(2, 5, size=64, levels=5, merge=(4, 4, 4, 8)), [32, 16, 8, 4, 2]),
        (nets.yolov3(2, 5, size=64, repeats=1, channels=1), [8, 4, 2]),
    ],
)
def test_relatives(make, text, shapes):
    files = make(text)
    model = load(converted(files))
    x = torch.rand(1, model.network.input.c, 64, 64)
    with torch.no_grad():
        assert [tuple(o.shape[1:]) for o in model(x)] == [(30, s, s) for s in shapes]


class TestBackbone:
    def test_a_classifier(self, make):
        files = make(nets.classifier(2, 7, 64))
        model = load(converted(files))
        assert isinstance(model, Darknet53)
        assert model.classify(torch.rand(1, 3, 64, 64)).shape == (1, 7)
        kernel = max(k for k in reference.read(files.text, files.weights) if k[1] == "weights")
        values = reference.read(files.text, files.weights)[kernel]
        np.testing.assert_array_equal(model.fc[2].weight.detach(), values.reshape(7, 64))

    def test_features_only(self, make):
        model = load(converted(make("\n".join([nets.net(64), *nets.darknet53(2)]))))
        assert isinstance(model, Darknet53)
        assert not hasattr(model, "fc")


class TestIncomplete:
    def test_article(self, sample):
        path = converted(sample, family="article")
        with pytest.raises(CheckpointError, match=r"missing are .*fpn.lateral_convs.0.weight"):
            load(path)
        model = load(path, strict=False)
        assert len(model.missing) == 12
        assert "fpn.merge_convs.0.bias" in model.missing
        assert model(torch.rand(1, 3, 64, 64))[0].isfinite().all()

    def test_partial(self, sample):
        end = next(20 + 4 * e.first for e in reference.layout(sample.text) if e.layer == 75)
        sample.weights.write_bytes(sample.weights.read_bytes()[:end])
        path = converted(sample, partial=True)
        with pytest.raises(CheckpointError, match="does not fill its model"):
            load(path)
        model = load(path, strict=False)
        assert len(model.missing) == 366 - 260
        assert not any(p.is_meta for p in model.state_dict().values())
        np.testing.assert_array_equal(
            model.backbone.stem[0].conv.weight.detach(),
            load_file(path)["backbone.stem.0.conv.weight"],
        )


class TestDarknetsOwnFile:
    """The model of a .weights file is that of its checkpoint, bit for bit."""

    @pytest.mark.parametrize(
        ("text", "family"),
        [
            (nets.yolov3(2, 5, size=64, spp=True), "auto"),
            (nets.yolov3(2, 5, size=64), "generic"),
            (nets.yolov3(2, 5, size=64), "bubbliiiing"),
            (nets.tiny(1, 2, size=64), "auto"),
            (nets.yolov4(2, 2, size=64), "auto"),
            (nets.classifier(2, 7, 64), "auto"),
            ("\n".join([nets.net(64), *nets.darknet53(2)]), "auto"),
        ],
    )
    def test_every_kind_of_model(self, make, text, family):
        files = make(text)
        direct = load(files.weights, family=family)
        self.require_same(direct, load(converted(files, family=family)))

    @pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
    def test_rounded(self, sample, dtype):
        direct = load(sample.weights, dtype=getattr(torch, dtype))
        wanted = load(converted(sample, dtype=dtype))
        self.require_same(direct, wanted, claims=False)  # one of the files holds other values

    def test_in_part(self, sample):
        end = next(20 + 4 * e.first for e in reference.layout(sample.text) if e.layer == 75)
        sample.weights.write_bytes(sample.weights.read_bytes()[:end])
        torch.manual_seed(0)
        direct = load(sample.weights, strict=False)
        torch.manual_seed(0)
        wanted = load(converted(sample, partial=True), strict=False)
        assert direct.missing == wanted.missing
        self.require_same(direct, wanted)

    def test_a_changed_model_does_not_change_it(self, sample):
        before = sample.weights.read_bytes()
        model = load(sample.weights)
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.zero_()
        assert sample.weights.read_bytes() == before

    def test_it_goes_back(self, sample, tmp_path):
        save(load(sample.weights), tmp_path / "back.weights")
        assert (tmp_path / "back.weights").read_bytes() == sample.weights.read_bytes()

    def require_same(self, model, wanted, *, claims=True):
        assert type(model) is type(wanted)
        assert model.names == wanted.names
        assert model.metadata == wanted.metadata or not claims
        assert model.network == wanted.network
        ours, theirs = model.state_dict(), wanted.state_dict()
        assert ours.keys() == theirs.keys()
        for name, tensor in theirs.items():
            assert ours[name].dtype == tensor.dtype
            if tensor.is_floating_point():
                kind = {2: torch.int16, 4: torch.int32}[tensor.element_size()]
                assert torch.equal(ours[name].view(kind), tensor.view(kind)), name


class TestWithoutMetadata:
    """What safetensors' own save_file leaves of a model, or a tool that saves it again."""

    @pytest.mark.parametrize(("family", "cls"), [("yolov3", YOLOv3), ("generic", DarknetModel)])
    def test_the_names_show_the_family(self, sample, tmp_path, family, cls):
        model = load(converted(sample, family=family))
        with torch.no_grad():
            next(model.parameters()).add_(1)  # training that must not be lost
        save_model_file(model.state_dict(), tmp_path / "bare.safetensors")
        again = load(tmp_path / "bare.safetensors", cfg=sample.cfg)
        assert type(again) is cls
        assert (again.metadata, again.names) == (None, None)
        assert (again.input_size, again.anchors) == (model.input_size, model.anchors)
        ours, theirs = again.state_dict(), model.state_dict()
        assert ours.keys() == theirs.keys()
        assert all(torch.equal(ours[name], theirs[name]) for name in theirs)

    @pytest.mark.parametrize("shell", ["module.", "_orig_mod.", "model."])
    def test_a_shell_around_the_names(self, sample, tmp_path, shell):
        model = load(converted(sample))
        state = {shell + name: tensor for name, tensor in model.state_dict().items()}
        save_model_file(state, tmp_path / "bare.safetensors")
        again = load(tmp_path / "bare.safetensors", cfg=sample.cfg)
        assert isinstance(again, YOLOv3)
        x = torch.rand(1, 3, 64, 64)
        with torch.no_grad():
            assert all(torch.equal(a, b) for a, b in zip(model(x), again(x), strict=True))

    @pytest.mark.parametrize(("dialect", "revision"), [("pjreddie", 0), ("alexeyab", 5)])
    def test_it_goes_back_to_darknet(self, sample, tmp_path, dialect, revision):
        save_model_file(load(converted(sample)).state_dict(), tmp_path / "bare.safetensors")
        again = load(tmp_path / "bare.safetensors", cfg=sample.cfg, dialect=dialect)
        save(again, tmp_path / "back.weights")
        data = (tmp_path / "back.weights").read_bytes()
        assert data[:20] == np.array([0, 2, revision, 0, 0], "<i4").tobytes()
        assert data[20:] == sample.weights.read_bytes()[20:]

    def test_another_network(self, sample, tmp_path):
        save_model_file(load(converted(sample)).state_dict(), tmp_path / "bare.safetensors")
        (tmp_path / "tiny.cfg").write_text(nets.classifier(2, 7, 64))
        with pytest.raises(CheckpointError, match=r"bare.safetensors: lacks .* without a place"):
            load(tmp_path / "bare.safetensors", cfg=tmp_path / "tiny.cfg")


# 2.7 * 10^9 values, of which the file holds none: three matrices of 30,000 x 30,000 and more.
HUGE = (
    """\
[net]
width=8
height=8
channels=3
"""
    + 4
    * """\
[connected]
output=30000
activation=linear
"""
)

LOAD_HUGE = """\
import sys
from yolov3 import load
try:
    load("huge.safetensors", strict=sys.argv[1] == "strict")
except Exception as error:
    print(type(error).__name__, error)
# Not ru_maxrss, which a process inherits from the one that started it.
print(open("/proc/self/status").read().partition("VmHWM:")[2].split()[0])
"""


@pytest.mark.parametrize("strict", ["strict", "in part"])
def test_a_small_file_takes_no_gigabytes(tmp_path, strict):
    header = {"major": 0, "minor": 2, "revision": 0, "seen": 0, "size": 20}
    metadata = {
        "schema": "1", "tool": "x", "source_sha256": "0" * 64, "header": json.dumps(header),
        "cfg": HUGE, "family": "generic", "dialect": "pjreddie",
    }  # fmt: skip
    save_file({}, tmp_path / "huge.safetensors", metadata)
    root = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-c", LOAD_HUGE, strict],
        cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(root)},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    refusal, kilobytes = done.stdout.splitlines()
    assert refusal.startswith("CheckpointError huge.safetensors: ")
    assert "missing are layers.0.fc." in refusal
    assert int(kilobytes) < 1_000_000  # one of the matrices has 3,600,000


class TestRefusals:
    @pytest.mark.parametrize(
        ("change", "message"),
        [
            (lambda t: t.pop("heads.0.conv.bias"), "missing are heads.0.conv.bias"),
            (lambda t: t.update(x=np.zeros(1, "<f4")), "tensors that its model lacks: x"),
            (lambda t: t.update({"heads.0.conv.bias": np.zeros(7, "<f4")}), "of another shape"),
        ],
    )
    def test_a_tensor_is_missing_surplus_or_misshapen(self, sample, change, message):
        path = converted(sample)
        tensors = dict(load_file(path))
        metadata = read_contents(path).metadata
        change(tensors)
        save_file(tensors, path, metadata)
        with pytest.raises(CheckpointError, match=message):
            load(path)

    def test_somebody_elses_file(self, tmp_path):
        save_file({"x": np.zeros(1, "<f4")}, tmp_path / "x.safetensors")
        with pytest.raises(CheckpointError, match="does not say which network"):
            load(tmp_path / "x.safetensors")

    def test_no_such_file(self, tmp_path):
        with pytest.raises(CheckpointError, match="No such file"):
            load(tmp_path / "x.safetensors")

    def test_a_truncated_file(self, sample):
        path = converted(sample)
        size = path.stat().st_size
        os.truncate(path, size - 4)
        with pytest.raises(CheckpointError) as caught:
            load(path)
        assert str(caught.value) == (
            f"{path}: is cut off: it has {size - 4:,} bytes, its header promises {size:,}"
            " (download or convert it again)"
        )

    def test_an_unknown_rule(self, sample):
        with pytest.raises(UsageError, match="bn='darknet' is unknown"):
            load(converted(sample), bn="darknet")


def test_without_torch_one_line_says_what_to_install(tmp_path):
    code = "import sys; sys.modules['torch'] = None; from yolov3 import load"
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=Path(__file__).parents[2], capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.stderr.splitlines()[-1] == (
        "ModuleNotFoundError: yolov3 needs PyTorch: pip install torch"
    )
    assert done.stderr.count("Traceback") == 1
