"""ultralytics' YOLOv3 of 2021 and later: its names; to Darknet without a cfg, with its boxes."""

import json
import zlib
from pathlib import Path

import cv2
import nets
import numpy as np
import pytest
import reference
import torch
from safetensors.numpy import load_file, save_file
from torch import nn

from converter import CheckpointError, FamilyError, OutputError, convert, rename, revert, verify
from converter.cli import runner
from converter.darknet.cfg import parse_cfg
from converter.darknet.layers.cells import RawMap
from converter.darknet.network import parse_network
from converter.operations.info import describe
from tests.converter.families.port_networks import (
    SPP,
    TINY,
    YOLOV3,
    names_at,
    refusal,
    require_passed_over,
)
from yolov3 import load
from yolov3.detection.decode import decode

DATA = Path(__file__).parents[2] / "data" / "ultralytics-v5"
KINDS = ["yolov3", "yolov3-spp"]
ANCHORS = [9, 12, 16, 31, 33, 22, 30, 61, 62.5, 45, 59, 119, 116, 90, 156, 198, 373, 326.25]
# Levels of a picture of 64 x 64, as Detect's output has them: fine first, anchor by anchor.
SIDES = (8, 4, 2)


class Part(nn.Module):
    """A module by its parts' names: the classes of a pickled model need not exist here."""

    def put(self, path, values):
        name, _, rest = path.partition(".")
        if not rest:
            self.register_buffer(name, torch.from_numpy(values))
            return
        if name not in self._modules:
            self.add_module(name, Part())
        self._modules[name].put(rest, values)


def values(name, shape):
    """As the golden's script made them."""
    rng = np.random.default_rng(zlib.crc32(name.encode()))
    part, last = name.split(".")[-2:]
    if last == "running_var" or (last == "weight" and part == "bn"):
        low, high = (0.2, 0.6) if ".cv2.bn.weight" in name else (0.5, 1.5)
        found = rng.uniform(low, high, shape)
    elif last == "weight":
        gain = 0.8 if name.startswith("model.28") else 1
        found = rng.normal(0, gain * (2.6 / np.prod(shape[1:])) ** 0.5, shape)
    else:
        found = rng.normal(0, 0.2, shape)
    return found.astype(np.float32)


def golden(kind):
    """Tensors by the port's names, and its boxes: (N, centre, size, objectness, 2 scores)."""
    with np.load(DATA / f"{kind}.npz") as file:
        shapes, anchors, boxes = json.loads(str(file["shapes"])), file["anchors"], file["boxes"]
    tensors = {name: values(name, tuple(shape)) for name, shape in shapes.items()}
    return tensors | {"model.28.anchors": anchors}, boxes


def cell_by_cell(boxes):
    """Coarse first, cell by cell, anchor by anchor: Darknet's order."""
    ends = np.cumsum([3 * side * side for side in SIDES])[:-1]
    levels = zip(np.split(boxes, ends), SIDES, strict=True)
    found = [
        level.reshape(3, side, side, -1).transpose(1, 2, 0, 3).reshape(3 * side * side, -1)
        for level, side in levels
    ]
    return np.concatenate(found[::-1])


def picture():
    return np.random.default_rng(0).random((1, 3, 64, 64), np.float32)


def pickled(path, tensors, **attributes):
    """As ultralytics' train.py saves: the module itself, under "model"."""
    module = Part()
    for name, array in tensors.items():
        module.put(name, array)
    for name, value in attributes.items():
        setattr(module, name, value)
    torch.save({"epoch": 3, "model": module, "ema": None}, path)
    return path


def in_size(cfg, size):
    """The cfg of the same network for a smaller picture."""
    text = cfg.read_text()
    assert text.count("=640") == 2
    cfg.write_text(text.replace("=640", f"={size}"))


@pytest.fixture(params=KINDS)
def kind(request):
    return request.param


@pytest.fixture
def checkpoint(kind, tmp_path):
    return pickled(tmp_path / "best.pt", golden(kind)[0], names={0: "cat", 1: "dog"})


@pytest.fixture
def converted(checkpoint):
    """best.weights, with best.cfg for 64 x 64."""
    weights = checkpoint.with_suffix(".weights")
    assert runner.run("convert", "convert", [str(checkpoint), "-o", str(weights)]) == 0
    in_size(weights.with_suffix(".cfg"), 64)
    return weights


