"""What a model gets from its checkpoint."""

import nets
import numpy as np
import pytest
import torch
from safetensors.numpy import load_file, save_file

from converter import CheckpointError, FamilyError, convert
from converter.checkpoint.checkpoint import Checkpoint
from converter.checkpoint.header import read_contents
from yolov3 import Darknet53, DarknetModel, YOLOv3

CASES = [
    (nets.yolov3(1, 1, size=64, repeats=1), "auto", YOLOv3),
    (nets.classifier(1, 3, 64), "auto", Darknet53),
    (nets.yolov3(1, 1, size=64, repeats=1), "generic", DarknetModel),
]


@pytest.mark.parametrize(("text", "family", "cls"), CASES)
def test_each_class_builds_what_the_plan_names(make, text, family, cls):
    plan = convert(make(text).weights, family=family, dry_run=True).plan
    assert plan.naming.model == cls.__name__
    model = cls.build(plan)
    shapes = {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}
    assert {slot.tensor: slot.shape for slot in plan.tensors}.items() <= shapes.items()


def test_a_modular_model_is_not_built_of_other_names(toy):
    plan = convert(toy.weights, dry_run=True).plan
    with pytest.raises(FamilyError, match="family generic are those of no modular YOLOv3"):
        YOLOv3.build(plan)


def test_the_maps_of_both_models_run_fine_to_coarse(make):
    files = make(nets.yolov3(1, 1, size=64, repeats=1))
    stored = Checkpoint.open(convert(files.weights).output)
    assert YOLOv3.from_checkpoint(stored).strides == [8, 16, 32]
    stored = Checkpoint.open(convert(files.weights, family="generic", force=True).output)
    assert DarknetModel.from_checkpoint(stored).strides == [8, 16, 32]


def test_every_tensor_is_of_the_type_that_is_claimed(toy):
    path = convert(toy.weights).output
    tensors, metadata = dict(load_file(path)), read_contents(path).metadata
    tensors["layers.1.conv.bias"] = tensors["layers.1.conv.bias"].astype(np.float64)
    save_file(tensors, path, metadata)
    with pytest.raises(CheckpointError) as caught:
        DarknetModel.from_checkpoint(Checkpoint.open(path))
    assert str(caught.value) == (f"{path}: has tensors that are not float32: layers.1.conv.bias")


def test_counters_in_the_file_are_passed_over(toy):
    path = convert(toy.weights).output
    counter = {"layers.0.bn.num_batches_tracked": np.array(7)}
    save_file({**load_file(path), **counter}, path, read_contents(path).metadata)
    model = DarknetModel.from_checkpoint(Checkpoint.open(path))
    assert torch.equal(model.layers[0].bn.num_batches_tracked, torch.tensor(0))
