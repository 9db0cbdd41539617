"""Every port with every network that it has a place for, there and back."""

from dataclasses import replace

import nets
import numpy as np
import pytest
import reference
from safetensors.numpy import load_file, save_file

from converter import CheckpointError, FamilyError, UsageError, convert, revert, verify
from converter.checkpoint.checkpoint import Checkpoint
from converter.darknet.network import parse_network
from converter.families import FAMILIES, name_layers
from converter.operations.info import describe
from converter.report import write_report
from converter.report.values import restores
from tests.converter.families.port_networks import (
    BACKBONE,
    CLASSIFIER,
    SPP,
    TINY,
    YOLOV3,
    YOLOV4,
    names,
)

NETWORKS = {
    "bubbliiiing": {"yolov3": YOLOV3, "yolov4": YOLOV4},
    "dena": {"yolov3": YOLOV3},
    "libreyolo": {"yolov3": YOLOV3, "spp": SPP, "tiny": TINY, "yolov4": YOLOV4},
    "lightnet": {
        "yolov3": YOLOV3, "tiny": TINY, "yolov4": YOLOV4, "classifier": CLASSIFIER,
        "backbone": BACKBONE,
    },
    "mmdet": {"yolov3": YOLOV3},
    "pytorchyolo": {"yolov3": YOLOV3, "spp": SPP, "tiny": TINY, "yolov4": YOLOV4},
    "tianxiaomo": {
        "yolov3": YOLOV3, "spp": SPP, "tiny": TINY, "yolov4": YOLOV4, "classifier": CLASSIFIER,
    },
    "tianxiaomo-class": {"yolov4": YOLOV4},
    "timm": {"classifier": CLASSIFIER, "backbone": BACKBONE},
    "ultralytics": {"yolov3": YOLOV3, "spp": SPP, "tiny": TINY, "yolov4": YOLOV4},
    "ultralytics-v5": {"yolov3": nets.modern(YOLOV3), "spp": nets.modern(SPP)},
}  # fmt: skip
PORTS = [family for family in FAMILIES if not FAMILIES[family].native]
CASES = [(family, name) for family, networks in NETWORKS.items() for name in networks]


@pytest.fixture(params=CASES, ids=" ".join)
def case(request, make):
    """A network that a port has a place for, its files, and the port's checkpoint of it."""
    family, name = request.param
    files = make(NETWORKS[family][name], version=(0, 2, 5) if "v5" in family else (0, 2, 0))
    return family, files, convert(files.weights, family=family)


def test_every_port_is_tried():
    assert sorted(NETWORKS) == sorted(PORTS)


@pytest.mark.parametrize(("family", "name"), CASES)
def test_no_two_tensors_have_one_name(family, name):
    found = names(NETWORKS[family][name], family)
    assert len(set(found.values())) == len(found)


class TestThereAndBack:
    def test_bit_for_bit(self, case):
        """Every variance of these files is above 1/2, so no rule loses any of them."""
        family, files, made = case
        back = files.weights.with_name("back.weights")
        assert made.verified
        assert verify(files.weights, made.output).ok
        assert revert(made.output, back).identical
        assert back.read_bytes() == files.weights.read_bytes()
        assert all(change.lost == 0 for change in made.changes)
        assert {change.rule for change in made.changes} == rules_of(family, files.text)

    def test_the_tensors_are_the_files_arrays(self, case):
        """By the tests' own reader: order, shapes and, where there is no rule, values."""
        family, files, made = case
        tensors = load_file(made.output)
        arrays = reference.read(files.text, files.weights)
        plain = not name_layers(parse_network(files.text), family).rules
        found = names(files.text, family)
        assert sorted(tensors) == sorted(found.values())
        for (layer, kind), values in arrays.items():
            suffix = reference.TORCH_NAMES.get(kind) or (
                "bn.bias" if (layer, "bn.bias") in found else "conv.bias"
            )
            tensor = tensors[found[layer, suffix]]
            assert tensor.size == values.size
            if plain or suffix in ("bn.bias", "bn.running_mean", "conv.bias"):
                np.testing.assert_array_equal(tensor.reshape(values.shape), values)

    def test_by_its_names_and_shapes_alone(self, case):
        """As the port's own training leaves it: no metadata, counters, half-known constants."""
        family, files, made = case
        tensors = dict(load_file(made.output))
        save_file({**tensors, "x.num_batches_tracked": np.array(7)}, made.output)
        stored = Checkpoint.open(made.output, parse_network(files.text))
        assert stored.plan.naming.family == family
        back = files.weights.with_name("back.weights")
        revert(made.output, back, cfg=files.cfg)
        assert back.read_bytes()[20:] == files.weights.read_bytes()[20:]

    def test_info_and_report(self, case, tmp_path):
        family, _, made = case
        facts = describe(made.output).as_dict()
        assert (facts["family"], facts["problem"], facts["warnings"]) == (family, None, [])
        stored = Checkpoint.open(made.output)
        assert restores(stored) is True
        write_report(stored.plan, stored.metadata, made.output, tmp_path / "x.md", verified=True)
        text = (tmp_path / "x.md").read_text()
        assert all(change.rule in text for change in made.changes)
        assert stored.plan.tensors[-1].tensor in text


