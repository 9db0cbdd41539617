"""Darknet's loss as PyTorch's, whose gradient is minus the deltas; these are in test_deltas.py."""

import pytest
import torch

from converter import UsageError
from tests.yolov3.training.golden import BOUND, NAMES, Golden, require_close
from yolov3 import FPN, Darknet53, DarknetLoss, YOLOv3


def gradients(golden, maps, targets):
    loss, figures = golden.loss(maps, targets)
    loss.backward()
    return [each.grad.numpy() for each in maps], figures, loss


@pytest.mark.parametrize("name", NAMES)
def test_its_value_is_what_the_engine_prints(name):
    """The mean of the layers' costs for each of the three pictures."""
    golden = Golden(name)
    _, figures, loss = gradients(golden, golden.tensors(), golden.targets)
    # C adds up thousands of squares in float32.
    assert figures.cost == pytest.approx(golden.costs.mean() / 3, rel=1e-5)
    assert loss.item() == pytest.approx(figures.cost, rel=1e-6)  # a float32 of a double


@pytest.mark.parametrize("name", ["pjreddie", "alexeyab-yolov4"])
def test_pictures_add_up(name):
    """Each picture's gradient is the same alone as in a batch: it is divided by no number."""
    golden = Golden(name)
    for picture, target in enumerate(golden.targets):
        maps = golden.tensors(pictures=slice(picture, picture + 1))
        found, _, _ = gradients(golden, maps, [target])
        for gradient, delta in zip(found, golden.deltas, strict=True):
            require_close(gradient[0], -delta[picture])


@pytest.mark.parametrize("name", ["pjreddie-thresholds", "alexeyab-thresholds"])
def test_objects_beyond_the_most_of_the_cfg_do_not_count(name):
    """The engine was given 8 and 10 of two pictures, and took 6 of each: max=6."""
    golden = Golden(name)
    assert [len(target) for target in golden.targets] == [8, 10, 0]
    found, _, _ = gradients(golden, golden.tensors(), golden.targets)
    for gradient, delta in zip(found, golden.deltas, strict=True):
        require_close(gradient, -delta)


@pytest.mark.parametrize("name", ["pjreddie", "alexeyab-p5"])
def test_pictures_may_have_another_size_than_the_cfg_says(name):
    """The network of twice the size, given maps of 6 x 4 cells, sees pictures of 96 x 64 pixels."""
    golden = Golden(
        name,
        change=lambda cfg: cfg.replace("width=96", "width=192").replace("height=64", "height=128"),
    )
    found, _, _ = gradients(golden, golden.tensors(), golden.targets)
    for gradient, delta in zip(found, golden.deltas, strict=True):
        require_close(gradient, -delta)


def test_delta_normalizer_is_a_factor_of_it_all():
    """AB yolo_layer.c:1225; the engine's CPU code, which the goldens are of, leaves it out."""
    golden = Golden(
        "alexeyab-giou",
        change=lambda cfg: cfg.replace("[yolo]", "[yolo]\ndelta_normalizer=.5"),
    )
    found, figures, _ = gradients(golden, golden.tensors(), golden.targets)
    require_close(found[0], -0.5 * golden.deltas[0])
    # C adds up thousands of squares in float32.
    assert figures.heads[0].cost == pytest.approx(golden.costs[0], rel=1e-5)


def test_the_loss_can_be_weighed_like_any_other():
    golden = Golden("pjreddie")
    maps = golden.tensors()
    loss, _ = golden.loss(maps, golden.targets)
    (loss / 3 + sum(each.sum() for each in maps)).backward()
    for each, delta in zip(maps, golden.deltas, strict=True):
        require_close(each.grad.numpy(), 1 - delta / 3)


@pytest.mark.parametrize("dtype", [torch.float16, torch.float64])
def test_maps_of_another_type_get_gradients_of_theirs(dtype):
    """The maps of the goldens are float16 numbers: the delta is the same, but for its rounding."""
    golden = Golden("alexeyab-yolov4")
    maps = golden.tensors(dtype)
    golden.loss(maps, golden.targets)[0].backward()
    for each, delta in zip(maps, golden.deltas, strict=True):
        assert each.grad.dtype == dtype
        # 11 bits; and what is below 6e-5 has fewer
        bound = 2**-11 if dtype == torch.float16 else BOUND
        require_close(each.grad.double().numpy(), -delta, bound)


class TestWhatIsNoInput:
    @pytest.fixture
    def golden(self):
        return Golden("alexeyab")

    def test_a_model_without_a_cfg(self):
        backbone = Darknet53(num_classes=None, width=2)
        with pytest.raises(UsageError, match="comes from no checkpoint, and so has no cfg"):
            DarknetLoss(YOLOv3(backbone, FPN(backbone.channels), 3))

    def test_another_number_of_maps(self, golden):
        with pytest.raises(UsageError, match=r"there are 1 maps for 2 \[yolo\] layers"):
            golden.loss(golden.tensors()[:1], golden.targets)

    @pytest.mark.parametrize(
        "shape", [(3, 26, 8, 12), (3, 28, 8, 12), (3, 27, 96), (3, 1, 27, 8, 12)]
    )
    def test_a_map_of_another_shape(self, golden, shape):
        fine, coarse = golden.tensors()
        with pytest.raises(UsageError, match=r"is torch\.float32 .*, not \(pictures, 27, h, w\)"):
            golden.loss([torch.zeros(shape), coarse], golden.targets)
        with pytest.raises(UsageError, match=r"the map of layer \d+ is torch\.int64"):
            golden.loss([fine.long(), coarse], golden.targets)

    @pytest.mark.parametrize("count", [0, 2, 4])
    def test_targets_for_another_number_of_pictures(self, golden, count):
        with pytest.raises(UsageError, match=rf"targets for {count} pictures, and maps of 3"):
            golden.loss(golden.tensors(), [[]] * count)

    @pytest.mark.parametrize(
        "row",
        [
            (4, 0.5, 0.5, 0.1, 0.1),  # four classes
            (-1, 0.5, 0.5, 0.1, 0.1),
            (0.5, 0.5, 0.5, 0.1, 0.1),
            (0, 0, 0.5, 0.1, 0.1),  # where the engines' list of objects would end
            (0, 1, 0.5, 0.1, 0.1),
            (0, 0.5, 1, 0.1, 0.1),
            (0, 0.5, 0, 0.1, 0.1),
            (0, 0.5, 0.5, 0, 0.1),
            (0, 0.5, 0.5, 0.1, -0.1),
            (0, 0.5, 0.5, 0.1, float("inf")),
            (0, float("nan"), 0.5, 0.1, 0.1),
            (0, 50, 50, 10, 10),  # pixels
        ],
    )
    def test_an_object_that_is_none(self, golden, row):
        with pytest.raises(UsageError, match=r"targets\[1\]\[1\] is .*give a class of 0 to 3"):
            golden.loss(golden.tensors(), [[], [(3, 0.5, 0.5, 2, 0.1), row], []])

    @pytest.mark.parametrize("target", [[0, 0.5, 0.5, 0.1, 0.1], [[0, 0.5, 0.5, 0.1]]])
    def test_targets_of_another_shape(self, golden, target):
        with pytest.raises(UsageError, match=r"targets\[0\] is \(.*\), not \(objects, 5\)"):
            golden.loss(golden.tensors(), [target, [], []])
