"""The tensor names of other ports, the networks that each has a place for, there and back."""

from dataclasses import replace
from pathlib import Path

import nets
import numpy as np
import pytest
import reference
import torch
from safetensors.numpy import load_file, save_file

from converter import CheckpointError, FamilyError, UsageError, convert, revert, verify
from converter.checkpoint.checkpoint import Checkpoint
from converter.checkpoint.header import read_contents
from converter.darknet.network import parse_network
from converter.families import FAMILIES, name_layers
from converter.operations.info import describe
from converter.report import write_report
from converter.report.values import restores
from yolov3 import load, save

TABLES = Path(__file__).parents[2] / "data" / "ports"

# Small ones of every network that a port has a place for. At width 1 a residual block of the first
# stage has one channel.
YOLOV3 = nets.yolov3(1, 2, size=64)
SPP = nets.yolov3(1, 2, size=64, spp=True)
TINY = nets.tiny(1, 2, size=64)
YOLOV4 = nets.yolov4(2, 2, size=64)
CLASSIFIER = nets.classifier(1, 5, size=64)
BACKBONE = "\n".join([nets.net(64), *nets.darknet53(1)])
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
SUFFIXES = ("weight", "bias", "running_mean", "running_var")


def names(text, family):
    """(layer, Darknet's name in the layer's own module) -> tensor."""
    network = parse_network(text)
    naming = name_layers(network, family)
    return {
        (node.index, array.suffix): naming.tensor(node.index, array.suffix)
        for node in network.nodes
        for array in node.layer.arrays(node.inputs, "pjreddie")
    }


@pytest.fixture(params=CASES, ids=" ".join)
def case(request, make):
    """A network that a port has a place for, its files, and the port's checkpoint of it."""
    family, name = request.param
    files = make(NETWORKS[family][name], version=(0, 2, 5) if "v5" in family else (0, 2, 0))
    return family, files, convert(files.weights, family=family)


def test_every_port_is_tried():
    assert sorted(NETWORKS) == sorted(PORTS)


