"""A naming scheme enters as one record: this one is a stranger's, and nothing else knows it."""

import json

import nets
import numpy as np
import pytest
import reference
import torch
from safetensors.numpy import load_file, save_file
from safetensors.torch import load_file as load_tensors

from converter import CheckpointError, FamilyError, convert, revert, verify
from converter.checkpoint.checkpoint import Checkpoint
from converter.checkpoint.header import read_contents
from converter.families import FAMILIES
from converter.families.base import Family, Naming
from converter.operations.info import describe
from converter.records import dataclass
from converter.report import write_report
from converter.report.values import restores
from yolov3 import DarknetModel, YOLOv3, load, save

LAYERS = {"convolutional", "shortcut", "route", "upsample", "yolo"}
PARTS = {"conv": "Conv2d", "bn": "BatchNorm2d"}


@dataclass(frozen=True, kw_only=True)
class PortNaming(Naming):
    """``module_list.3.Conv2d.weight``; kernels are matrices of a row a filter."""

    def tensor(self, layer: int, suffix: str) -> str:
        part, _, value = suffix.partition(".")
        return f"{self.modules[layer]}.{PARTS[part]}.{value}"

    def shape(self, layer: int, shape: tuple[int, ...]) -> tuple[int, ...]:
        return (shape[0], int(np.prod(shape[1:]))) if len(shape) == 4 else shape


def name_layers(network):
    if any(node.layer.type not in LAYERS for node in network.nodes):
        raise FamilyError("has a layer that the port lacks")
    modules = {node.index: f"module_list.{node.index}" for node in network.nodes}
    return PortNaming(family="port", modules=modules)


PORT = Family(
    name="port",
    summary="some port's module_list",
    name_layers=name_layers,
    native=False,
)


@pytest.fixture(autouse=True)
def port(monkeypatch):
    monkeypatch.setattr(FAMILIES, "_found", dict(FAMILIES._found))
    FAMILIES.register(PORT)


@pytest.fixture(params=["modular", "generic"])
def files(request, make):
    """A YOLOv3, which has a model of modules, and a network that has none."""
    text = nets.yolov3(1, 2, size=64, repeats=1)
    if request.param == "generic":
        text = nets.net(16) + nets.conv(4, 3) + nets.conv(6, 1)
    return make(text)


@pytest.fixture
def checkpoint(files):
    return convert(files.weights, family="port").output


def test_convert(files, checkpoint):
    tensors = load_file(checkpoint)
    arrays = reference.read(files.text, files.weights)
    kernels = {layer: values for (layer, kind), values in arrays.items() if kind == "weights"}
    for layer, values in kernels.items():
        name = f"module_list.{layer}.Conv2d.weight"
        np.testing.assert_array_equal(tensors[name], values.reshape(values.shape[0], -1))
    assert len(tensors) == len(arrays)
    np.testing.assert_array_equal(
        tensors["module_list.0.BatchNorm2d.running_var"], arrays[0, "rolling_variance"]
    )


def test_a_network_that_it_has_no_place_for(toy):
    toy.cfg.write_text(toy.text + "[dropout]\n")
    with pytest.raises(FamilyError, match="has a layer that the port lacks"):
        convert(toy.weights, family="port")


def test_it_is_not_chosen_unless_asked_for(files):
    assert convert(files.weights, dry_run=True).metadata.family in ("yolov3", "generic")


def test_verify(files, checkpoint):
    assert verify(files.weights, checkpoint).ok
    data = bytearray(checkpoint.read_bytes())
    data[-1] ^= 1
    checkpoint.write_bytes(data)
    (wrong,) = verify(files.weights, checkpoint).comparison.mismatched
    assert wrong.startswith("module_list.")


def test_info(checkpoint):
    facts = describe(checkpoint).as_dict()
    assert (facts["family"], facts["problem"], facts["warnings"]) == ("port", None, [])


@pytest.mark.parametrize("suffix", [".html", ".md", ".json"])
def test_report(checkpoint, suffix):
    stored = Checkpoint.open(checkpoint)
    target = checkpoint.with_suffix(suffix)
    assert restores(stored) is True
    write_report(stored.plan, stored.metadata, checkpoint, target, verified=True)
    assert "module_list.0.Conv2d.weight" in target.read_text()
    if suffix == ".json":
        assert json.loads(target.read_text())["family"] == "port"


def test_revert(files, checkpoint):
    back = files.weights.with_name("back.weights")
    assert revert(checkpoint, back).identical
    assert back.read_bytes() == files.weights.read_bytes()


def test_load(files, checkpoint):
    """By the names of the model that there is for the network."""
    native = files.weights.with_name("native.safetensors")
    ours, theirs = load(convert(files.weights, native).output), load(checkpoint)
    assert type(theirs) is type(ours)
    assert type(theirs) in (YOLOv3, DarknetModel)
    assert theirs.metadata == ours.metadata
    x = torch.rand(1, 3, 64, 64)
    with torch.no_grad():
        assert all(torch.equal(a, b) for a, b in zip(ours(x), theirs(x), strict=True))


@pytest.mark.parametrize("suffix", [".weights", ".safetensors"])
def test_save(files, checkpoint, suffix):
    """Under the model's own names, as if it had been converted so."""
    native = convert(files.weights, files.weights.with_name("native.safetensors")).output
    again = files.weights.with_name(f"again{suffix}")
    save(load(checkpoint), again)
    wanted = files.weights if suffix == ".weights" else native
    assert again.read_bytes() == wanted.read_bytes()


def test_save_pretrained(checkpoint, tmp_path):
    model = load(checkpoint)
    model.save_pretrained(tmp_path / "folder")
    again = type(model).from_pretrained(tmp_path / "folder")
    config = json.loads((tmp_path / "folder" / "config.json").read_text())
    assert again.metadata.family == model.metadata.family == config["family"] != "port"


def test_a_state_dict_by_its_names(files, checkpoint, tmp_path):
    save(load_tensors(checkpoint), tmp_path / "x.weights", cfg=files.cfg)
    assert (tmp_path / "x.weights").read_bytes()[20:] == files.weights.read_bytes()[20:]


def test_tensors_that_are_missing_or_misshapen(checkpoint):
    metadata, tensors = read_contents(checkpoint).metadata, dict(load_file(checkpoint))
    kernel = tensors.pop("module_list.0.Conv2d.weight")
    save_file(tensors, checkpoint, metadata)
    with pytest.raises(CheckpointError, match=r"missing are \S+\.0\.conv\.weight"):
        load(checkpoint)
    save_file({**tensors, "module_list.0.Conv2d.weight": kernel.T.copy()}, checkpoint, metadata)
    with pytest.raises(CheckpointError, match=r"another shape .*\.0\.conv\.weight"):
        load(checkpoint)


def test_where_it_is_not_known_it_is_refused_by_its_name(checkpoint, monkeypatch):
    monkeypatch.delitem(FAMILIES._found, "port")
    with pytest.raises(CheckpointError, match="metadata family: is port, not one of yolov3"):
        load(checkpoint)
