"""The building blocks, by hand, and the two rules of batch norm."""

import pytest
import torch
from torch import nn

from yolov3 import BasicConv2d, ResidualBlock
from yolov3.blocks import batch_norm_rule, set_batch_norm, without_tf32


def test_convolution_then_norm_then_slope():
    block = BasicConv2d(1, 1, kernel_size=1).eval()
    with torch.no_grad():
        block.conv.weight[:] = 3
        block.bn.running_mean[:] = 1
        block.bn.running_var[:] = 4 - 1e-5  # and its epsilon: a deviation of 2
        block.bn.weight[:] = 2
        block.bn.bias[:] = 1
        found = block(torch.tensor([[[[-2.0, 2.0]]]]))
    # 3 * -2 = -6, (-6 - 1) / 2 * 2 + 1 = -6, a tenth of it; 3 * 2 = 6, (6 - 1) / 2 * 2 + 1 = 6
    torch.testing.assert_close(found.flatten(), torch.tensor([-0.6, 6.0]))


def test_a_convolution_has_no_bias_beside_its_norm():
    assert BasicConv2d(1, 1, kernel_size=1).conv.bias is None


def test_a_residual_is_added_to_the_input():
    block = ResidualBlock(4).eval()
    x = torch.rand(1, 4, 3, 3)
    with torch.no_grad():
        block.conv2.bn.weight[:] = 0
        block.conv2.bn.bias[:] = -5  # the slope makes it -0.5
        torch.testing.assert_close(block(x), x - 0.5)


@pytest.mark.parametrize(
    ("norm", "shape"), [(nn.BatchNorm1d, (1, 1)), (nn.BatchNorm2d, (1, 1, 1, 1))]
)
class TestRules:
    def test_they_differ_most_where_the_variance_is_zero(self, norm, shape):
        """Pj blas.c:147 adds 1e-6 to the deviation, PyTorch 1e-5 to the variance."""
        model = nn.Sequential(norm(1)).eval()
        with torch.no_grad():
            model[0].running_var[:] = 0
            assert model(torch.ones(shape)).item() == pytest.approx(1e-5**-0.5)
            set_batch_norm(model, "pjreddie-cpu")
            assert model(torch.ones(shape)).item() == pytest.approx(1e6)
            set_batch_norm(model, "torch")
            assert model(torch.ones(shape)).item() == pytest.approx(1e-5**-0.5)

    def test_the_tensors_stay_the_same(self, norm, shape):
        model = nn.Sequential(norm(1))
        before = {name: id(tensor) for name, tensor in model.state_dict(keep_vars=True).items()}
        set_batch_norm(model, "pjreddie-cpu")
        after = {name: id(tensor) for name, tensor in model.state_dict(keep_vars=True).items()}
        assert after == before

    def test_in_training_there_is_one_rule(self, norm, shape):
        x = torch.tensor([1.0, 2.0, 4.0]).reshape(3, *shape[1:])
        one, other = norm(1), nn.Sequential(norm(1))
        set_batch_norm(other, "pjreddie-cpu")
        torch.testing.assert_close(one(x), other(x), atol=0, rtol=0)
        torch.testing.assert_close(one.running_var, other[0].running_var, atol=0, rtol=0)


def test_a_model_tells_its_rule_of_batch_norm():
    model = nn.Sequential(BasicConv2d(2, 3, kernel_size=1), nn.BatchNorm1d(3))
    assert batch_norm_rule(model) == "torch"
    set_batch_norm(model, "pjreddie-cpu")
    assert batch_norm_rule(model) == "pjreddie-cpu"
    assert batch_norm_rule(nn.Sequential()) == "torch"


def test_the_rule_of_pjreddie_has_an_epsilon_as_some_versions_of_pytorch_demand(monkeypatch):
    # PyTorch 2.11: "batch_norm eps must be positive, but got 0.0"
    given: list[float] = []
    batch_norm = torch.nn.functional.batch_norm

    def strict(*arguments, eps, **options):
        given.append(eps)
        return batch_norm(*arguments, eps=eps, **options)

    monkeypatch.setattr(torch.nn.functional, "batch_norm", strict)
    norm = nn.BatchNorm2d(1).eval()
    set_batch_norm(norm, "pjreddie-cpu")
    norm.running_var[:] = 0
    # 2e-6 over sqrt(0) + 1e-6
    torch.testing.assert_close(norm(torch.full((1, 1, 1, 1), 2e-6)), torch.full((1, 1, 1, 1), 2.0))
    assert all(eps > 0 for eps in given)
    assert given


def test_tf32_is_off_inside_and_as_before_outside(monkeypatch):
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", True)
    with pytest.raises(KeyError), without_tf32():
        assert not torch.backends.cudnn.allow_tf32
        raise KeyError
    assert torch.backends.cudnn.allow_tf32
