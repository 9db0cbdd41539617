"""The names of ultralytics' archive branch, and its batch norm, which adds 1e-4."""

import numpy as np
import pytest
import reference
import torch
from safetensors.numpy import load_file, save_file

from converter import CheckpointError, convert, revert, verify
from converter.checkpoint.checkpoint import Checkpoint
from converter.checkpoint.header import read_contents
from converter.report.values import restores
from tests.converter.families.port_networks import SPP, TINY, names_at, refusal, warning
from yolov3 import load, save


def test_the_names_have_the_layers_numbers():
    expected = {
        (0, "conv.weight"): "module_list.0.Conv2d.weight",
        (21, "bn.weight"): "module_list.21.BatchNorm2d.weight",
        (22, "conv.bias"): "module_list.22.Conv2d.bias",
    }
    assert names_at(expected, TINY, "ultralytics") == expected


def test_what_it_would_build_otherwise_is_refused_by_its_first_layer():
    place, problem = refusal(TINY + "\n[route]\nlayers=-1\ngroups=3\n", "ultralytics")
    assert place == "layer 24 [route]"
    assert problem.startswith(
        "is not one that ultralytics/yolov3 can build: it does not read groups, which is 3"
    )


@pytest.mark.parametrize(
    ("text", "part"),
    [
        (SPP, "under 'model': they want torch.save({'model'"),
        (TINY, "ultralytics/yolov3 pads the pool of size 2 and stride 1 with zeros"),
    ],
)
def test_what_must_be_known_is_said_when_it_is_written(make, caplog, text, part):
    assert part in warning(make(text), "ultralytics", caplog)


@pytest.fixture
def small(make):
    """A YOLOv3-tiny, of whose first layer a variance is too small to take 9e-5 from."""
    files = make(TINY)
    data = bytearray(files.weights.read_bytes())
    # layer 0 has one filter: bias, scale, mean, variance
    data[20 + 4 : 20 + 8] = np.float32(3).tobytes()
    data[20 + 12 : 20 + 16] = np.float32(6e-5).tobytes()
    files.weights.write_bytes(data)
    return files


def test_a_variance_becomes_zero_and_its_factor_takes_the_rest(small):
    made = convert(small.weights, family="ultralytics")
    tensors = load_file(made.output)
    assert tensors["module_list.0.BatchNorm2d.running_var"] == 0
    # as 3 / sqrt(6e-5 + 1e-5) is 3.585686 / sqrt(1e-4)
    np.testing.assert_allclose(tensors["module_list.0.BatchNorm2d.weight"], 3.585686, rtol=1e-6)
    other = "module_list.2.BatchNorm2d"
    arrays = reference.read(small.text, small.weights)
    np.testing.assert_array_equal(tensors[f"{other}.weight"], arrays[2, "scales"])
    np.testing.assert_allclose(
        tensors[f"{other}.running_var"], arrays[2, "rolling_variance"] - 9e-5, rtol=1e-7
    )


def test_what_is_lost_is_counted(small):
    made = convert(small.weights, family="ultralytics")
    factors, variances = made.changes
    # eleven convolutions have a batch norm: 1 + 2 + 4 + 8 + 16 + 32 + 64 + 16 + 32 + 8 + 16
    assert (factors.tensors, factors.changed, factors.lost) == (11, 1, 1)
    assert (variances.tensors, variances.changed, variances.lost) == (11, 199, 1)
    assert made.metadata.lossless is False
    assert verify(small.weights, made.output).ok
    assert verify(small.weights, made.output).as_dict()["changes"] == [
        factors.as_dict(), variances.as_dict(),
    ]  # fmt: skip
    back = small.weights.with_name("back.weights")
    assert revert(made.output, back).identical is False
    assert restores(Checkpoint.open(made.output)) is None
    ours, theirs = (np.fromfile(path, "<f4", offset=20) for path in (small.weights, back))
    (other,) = np.nonzero(ours != theirs)
    assert list(other) == [1, 3]  # scale and variance of the first filter
    # 3.585686 / sqrt(9e-5 + 1e-5) = 3 / sqrt(6e-5 + 1e-5)
    np.testing.assert_allclose(
        theirs[1] / np.sqrt(theirs[3] + 1e-5), 3 / np.sqrt(6e-5 + 1e-5), rtol=1e-6
    )