class TestNames:
    @pytest.mark.parametrize(
        ("table", "text"),
        [
            ("bubbliiiing-yolov3", YOLOV3), ("bubbliiiing-yolov4", YOLOV4),
            ("lightnet-darknet53", CLASSIFIER), ("lightnet-tiny", TINY),
            ("lightnet-yolov3", YOLOV3), ("lightnet-yolov4", YOLOV4),
            ("tianxiaomo-class-yolov4", YOLOV4),
        ],
    )  # fmt: skip
    def test_they_are_those_that_were_found_by_value(self, table, text):
        family = table.rpartition("-")[0]
        found = names(text, family)
        for line in (TABLES / f"{table}.txt").read_text().splitlines():
            index, convolution, *norms = line.split()
            arrays = {"conv.weight": f"{convolution}.weight"}
            if norms:
                arrays |= {f"bn.{suffix}": f"{norms[0]}.{suffix}" for suffix in SUFFIXES}
            else:
                arrays["conv.bias"] = f"{convolution}.bias"
            for suffix, tensor in arrays.items():
                assert found.pop((int(index), suffix)) == tensor
        # lightnet reads the published yolov3-tiny in another order: these stand in its class
        # (lightnet/models/_network_tiny_yolo_v3.py, remap_v1).
        left = {14: "head.0.0.layers.", 15: "head.0.1.", 18: "neck.module.3.layers."}
        assert {index for index, _ in found} == (set(left) if table == "lightnet-tiny" else set())
        assert all(tensor.startswith(left[index]) for (index, _), tensor in found.items())

    @pytest.mark.parametrize(
        ("family", "text", "expected"),
        [
            # cfg index: the whole name follows from it
            ("pytorchyolo", TINY, {
                (0, "conv.weight"): "module_list.0.conv_0.weight",
                (0, "bn.running_var"): "module_list.0.batch_norm_0.running_var",
                (22, "conv.bias"): "module_list.22.conv_22.bias",
            }),
            ("ultralytics", TINY, {
                (0, "conv.weight"): "module_list.0.Conv2d.weight",
                (21, "bn.weight"): "module_list.21.BatchNorm2d.weight",
                (22, "conv.bias"): "module_list.22.Conv2d.bias",
            }),
            # convolutions are counted from 1: in tiny layer 22 is the 13th
            ("tianxiaomo", TINY, {
                (0, "conv.weight"): "models.0.conv1.weight",
                (2, "bn.bias"): "models.2.bn2.bias",
                (22, "conv.bias"): "models.22.conv13.bias",
            }),
            ("libreyolo", TINY, {
                (0, "bn.bias"): "yolo3.layers.0.bn.bias",
                (22, "conv.weight"): "yolo3.layers.22.conv.weight",
            }),
            ("libreyolo", YOLOV4, {(160, "conv.bias"): "yolo4.layers.160.conv.bias"}),
            ("mmdet", YOLOV3, {
                (0, "conv.weight"): "backbone.conv1.conv.weight",
                (1, "bn.bias"): "backbone.conv_res_block1.conv.bn.bias",
                (3, "conv.weight"): "backbone.conv_res_block1.res0.conv2.conv.weight",
                (73, "bn.weight"): "backbone.conv_res_block5.res3.conv2.bn.weight",
                (75, "conv.weight"): "neck.detect1.conv1.conv.weight",
                (79, "conv.weight"): "neck.detect1.conv5.conv.weight",
                (80, "conv.weight"): "bbox_head.convs_bridge.0.conv.weight",
                (81, "conv.weight"): "bbox_head.convs_pred.0.weight",
                (84, "conv.weight"): "neck.conv1.conv.weight",
                (91, "bn.bias"): "neck.detect2.conv5.bn.bias",
                (96, "conv.weight"): "neck.conv2.conv.weight",
                (105, "conv.bias"): "bbox_head.convs_pred.2.bias",
            }),
            ("timm", CLASSIFIER, {
                (0, "bn.running_mean"): "stem.conv1.bn.running_mean",
                (1, "conv.weight"): "stages.0.conv_down.conv.weight",
                (73, "conv.weight"): "stages.4.blocks.3.conv2.conv.weight",
                (76, "conv.weight"): "head.fc.weight",
                (76, "conv.bias"): "head.fc.bias",
            }),
            # DeNA/PyTorch_YOLOv3 models/yolov3.py:59-104, entry by entry
            ("dena", YOLOV3, {
                (0, "conv.weight"): "module_list.0.conv.weight",
                (1, "bn.bias"): "module_list.1.batch_norm.bias",
                (3, "conv.weight"): "module_list.2.module_list.0.1.conv.weight",
                (73, "conv.weight"): "module_list.10.module_list.3.1.conv.weight",
                (75, "conv.weight"): "module_list.11.module_list.0.0.conv.weight",
                (78, "conv.weight"): "module_list.11.module_list.1.1.conv.weight",
                (79, "conv.weight"): "module_list.12.conv.weight",
                (80, "conv.weight"): "module_list.13.conv.weight",
                (81, "conv.bias"): "module_list.14.conv.bias",
                (84, "conv.weight"): "module_list.15.conv.weight",
                (87, "conv.weight"): "module_list.17.conv.weight",
                (88, "conv.weight"): "module_list.18.conv.weight",
                (90, "conv.weight"): "module_list.19.module_list.0.1.conv.weight",
                (92, "conv.weight"): "module_list.21.conv.weight",
                (93, "conv.weight"): "module_list.22.conv.weight",
                (96, "conv.weight"): "module_list.23.conv.weight",
                (100, "conv.weight"): "module_list.26.conv.weight",
                (104, "conv.weight"): "module_list.27.module_list.1.1.conv.weight",
                (105, "conv.weight"): "module_list.28.conv.weight",
            }),
            # models/yolov3.yaml, whose comments number the modules; Bottleneck has cv1 and cv2
            ("ultralytics-v5", nets.modern(YOLOV3), {
                (0, "conv.weight"): "model.0.conv.weight",
                (3, "bn.bias"): "model.2.cv2.bn.bias",
                (6, "conv.weight"): "model.4.0.cv1.conv.weight",
                (73, "conv.weight"): "model.10.3.cv2.conv.weight",
                (76, "conv.weight"): "model.11.cv2.conv.weight",
                (77, "conv.weight"): "model.12.conv.weight",
                (80, "conv.weight"): "model.15.conv.weight",
                (81, "conv.weight"): "model.28.m.2.weight",
                (84, "conv.weight"): "model.16.conv.weight",
                (87, "conv.weight"): "model.19.cv1.conv.weight",
                (90, "conv.weight"): "model.20.cv2.conv.weight",
                (92, "conv.weight"): "model.22.conv.weight",
                (93, "conv.bias"): "model.28.m.1.bias",
                (96, "conv.weight"): "model.23.conv.weight",
                (99, "conv.weight"): "model.26.cv1.conv.weight",
                (104, "conv.weight"): "model.27.1.cv2.conv.weight",
                (105, "conv.weight"): "model.28.m.0.weight",
            }),
            ("ultralytics-v5", nets.modern(SPP), {
                (77, "conv.weight"): "model.12.cv1.conv.weight",
                (84, "conv.weight"): "model.12.cv2.conv.weight",
                (87, "conv.weight"): "model.15.conv.weight",
                (88, "conv.weight"): "model.28.m.2.weight",
            }),
        ],
    )  # fmt: skip
    def test_first_last_and_where_a_pattern_changes(self, family, text, expected):
        found = names(text, family)
        assert {place: found[place] for place in expected} == expected

    @pytest.mark.parametrize(("family", "name"), CASES)
    def test_no_two_tensors_have_one_name(self, family, name):
        found = names(NETWORKS[family][name], family)
        assert len(set(found.values())) == len(found)