def test_the_cfg_says_all_that_engines_ask_for(converted, kind):
    sections = parse_cfg(converted.with_suffix(".cfg").read_text())
    facts = [{option.key: option.text for option in section.options} for section in sections]
    convs = [f for s, f in zip(sections, facts, strict=True) if s.type == "convolutional"]
    heads = [f for s, f in zip(sections, facts, strict=True) if s.type == "yolo"]
    assert len(convs) == (76 if kind == "yolov3-spp" else 75)
    assert [f["activation"] for f in convs].count("logistic") == 3
    assert [f["activation"] for f in convs].count("swish") == len(convs) - 3
    assert all({"size", "stride", "filters"} <= f.keys() for f in convs)
    assert [f["mask"] for f in heads] == ["6,7,8", "3,4,5", "0,1,2"]
    for head in heads:
        assert (head["classes"], head["num"], head["new_coords"]) == ("2", "9", "1")
        assert float(head["scale_x_y"]) == 2
        # In cells they were 9/8, 12/8, ..., 373/32, 326.25/32.
        assert list(map(float, head["anchors"].split(","))) == ANCHORS
    assert converted.with_suffix(".names").read_text() == "cat\ndog\n"


def test_batch_norm_adds_less_and_the_pools_stand_in_another_order(converted, kind):
    """By the tests' own reader."""
    tensors, _ = golden(kind)
    arrays = reference.read(converted.with_suffix(".cfg").read_text(), converted)
    variance = tensors["model.0.bn.running_var"].astype(np.float64) + (1e-3 - 1e-5)
    np.testing.assert_array_equal(arrays[0, "rolling_variance"], variance.astype(np.float32))
    np.testing.assert_array_equal(arrays[0, "weights"], tensors["model.0.conv.weight"])
    if kind == "yolov3-spp":
        groups = np.split(tensors["model.12.cv2.conv.weight"], 4, axis=1)
        np.testing.assert_array_equal(arrays[84, "weights"], np.concatenate(groups[::-1], axis=1))


def test_our_boxes_are_those_of_the_port(checkpoint, converted, kind):
    wanted = cell_by_cell(golden(kind)[1])
    model = load(convert(converted, converted.with_name("x.safetensors")).output)
    with torch.no_grad():
        maps = model(torch.from_numpy(picture()))
    maps = model.network.in_file_order(maps)
    maps = [RawMap(values.numpy(), np.asarray) for values in maps]
    ((boxes, scores),) = decode(model.network.outputs, maps, (64, 64), 0, model.dialect)
    # float32 sums of up to 9,216 products, in 75 layers one after another: measured 2e-6.
    np.testing.assert_allclose(boxes * 64, wanted[:, :4], rtol=2e-5, atol=1e-4)
    np.testing.assert_allclose(scores, wanted[:, 4:5] * wanted[:, 5:], rtol=2e-5)


def test_a_checkpoint_is_loaded_without_a_cfg(checkpoint, kind):
    wanted = golden(kind)[1]
    model = load(checkpoint)
    with torch.no_grad():
        maps = model(torch.from_numpy(picture()))
    assert model.names == ["cat", "dog"]
    coarse = np.split(wanted, [192, 240])[2].reshape(3, 2, 2, 7).transpose(0, 3, 1, 2)
    # What the head convolution's logistic gives, objectness and scores as they are.
    found = maps[-1][0].reshape(3, 7, 2, 2)[:, 4:]
    np.testing.assert_allclose(found, coarse[:, 4:], rtol=2e-5)


def test_opencv_has_the_same_boxes(converted, kind):
    wanted = cell_by_cell(golden(kind)[1])
    cfg = converted.with_suffix(".cfg")
    # OpenCV's batch norm adds 1e-6 (modules/dnn/src/darknet/darknet_io.cpp), Darknet's 1e-5.
    data = bytearray(converted.read_bytes())
    for slot in convert(converted, dry_run=True).plan.slots:
        if slot.kind == "rolling_variance":
            variance = np.frombuffer(data[slot.offset : slot.end], "<f4").astype(np.float64)
            data[slot.offset : slot.end] = (variance + 9e-6).astype("<f4").tobytes()
    shifted = converted.with_name("shifted.weights")
    shifted.write_bytes(data)
    net = cv2.dnn.readNetFromDarknet(str(cfg), str(shifted))
    net.setInput(picture())
    found = np.concatenate(sorted(net.forward(net.getUnconnectedOutLayersNames()), key=len))
    np.testing.assert_allclose(found[:, :4] * 64, wanted[:, :4], rtol=2e-5, atol=2e-4)
    np.testing.assert_allclose(found[:, 4], wanted[:, 4], rtol=2e-5)
    scores = wanted[:, 4:5] * wanted[:, 5:]
    clear = abs(scores - 0.2) > 1e-5  # it reports no score below 0.2
    reported = np.where(scores > 0.2, scores, 0)
    np.testing.assert_allclose(found[:, 5:][clear], reported[clear], rtol=2e-5)
    assert (reported > 0).sum() > 100