def rules_of(family, text):
    expected = set()
    if family.startswith("ultralytics"):
        eps, less = ("0.001", "0.00099") if "v5" in family else ("0.0001", "9e-05")
        expected = {
            f"batch norm adds {eps}: less by {less}, but not below 0",
            f"batch norm adds {eps}: takes what is left where the variance became 0",
        }
    if "v5" in family and "[maxpool]" in text:
        expected.add("the 4 groups of its input channels are in reverse order")
    return expected


class TestReading:
    def test_two_schemes_that_fit_need_the_family(self, make, monkeypatch):
        files = make(TINY)
        made = convert(files.weights, family="ultralytics").output
        save_file(load_file(made), made)
        monkeypatch.setattr(FAMILIES, "_found", dict(FAMILIES._found))
        plain = FAMILIES["ultralytics"]

        def name_without_rules(network):
            return replace(plain.name_layers(network), family="twin", rules={})

        FAMILIES.register(replace(plain, name="twin", name_layers=name_without_rules))
        back = files.weights.with_name("back.weights")
        with pytest.raises(CheckpointError) as caught:
            revert(made, back, cfg=files.cfg)
        assert str(caught.value) == (
            f"{made}: may be ultralytics or twin by the names of its tensors"
            " (say which with family=)"
        )
        revert(made, back, cfg=files.cfg, family="ultralytics")
        assert back.read_bytes()[20:] == files.weights.read_bytes()[20:]

    def test_a_family_that_contradicts_the_checkpoint(self, make):
        files = make(TINY)
        made = convert(files.weights, family="ultralytics").output
        with pytest.raises(UsageError, match=r"family='mmdet' contradicts .* is ultralytics"):
            revert(made, family="mmdet")

    def test_a_family_that_tensors_are_not_of(self, make):
        files = make(YOLOV3)
        made = convert(files.weights, family="mmdet").output
        save_file(load_file(made), made)
        with pytest.raises(CheckpointError, match="lacks 366 tensors of family dena"):
            revert(made, cfg=files.cfg, family="dena")


@pytest.mark.slow
@pytest.mark.parametrize(
    "family", ["generic", "libreyolo", "lightnet", "pytorchyolo", "tianxiaomo", "ultralytics"]
)
def test_coco_yolov3_tiny_comes_back(coco_tiny, tmp_path, family):
    """Trained values: none of its variances is too small for a rule."""
    made = convert(coco_tiny.weights, tmp_path / "x.safetensors", cfg=coco_tiny.cfg, family=family)
    back = tmp_path / "back.weights"
    assert revert(made.output, back).identical
    assert back.read_bytes() == coco_tiny.weights.read_bytes()
    if FAMILIES[family].native:
        return  # ours are safetensors
    bare = convert(coco_tiny.weights, tmp_path / "x.pth", cfg=coco_tiny.cfg, family=family).output
    revert(bare, back, cfg=coco_tiny.cfg, force=True)
    # A state dict knows nothing of the header, which has 20 bytes.
    assert back.read_bytes()[20:] == coco_tiny.weights.read_bytes()[20:]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("family", "problem"),
    [
        # 107 layers begin with two convolutions; a tiny has a pool and two heads.
        ("yolov3", "has 2 [yolo] layers"), ("article", "has 2 [yolo] layers"),
        ("bubbliiiing", "layer 1 [maxpool]"), ("dena", "layer 1 [maxpool]"),
        ("mmdet", "layer 1 [maxpool]"), ("timm", "layer 1 [maxpool]"),
        ("tianxiaomo-class", "layer 0 [convolutional]"),  # whose activation is not mish
        ("ultralytics-v5", "layer 0 [convolutional]"),  # nor swish
    ],
)  # fmt: skip
def test_coco_yolov3_tiny_is_refused_by_its_first_layer(coco_tiny, tmp_path, family, problem):
    native = FAMILIES[family].native  # ours are safetensors
    for suffix in [".safetensors"] if native else [".safetensors", ".pth"]:
        with pytest.raises(FamilyError) as caught:
            convert(coco_tiny.weights, tmp_path / f"x{suffix}", cfg=coco_tiny.cfg, family=family)
        assert problem in str(caught.value)
    assert list(tmp_path.iterdir()) == []