class TestRefusals:
    @pytest.mark.parametrize(
        ("family", "text", "place", "problem"),
        [
            ("mmdet", TINY, "layer 1 [maxpool]",
             "is not mmdet's YOLOv3: mmdet's YOLOv3 has [convolutional] there"),
            ("mmdet", SPP, "layer 78 [maxpool]", "is not mmdet's YOLOv3: "),
            ("mmdet", nets.yolov3(1, 2, size=64, repeats=1), "layer 79 [convolutional]",
             "is not mmdet's YOLOv3: "),
            ("mmdet", nets.yolov3(1, 2, size=64, merge=(4, 5)), "layer 84 [convolutional]",
             "is not mmdet's YOLOv3: filters is 5, not 8"),
            ("mmdet", nets.yolov3(1, 2, size=64, levels=4), "",
             "has 119 layers, mmdet's YOLOv3 like it has 107"),
            ("dena", YOLOV4, "layer 0 [convolutional]",
             "is not DeNA's YOLOv3: activation is mish, not leaky"),
            ("bubbliiiing", TINY, "layer 1 [maxpool]", "is not bubbliiiing's YOLOv3: "),
            ("bubbliiiing", YOLOV4.replace("scale_x_y=1.1\n", "scale_x_y=1.2\n"),
             "layer 150 [yolo]", "is not bubbliiiing's YOLOv4: scale_x_y is 1.2, not 1.1"),
            ("lightnet", SPP, "layer 78 [maxpool]", "is not lightnet's YoloV3: "),
            ("lightnet", TINY.replace("layers=-1,8", "layers=8,-1"), "layer 20 [route]",
             "is not lightnet's TinyYoloV3: it reads layers 8, 19, not 19, 8"),
            ("tianxiaomo-class", YOLOV3, "layer 0 [convolutional]",
             "is not Tianxiaomo's Yolov4: activation is leaky, not mish"),
            ("timm", YOLOV3, "layer 75 [convolutional]", "is not timm's darknet53: "),
            ("ultralytics-v5", YOLOV3, "layer 0 [convolutional]",
             "is not ultralytics' YOLOv3: activation is leaky, not swish"),
            ("ultralytics-v5", nets.modern(YOLOV3).replace("new_coords=1", "new_coords=0", 1),
             "layer 82 [yolo]", "is not ultralytics' YOLOv3: new_coords is 0, not 1"),
            # Its tiny pads a pool with zeros under SiLU, which is not Darknet's border.
            ("ultralytics-v5", nets.modern(TINY), "layer 1 [maxpool]",
             "is not ultralytics' YOLOv3: "),
            ("pytorchyolo", CLASSIFIER, "layer 75 [avgpool]",
             "is not one that PyTorch-YOLOv3 can build: it has no such layer"),
            ("pytorchyolo", TINY + "\n[convolutional]\nfilters=3\ngroups=3\n",
             "layer 24 [convolutional]",
             "is not one that PyTorch-YOLOv3 can build: it does not read groups, which is 3"),
            ("pytorchyolo", TINY + "\n[convolutional]\nactivation=elu\n",
             "layer 24 [convolutional]",
             "is not one that PyTorch-YOLOv3 can build: it has no activation=elu"),
            ("ultralytics", TINY + "\n[route]\nlayers=-1\ngroups=3\n", "layer 24 [route]",
             "is not one that ultralytics/yolov3 can build: it does not read groups, which is 3"),
            ("tianxiaomo", nets.modern(TINY), "layer 0 [convolutional]",
             "is not one that pytorch-YOLOv4 can build: it has no activation=swish"),
            ("tianxiaomo", TINY + "\n[convolutional]\ndontload=1\n", "layer 24 [convolutional]",
             "is not one that pytorch-YOLOv4 can build: it does not read dontload, which is 1"),
            ("libreyolo", CLASSIFIER, "layer 75 [avgpool]",
             "is not one that LibreYOLO can build: it has no such layer"),
            ("libreyolo", nets.yolov3(1, 2, size=64, repeats=1), "",
             "has 69 convolutions, those that LibreYOLO knows have 13, 21, 75, 76, 110"),
        ],
    )  # fmt: skip
    def test_another_network_is_refused_by_its_first_layer(self, family, text, place, problem):
        with pytest.raises(FamilyError) as caught:
            name_layers(parse_network(text), family)
        assert (caught.value.place or "").partition(", line")[0] == place
        assert caught.value.message.startswith(problem)
        assert caught.value.remedy == "family='generic' converts it"


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