def test_there_and_back(checkpoint, kind, tmp_path):
    tensors, _ = golden(kind)
    revert(checkpoint, tmp_path / "there.weights")
    assert verify(tmp_path / "there.weights", checkpoint).ok
    again = convert(
        tmp_path / "there.weights", tmp_path / "again.safetensors", family="ultralytics-v5"
    ).output
    found = load_file(again)
    assert found.keys() | {"model.28.anchors"} == tensors.keys()
    for name, array in found.items():
        # Adding to a variance and taking it away again is rounded twice.
        most = 1 if name.endswith("running_var") else 0
        assert abs(array.view("<i4") - tensors[name].view("<i4")).max() <= most, name


def test_to_our_names(checkpoint, tmp_path):
    made = rename(checkpoint, tmp_path / "ours.safetensors")
    assert made.metadata.family == "generic"
    assert made.metadata.names == ["cat", "dog"]
    assert made.metadata.dialect == "alexeyab"


def test_info(checkpoint, kind):
    info = describe(checkpoint)
    assert info.problem is None
    assert (info.family, info.names, info.kind) == ("ultralytics-v5", ["cat", "dog"], "torch")
    assert "with 2 classes, recognised by the names and shapes of its tensors" in info.how
    assert "the input size (640x640) is assumed" in info.how


@pytest.mark.parametrize("prefix", ["", "module."])
def test_a_state_dict_in_safetensors(prefix, tmp_path):
    tensors = {prefix + name: array for name, array in golden("yolov3")[0].items()}
    save_file(tensors, tmp_path / "best.safetensors")
    done = revert(tmp_path / "best.safetensors", tmp_path / "best.weights")
    assert done.cfg == tmp_path / "best.cfg"
    assert not (tmp_path / "best.names").exists()
    assert parse_network(done.cfg.read_text(), "alexeyab").classes == 2


def test_half_precision(tmp_path):
    tensors = {name: array.astype(np.float16) for name, array in golden("yolov3")[0].items()}
    path = pickled(tmp_path / "best.pt", tensors)
    revert(path, tmp_path / "best.weights")
    arrays = reference.read((tmp_path / "best.cfg").read_text(), tmp_path / "best.weights")
    np.testing.assert_array_equal(
        arrays[0, "weights"], tensors["model.0.conv.weight"].astype(np.float32)
    )


class TestCfg:
    @pytest.fixture
    def best(self, tmp_path):
        return pickled(tmp_path / "best.pt", golden("yolov3")[0], names=["cat", "dog"])

    def test_it_is_written_where_it_is_asked_for(self, best, tmp_path):
        arguments = [str(best), "-o", str(tmp_path / "x.weights"),
                     "--cfg-out", str(tmp_path / "y.cfg")]  # fmt: skip
        assert runner.run("convert", "convert", arguments) == 0
        assert sorted(path.name for path in tmp_path.iterdir()) == [
            "best.pt", "x.weights", "y.cfg", "y.names",
        ]  # fmt: skip

    def test_for_hank_ais_engine(self, best, tmp_path):
        done = revert(best, tmp_path / "x.weights", cfg_out=tmp_path / "y.cfg", engine="hank-ai")
        assert parse_network(done.cfg.read_text(), "hank-ai").classes == 2

    @pytest.mark.parametrize("other", ["best.cfg", "best.names"])
    def test_one_that_is_there_is_not_replaced(self, best, other, tmp_path):
        (tmp_path / other).write_text("[net]\n")
        with pytest.raises(OutputError, match="exists already"):
            revert(best)
        assert sorted(path.name for path in tmp_path.iterdir()) == sorted(["best.pt", other])
        assert revert(best, force=True).verified

    def test_again_is_up_to_date(self, best):
        assert revert(best).status == "converted"
        assert revert(best).status == "up to date"

    def test_a_dry_run_writes_none(self, best, tmp_path):
        revert(best, dry_run=True)
        assert [path.name for path in tmp_path.iterdir()] == ["best.pt"]

    def test_ones_own_cfg_counts(self, best, tmp_path):
        first = revert(best, tmp_path / "first.weights")
        done = revert(best, tmp_path / "x.weights", cfg=first.cfg)
        assert done.cfg is None
        assert (tmp_path / "x.weights").read_bytes() == (tmp_path / "first.weights").read_bytes()


@pytest.mark.parametrize(
    "names",
    [["cat"], ["cat", "dog", "cow"], ["cat", 3], ["cat", "a\nb"], ["cat", ""], {1: "a", 0: "b"},
     "ab", 7],
)  # fmt: skip
def test_names_that_are_not_a_line_for_each_class_are_left_out(names, tmp_path):
    path = pickled(tmp_path / "best.pt", golden("yolov3")[0], names=names)
    assert revert(path).class_names is None
    assert not (tmp_path / "best.names").exists()