@pytest.mark.parametrize("suffix", ["weight", "running_var"])
def test_a_changed_bit_is_found(small, suffix):
    """Also one that the way back would round away."""
    name = f"module_list.0.BatchNorm2d.{suffix}"
    made = convert(small.weights, family="ultralytics")
    start, _ = read_contents(made.output).entries[name].offsets
    data = bytearray(made.output.read_bytes())
    data[read_contents(made.output).start + start] ^= 1
    made.output.write_bytes(data)
    (wrong,) = verify(small.weights, made.output).comparison.mismatched
    assert wrong == name


def test_a_port_trained_it(small):
    """Values that no array becomes: 1e-9 + 9e-5 has more bits than float32."""
    made = convert(small.weights, family="ultralytics").output
    tensors = dict(load_file(made))
    tensors["module_list.0.BatchNorm2d.running_var"] = np.array([1e-9], "<f4")
    save_file(tensors, made)
    back = small.weights.with_name("back.weights")
    assert revert(made, back, cfg=small.cfg).verified
    assert revert(made, back, cfg=small.cfg).status == "up to date"
    variance = reference.read(small.text, back)[0, "rolling_variance"]
    np.testing.assert_array_equal(variance, np.float32(9e-5 + 1e-9))


def test_the_model_computes_what_it_does_from_our_own_names(small):
    native = convert(small.weights, small.weights.with_name("native.safetensors")).output
    theirs = load(convert(small.weights, family="ultralytics").output)
    x = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        for a, b in zip(load(native)(x), theirs(x), strict=True):
            # one channel of the first layer has another factor, by one rounding
            torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-5)


def test_a_port_computes_the_same_with_its_own_eps(small):
    """PyTorch's batch norm with the port's eps and tensors, and with Darknet's."""
    tensors = load_file(convert(small.weights, family="ultralytics").output)
    arrays = reference.read(small.text, small.weights)
    x = torch.rand(1, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    ours = torch.nn.BatchNorm2d(1, eps=1e-5).eval()
    kinds = {
        "weight": "scales",
        "bias": "biases",
        "running_mean": "rolling_mean",
        "running_var": "rolling_variance",
    }
    ours.load_state_dict(
        {name: torch.from_numpy(arrays[0, kind].copy()) for name, kind in kinds.items()},
        strict=False,
    )
    theirs = torch.nn.BatchNorm2d(1, eps=1e-4).eval()
    theirs.load_state_dict(
        {name: torch.from_numpy(tensors[f"module_list.0.BatchNorm2d.{name}"]) for name in kinds},
        strict=False,
    )
    # factors near 359 of values near 1, rounded a few times
    torch.testing.assert_close(theirs(x), ours(x), rtol=1e-6, atol=1e-4)


def test_a_state_dict_goes_back_by_rule(make):
    files = make(TINY)
    made = convert(files.weights, family="ultralytics").output
    tensors = {name: torch.from_numpy(t) for name, t in load_file(made).items()}
    target = files.weights.with_name("back.weights")
    save(tensors, target, cfg=files.cfg)
    assert target.read_bytes()[20:] == files.weights.read_bytes()[20:]


def test_half_precision_of_a_port(make):
    """Rounded after the rule; the way back refuses it as that of any rounded checkpoint."""
    files = make(TINY)
    made = convert(files.weights, family="ultralytics", dtype="float16").output
    exact = load_file(convert(files.weights, files.weights.with_name("x.safetensors"),
                              family="ultralytics").output)  # fmt: skip
    for name, tensor in load_file(made).items():
        np.testing.assert_array_equal(tensor, exact[name].astype("<f2"))
    with pytest.raises(CheckpointError, match="holds float16 values"):
        revert(made, files.weights.with_name("back.weights"))
    assert verify(files.weights, made).ok