class TestRules:
    @pytest.fixture
    def small(self, make):
        """A YOLOv3-tiny, of whose first layer a variance is too small to take 9e-5 from."""
        files = make(TINY)
        data = bytearray(files.weights.read_bytes())
        # layer 0 has one filter: bias, scale, mean, variance
        data[20 + 4 : 20 + 8] = np.float32(3).tobytes()
        data[20 + 12 : 20 + 16] = np.float32(6e-5).tobytes()
        files.weights.write_bytes(data)
        return files

    def test_a_variance_becomes_zero_and_its_factor_takes_the_rest(self, small):
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

    def test_what_is_lost_is_counted(self, small):
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
    def test_a_changed_bit_is_found(self, small, suffix):
        """Also one that the way back would round away."""
        name = f"module_list.0.BatchNorm2d.{suffix}"
        made = convert(small.weights, family="ultralytics")
        start, _ = read_contents(made.output).entries[name].offsets
        data = bytearray(made.output.read_bytes())
        data[read_contents(made.output).start + start] ^= 1
        made.output.write_bytes(data)
        (wrong,) = verify(small.weights, made.output).comparison.mismatched
        assert wrong == name

    def test_a_port_trained_it(self, small):
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

    def test_the_model_computes_what_it_does_from_our_own_names(self, small):
        native = convert(small.weights, small.weights.with_name("native.safetensors")).output
        theirs = load(convert(small.weights, family="ultralytics").output)
        x = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
        with torch.no_grad():
            for a, b in zip(load(native)(x), theirs(x), strict=True):
                # one channel of the first layer has another factor, by one rounding
                torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-5)

    def test_a_port_computes_the_same_with_its_own_eps(self, small):
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
            {
                name: torch.from_numpy(tensors[f"module_list.0.BatchNorm2d.{name}"])
                for name in kinds
            },
            strict=False,
        )
        # factors near 359 of values near 1, rounded a few times
        torch.testing.assert_close(theirs(x), ours(x), rtol=1e-6, atol=1e-4)

    def test_a_state_dict_goes_back_by_rule(self, make):
        files = make(TINY)
        made = convert(files.weights, family="ultralytics").output
        tensors = {name: torch.from_numpy(t) for name, t in load_file(made).items()}
        target = files.weights.with_name("back.weights")
        save(tensors, target, cfg=files.cfg)
        assert target.read_bytes()[20:] == files.weights.read_bytes()[20:]

    def test_half_precision_of_a_port(self, make):
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