def test_another_depth_is_refused_by_its_tensors(tmp_path):
    tensors, _ = golden("yolov3")
    del tensors["model.6.7.cv1.conv.weight"]
    with pytest.raises(CheckpointError, match=r"lacks 1 tensors .*model\.6\.7\.cv1\.conv\.weight"):
        revert(pickled(tmp_path / "best.pt", tensors))


@pytest.mark.parametrize("side", [np.nan, np.inf, 0, -1])
def test_anchors_that_are_no_sizes(side, tmp_path):
    tensors = golden("yolov3")[0]
    tensors["model.28.anchors"][1, 2, 0] = side
    with pytest.raises(FamilyError, match=r"model\.28\.anchors: has anchors that are no sizes"):
        revert(pickled(tmp_path / "best.pt", tensors))


def ones(*names):
    return {name: np.ones((6, 4, 1, 1), np.float32) for name in names}


@pytest.mark.parametrize(
    ("tensors", "problem"),
    [
        (ones("model.0.conv.weight", "model.28.cv2.0.0.conv.weight", "model.28.dfl.conv.weight"),
         "is a YOLOv3u: its head has neither anchors nor objectness"),
        (ones("model.0.conv.weight", "model.20.dfl.conv.weight"), "is a YOLOv3u"),
        (ones("model.0.conv.weight", "model.13.conv.weight", "model.19.conv.weight",
              "model.20.m.0.weight", "model.20.m.1.weight"),
         "is ultralytics' yolov3-tiny: it pads a pool with zeros"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("act", [revert, load])
def test_what_darknet_cannot_compute_is_refused_by_its_name(tensors, problem, act, tmp_path):
    path = pickled(tmp_path / "best.pt", tensors)
    with pytest.raises(FamilyError, match=problem) as caught:
        act(path)
    assert caught.value.path == str(path)
    assert [file.name for file in tmp_path.iterdir()] == ["best.pt"]


@pytest.mark.parametrize(
    "change",
    [
        {"model.28.anchors": np.ones((2, 3, 2), np.float32)},
        {"model.28.m.0.weight": np.ones((15, 64, 1, 1), np.float32)},
        {"model.28.m.0.weight": np.ones(21, np.float32)},
        {"model.0.conv.weight": np.ones((8, 3), np.float32)},
        {"model.0.conv.weight": np.ones((0, 3, 3, 3), np.float32)},
        {"model.1.conv.weight": np.ones((16, 8, 1, 1), np.float32)},
    ],
)
def test_other_shapes_are_no_such_network(change, tmp_path):
    tensors = golden("yolov3")[0] | change
    with pytest.raises(CheckpointError, match="does not say which network it is"):
        revert(pickled(tmp_path / "best.pt", tensors))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        # models/yolov3.yaml, whose comments number the modules; Bottleneck has cv1 and cv2
        (nets.modern(YOLOV3), {
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
        (nets.modern(SPP), {
            (77, "conv.weight"): "model.12.cv1.conv.weight",
            (84, "conv.weight"): "model.12.cv2.conv.weight",
            (87, "conv.weight"): "model.15.conv.weight",
            (88, "conv.weight"): "model.28.m.2.weight",
        }),
    ],
)  # fmt: skip
def test_the_first_and_last_names_and_where_a_pattern_changes(text, expected):
    assert names_at(expected, text, "ultralytics-v5") == expected


@pytest.mark.parametrize(
    ("text", "place", "problem"),
    [
        (YOLOV3, "layer 0 [convolutional]",
         "is not ultralytics' YOLOv3: activation is leaky, not swish"),
        (nets.modern(YOLOV3).replace("new_coords=1", "new_coords=0", 1), "layer 82 [yolo]",
         "is not ultralytics' YOLOv3: new_coords is 0, not 1"),
        # Its tiny pads a pool with zeros under SiLU, which is not Darknet's border.
        (nets.modern(TINY), "layer 1 [maxpool]", "is not ultralytics' YOLOv3: "),
    ],
)  # fmt: skip
def test_another_network_is_refused_by_its_first_layer(text, place, problem):
    where, why = refusal(text, "ultralytics-v5")
    assert where == place
    assert why.startswith(problem)


@pytest.mark.parametrize("shell", ["", "module."])
def test_constants_of_the_head_are_passed_over(make, shell):
    files = make(nets.modern(YOLOV3), version=(0, 2, 5))
    constants = ("model.28.anchors", "model.28.anchor_grid")
    require_passed_over(constants, files, "ultralytics-v5", shell)
