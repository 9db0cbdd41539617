"""load(): the checkpoint alone rebuilds the model."""

import subprocess
import sys
from pathlib import Path

import nets
import numpy as np
import pytest
import reference
import torch
from safetensors.numpy import load_file, save_file

from converter import CheckpointError, UsageError, convert
from converter.checkpoint.header import read_contents
from yolov3 import Darknet53, YOLOv3, load


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
        path.write_bytes(path.read_bytes()[:-4])
        with pytest.raises(CheckpointError, match="is not a safetensors file"):
            load(path)

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
        "ModuleNotFoundError: yolov3 needs PyTorch: pip install 'darknet-safetensors[torch]'"
    )