class TestReading:
    @pytest.mark.parametrize(
        ("family", "text", "extras"),
        [
            ("pytorchyolo", TINY, ("module_list.16.yolo_16.anchors",
                                   "module_list.23.yolo_23.anchor_grid")),
            ("ultralytics-v5", nets.modern(YOLOV3), ("model.28.anchors", "model.28.anchor_grid")),
        ],
    )  # fmt: skip
    @pytest.mark.parametrize("shell", ["", "module."])
    def test_constants_of_the_heads_are_passed_over(self, make, family, text, extras, shell):
        files = make(text, version=(0, 2, 5))
        made = convert(files.weights, family=family).output
        tensors = {**load_file(made), **{name: np.ones(6, "<f2") for name in extras}}
        save_file({f"{shell}{name}": tensor for name, tensor in tensors.items()}, made)
        back = files.weights.with_name("back.weights")
        plan = revert(made, back, cfg=files.cfg).plan
        assert (plan.naming.family, plan.naming.prefix) == (family, shell)
        assert back.read_bytes()[20:] == files.weights.read_bytes()[20:]
        ours = convert(files.weights, files.weights.with_name("native.safetensors")).output
        x = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
        with torch.no_grad():
            pairs = zip(load(ours)(x), load(made, cfg=files.cfg)(x), strict=True)
            assert all(torch.equal(a, b) for a, b in pairs)

    def test_others_are_named(self, make):
        files = make(TINY)
        made = convert(files.weights, family="pytorchyolo").output
        save_file({**load_file(made), "module_list.16.yolo_16.x": np.ones(6, "<f4")}, made)
        with pytest.raises(CheckpointError, match=r"lacks: module_list\.16\.yolo_16\.x"):
            revert(made, files.weights.with_name("back.weights"), cfg=files.cfg)

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

    def test_the_article_is_not_read(self, make):
        files = make(YOLOV3)
        made = convert(files.weights, family="article").output
        save_file(load_file(made), made)
        with pytest.raises(CheckpointError, match="has no place for all"):
            revert(made, cfg=files.cfg, family="article")


@pytest.mark.parametrize(
    ("family", "text", "part"),
    [
        ("timm", CLASSIFIER, "negative_slope=0.1"),
        ("libreyolo", TINY, "sqrt(variance) + 1e-6"),
        ("pytorchyolo", YOLOV3, "strict=False"),
        ("pytorchyolo", TINY, "PyTorch-YOLOv3 pads the pool of size 2 and stride 1 with zeros"),
        ("ultralytics", SPP, "under 'model': they want torch.save({'model'"),
        ("ultralytics", TINY, "ultralytics/yolov3 pads the pool of size 2 and stride 1 with zeros"),
    ],
)
def test_what_must_be_known_is_said_when_it_is_written(make, caplog, family, text, part):
    made = convert(make(text).weights, family=family)
    assert part in caplog.text
    (said,) = made.as_dict()["warnings"]
    assert part in said["text"]


@pytest.mark.parametrize(("family", "text"), [("mmdet", YOLOV3), ("tianxiaomo", TINY)])
def test_of_others_there_is_nothing_to_say(make, caplog, family, text):
    assert convert(make(text).weights, family=family).warnings == ()
    assert "pads" not in caplog.text


def test_a_classifiers_kernel_is_timms_matrix(make):
    files = make(CLASSIFIER)
    tensors = load_file(convert(files.weights, family="timm").output)
    assert tensors["head.fc.weight"].shape == (5, 32)


def test_a_backbone_of_a_whole_network(make):
    """The first 75 layers, for whoever trains on from them."""
    files = make(YOLOV3)
    first = sum(int(np.prod(entry.shape)) for entry in reference.layout(YOLOV3) if entry.layer < 75)
    files.weights.write_bytes(files.weights.read_bytes()[: 20 + 4 * first])
    made = convert(files.weights, family="mmdet", partial=True)
    tensors = load_file(made.output)
    assert all(name.startswith("backbone.") for name in tensors)
    assert len(tensors) == 52 * 5
    back = files.weights.with_name("back.weights")
    assert revert(made.output, back).identical


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
