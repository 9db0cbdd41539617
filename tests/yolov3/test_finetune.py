"""Fine-tuning: fresh heads, frozen layers, folded batch norm, and back to Darknet."""

import difflib
import shutil
from pathlib import Path

import nets
import numpy as np
import pytest
import torch
from darknet_trainer import go_on
from one_feature import conv, network, section
from torch import nn
from torch.nn import functional as F

from converter import UsageError, convert, revert
from converter.darknet.network import parse_network
from converter.errors import NetworkError
from yolov3 import FPN, Darknet53, DarknetModel, YOLOv3, load, save
from yolov3.detection.image import read
from yolov3.detection.prepare import prepare
from yolov3.parity.engines import Darknet

DATA = Path(__file__).parents[1] / "data"
PICTURES = DATA / "shapes" / "images"


@pytest.fixture
def model(sample) -> YOLOv3:
    return load(convert(sample.weights).output)


@pytest.fixture
def heads(tmp_path):
    """Loads one of the small networks of AlexeyAB's dialect."""

    def loaded(name: str) -> DarknetModel:
        for suffix in (".cfg", ".weights"):
            shutil.copyfile(DATA / "heads" / (name + suffix), tmp_path / (name + suffix))
        return load(convert(tmp_path / f"{name}.weights", dialect="alexeyab").output)

    return loaded


def back_to_darknet(model, folder) -> Darknet:
    """The engine with what ``model`` became: its cfg and its .weights file."""
    save(model, folder / "tuned.safetensors")
    (folder / "tuned.cfg").write_text(model.network.text)
    assert revert(folder / "tuned.safetensors", folder / "tuned.weights").verified
    return Darknet(folder / "tuned.cfg", folder / "tuned.weights")


class TestReplaceHeads:
    def test_the_maps_have_the_new_classes(self, model):
        assert model.replace_heads(5) is model
        shapes = [tuple(y.shape) for y in model(torch.rand(2, 3, 64, 96))]
        # 3 * (5 + 5) = 30
        assert shapes == [(2, 30, 8, 12), (2, 30, 4, 6), (2, 30, 2, 3)]
        assert (model.num_classes, model.network.classes, model.names) == (5, 5, None)

    def test_nothing_else_changes(self, model):
        before = {k: v.clone() for k, v in model.state_dict().items()}
        model.replace_heads(3)
        after = model.state_dict()
        assert after.keys() == before.keys()
        changed = {name for name in before if not torch.equal(before[name], after[name])}
        assert changed == {
            f"heads.{i}.conv.{kind}" for i in range(3) for kind in ("weight", "bias")
        }

    def test_the_cfg_changes_in_six_lines(self, model, sample):
        model.replace_heads(5)
        diff = difflib.ndiff(sample.text.split("\n"), model.network.text.split("\n"))
        assert [line for line in diff if line[0] in "+-"] == 3 * [
            "- filters=24", "+ filters=30", "- classes=3", "+ classes=5",
        ]  # fmt: skip

    def test_they_start_as_darknets_do(self):
        """N(0, 2 / fan_in) and 0: pj convolutional_layer.c:205-209."""
        torch.manual_seed(0)
        backbone = Darknet53(num_classes=None, width=4)
        model = YOLOv3(backbone, FPN(backbone.channels), 3).replace_heads(200)
        for head in model.heads:
            weight = head.conv.weight.detach()
            # 19,680 values and more: their deviation is within 5 standard errors, 5 / sqrt(2 n)
            assert weight.std() == pytest.approx((2 / weight.shape[1]) ** 0.5, rel=0.03)
            assert weight.mean() == pytest.approx(0, abs=0.02)
            assert not head.conv.bias.any()

    def test_mode_type_and_gradients_stay(self, model):
        model.double().train().replace_heads(2)
        assert model.heads[0].training
        assert model.heads[0].conv.weight.dtype == torch.float64
        assert model.heads[0].conv.weight.requires_grad

    def test_names_and_anchors_come_with_them(self, model, sample):
        before = model.network.text
        anchors = [(10 + i, 20.5 + i) for i in range(9)]
        model.replace_heads(2, names=["cat", "dog"], anchors=anchors)
        assert model.names == ["cat", "dog"]
        # fine to coarse: shapes.cfg has mask 0, 1, 2 at its finest head
        assert model.anchors == [anchors[:3], anchors[3:6], anchors[6:]]
        changed = [
            line for line in difflib.ndiff(before.split("\n"), model.network.text.split("\n"))
            if line[:2] == "+ "
        ]  # fmt: skip
        pairs = ", ".join(f"{w},{w + 10.5}" for w in range(10, 19))
        # 3 * (5 + 2) = 21
        assert changed == 3 * ["+ filters=21", f"+ anchors={pairs}", "+ classes=2"]

    def test_a_checkpoint_keeps_them(self, model, tmp_path):
        anchors = [(10 + i, 20.5 + i) for i in range(9)]
        model.replace_heads(2, names=["cat", "dog"], anchors=anchors)
        save(model, tmp_path / "tuned.safetensors")
        again = load(tmp_path / "tuned.safetensors")
        assert again.names == ["cat", "dog"]
        assert again.anchors == [anchors[:3], anchors[3:6], anchors[6:]]

    @pytest.mark.parametrize(
        ("options", "problem"),
        [
            ({"names": ["cat"]}, "names= has 1 names for num_classes=2"),
            ({"names": []}, "names= has 0 names for num_classes=2"),
            ({"names": "cd"}, "names='cd' is no list of names"),
            (
                {"anchors": [(1, 2)] * 3},
                r"anchors= has 3 pairs, layer 82 \[yolo\], line \d+ has 9",
            ),
            ({"anchors": [(1, 2)] * 8 + [(0, 2)]}, r"anchors= has \(0, 2\), which is no width"),
            ({"anchors": [(1, 2)] * 8 + [(1, float("nan"))]}, "which is no width and height"),
            ({"anchors": [(1, 2, 3)] * 9}, "which is no width and height"),
        ],
    )
    def test_names_and_anchors_that_do_not_fit(self, model, options, problem):
        before = model.network
        with pytest.raises(UsageError, match=problem):
            model.replace_heads(2, **options)
        assert model.network is before
        assert model.names == ["circle", "square", "triangle"]

    def test_anchors_without_a_cfg(self):
        backbone = Darknet53(num_classes=None, width=2)
        model = YOLOv3(backbone, FPN(backbone.channels), 3)
        with pytest.raises(UsageError, match="anchors= belong to a cfg"):
            model.replace_heads(2, anchors=[(1, 2)] * 9)
        assert model.replace_heads(2, names=["cat", "dog"]).names == ["cat", "dog"]

    @pytest.mark.parametrize("classes", [0, -1])
    def test_too_few_classes(self, model, classes):
        with pytest.raises(UsageError, match="must be at least 1"):
            model.replace_heads(classes)
        assert model.num_classes == 3

    @pytest.mark.engine
    def test_darknet_runs_the_result(self, model, tmp_path):
        torch.manual_seed(0)
        model.replace_heads(5)
        x = torch.rand(1, 3, 192, 192)
        layers = back_to_darknet(model, tmp_path).run(x[0].numpy())
        assert layers[82].shape == layers[81].shape == (30, 6, 6)
        with torch.no_grad():
            coarse = load(tmp_path / "tuned.safetensors", bn="pjreddie-cpu")(x)[2][0].numpy()
        # One order of additions against another, with darknet's batch norm: relative L2 of 75
        # convolutions (measured: 1e-6).
        assert np.linalg.norm(coarse - layers[81]) <= 1e-5 * np.linalg.norm(layers[81])


class TestSeen:
    """Darknet trains while seen / (batch * subdivisions) < max_batches: pj detector.c:62."""

    @pytest.fixture
    def tuned(self, sample) -> YOLOv3:
        """One with fresh heads, from a file that saw as many pictures as YOLOv3's own."""
        data = bytearray(sample.weights.read_bytes())
        data[12:20] = (32_013_312).to_bytes(8, "little")
        sample.weights.write_bytes(data)
        model = load(convert(sample.weights).output)
        assert model.metadata.header.seen == 32_013_312
        return model.replace_heads(3)

    def test_fresh_heads_have_seen_no_picture(self, tuned, tmp_path):
        save(tuned, tmp_path / "tuned.weights")
        assert (tmp_path / "tuned.weights").read_bytes()[:20] == bytes([0, 0, 0, 0, 2] + 15 * [0])

    def test_so_does_a_network_of_another_family(self, sample, tmp_path):
        model = load(convert(sample.weights, family="generic").output)
        assert model.metadata.header.seen == 2400
        assert model.replace_heads(5).metadata.header.seen == 0

    @pytest.mark.engine
    def test_darknet_trains_what_was_saved(self, tuned, tmp_path):
        save(tuned, tmp_path / "tuned.weights", cfg_out=tmp_path / "tuned.cfg")
        labelled = tmp_path / "labelled"
        labelled.mkdir()
        for path in [*PICTURES.glob("*.png"), *PICTURES.glob("*.txt")]:
            shutil.copyfile(path, labelled / path.name)
        go_on(tmp_path, "tuned", labelled)


class TestReplaceHeadsOfAnyNetwork:
    @pytest.mark.parametrize(
        ("name", "filters"),
        [
            # anchors * (box + 1 + classes), with the anchors that the head uses
            ("yolo", [3 * (5 + 7)]),
            ("yolo-two", [3 * (5 + 7), 3 * (5 + 7)]),
            ("gaussian", [3 * (9 + 7)]),
            ("region", [2 * (5 + 7)]),
        ],
    )
    def test_every_kind_of_head(self, heads, tmp_path, name, filters):
        model = heads(name).replace_heads(7)
        assert [y.shape[1] for y in model(torch.rand(1, 3, 64, 96))] == filters
        assert model.network.classes == 7
        save(model, tmp_path / "tuned.safetensors")
        again = load(tmp_path / "tuned.safetensors")
        x = torch.rand(1, 3, 64, 96)
        for one, other in zip(model.forward_layers(x), again.forward_layers(x), strict=True):
            assert torch.equal(one[1], other[1])

    def test_anchors_of_a_region_are_in_cells(self, heads):
        model = heads("region").replace_heads(7, anchors=[(1.5, 2), (3, 4)])
        assert model.network.outputs[0].layer.sizes == ((1.5, 2), (3, 4))

    def test_an_option_that_the_cfg_left_to_its_default(self):
        """[yolo] without classes= has 20: pj parser.c:304."""
        text = network(conv(filters=25, activation="linear"), section("yolo", num=1, anchors="1,2"))
        model = DarknetModel(parse_network(text)).replace_heads(4)
        assert model.network.classes == 4
        assert "[yolo]\nclasses=4\nnum=1\n" in model.network.text
        assert "filters=9\n" in model.network.text

    @pytest.mark.parametrize(
        ("layers", "problem"),
        [
            ([conv(), section("avgpool"), section("softmax")], "no head whose classes"),
            (
                [conv(filters=8, batch_normalize=1), section("yolo", num=1, classes=3)],
                "no plain convolution",
            ),
        ],
    )
    def test_networks_without_such_heads(self, layers, problem):
        model = DarknetModel(parse_network(network(*layers)))
        before = model.network
        with pytest.raises(NetworkError, match=problem):
            model.replace_heads(4)
        assert model.network is before


class TestClassifier:
    @pytest.fixture
    def backbone(self, make) -> Darknet53:
        text = "\n".join([nets.net(64), *nets.darknet53(2)])
        return load(convert(make(text).weights).output)

    def test_all_five_stages(self, backbone):
        shapes = [tuple(y.shape) for y in backbone.stages(torch.rand(2, 3, 64, 64))]
        # width 2: stage i has 2 * 2^i channels at a stride of 2^i
        assert shapes == [(2, 2 * 2**i, 64 // 2**i, 64 // 2**i) for i in range(1, 6)]

    def test_a_bare_backbone_becomes_a_classifier(self, backbone, tmp_path):
        assert not hasattr(backbone, "fc")
        backbone.replace_heads(7)
        x = torch.rand(2, 3, 64, 64)
        assert backbone.classify(x).shape == (2, 7)
        assert backbone.network.classes == 7
        save(backbone, tmp_path / "tuned.safetensors")
        assert torch.equal(load(tmp_path / "tuned.safetensors").classify(x), backbone.classify(x))

    def test_a_classifier_gets_other_classes(self, make):
        model = load(convert(make(nets.classifier(2, 7, 64)).weights).output).replace_heads(4)
        assert model.classify(torch.rand(1, 3, 64, 64)).shape == (1, 4)
        assert model.network.classes == 4
        assert not model.fc[2].bias.any()

    def test_names_but_no_anchors(self, backbone):
        assert backbone.replace_heads(2, names=["cat", "dog"]).names == ["cat", "dog"]
        with pytest.raises(UsageError, match="a Darknet53 has none"):
            backbone.replace_heads(2, anchors=[(1, 2)])

    def test_only_the_classifier_is_trained(self, backbone):
        backbone.replace_heads(7).freeze_backbone().train()
        F.cross_entropy(backbone.classify(torch.rand(4, 3, 64, 64)), torch.arange(4)).backward()
        trained = [name for name, p in backbone.named_parameters() if p.grad is not None]
        assert trained == ["fc.2.weight", "fc.2.bias"]

    @pytest.mark.engine
    def test_darknet_runs_the_result(self, backbone, tmp_path):
        torch.manual_seed(0)
        backbone.replace_heads(7)
        x = torch.rand(1, 3, 64, 64)
        *_, softmax = back_to_darknet(backbone, tmp_path).run(x[0].numpy())
        with torch.no_grad():
            scores = load(tmp_path / "tuned.safetensors", bn="pjreddie-cpu").classify(x)
        # probabilities: 1e-6 of rounding over 53 convolutions
        np.testing.assert_allclose(scores.softmax(1)[0].numpy(), softmax.ravel(), atol=1e-5)


def norms(module):
    return [m for m in module.modules() if isinstance(m, nn.BatchNorm2d)]


class TestFreezing:
    def test_weights_and_statistics_of_the_backbone(self, model):
        assert model.freeze_backbone() is model
        model.train()
        before = {k: v.clone() for k, v in model.state_dict().items()}
        sum(y.square().mean() for y in model(torch.rand(2, 3, 64, 64))).backward()
        assert all(p.grad is None for p in model.backbone.parameters())
        assert all(p.grad is not None for p in model.fpn.parameters())
        assert all(p.grad is not None for p in model.heads.parameters())
        moved = {k for k, v in model.state_dict().items() if not torch.equal(v, before[k])}
        assert not {name for name in moved if name.startswith("backbone.")}
        assert len(moved) == 3 * len(norms(model.fpn))  # mean, variance and counter of each

    def test_in_training_mode_already(self, model):
        model.train().freeze_backbone()
        assert not any(norm.training for norm in norms(model.backbone))
        assert all(norm.training for norm in norms(model.fpn))

    def test_and_back(self, model):
        model.freeze_backbone().requires_grad_(True).train()
        assert all(norm.training for norm in norms(model))
        sum(y.mean() for y in model(torch.rand(2, 3, 64, 64))).backward()
        assert all(p.grad is not None for p in model.parameters())

    def test_the_first_layers_of_any_network(self, heads):
        model = heads("yolo").freeze_backbone(2).train()
        model(torch.rand(2, 3, 64, 96))[0].mean().backward()
        frozen = [all(p.grad is None for p in layer.parameters()) for layer in model.layers[:3]]
        assert frozen == [True, True, False]

    def test_the_first_layers_of_a_modular_model(self, sample):
        """Layers 0 to 4 of the cfg are the stem and the first stage, see the README's table."""
        model = load(convert(sample.weights).output).freeze_backbone(5)
        frozen = {name for name, p in model.named_parameters() if not p.requires_grad}
        assert {name.split(".")[1] for name in frozen} == {"stem", "res_conv_1"}
        assert frozen == {
            name
            for name, _ in model.named_parameters()
            if name.startswith(("backbone.stem.", "backbone.res_conv_1."))
        }

    def test_without_a_number_what_all_heads_share(self):
        """yolov3-tiny: the second head goes on from layers 13 and 8, the first from 13 alone."""
        model = DarknetModel(parse_network(nets.tiny(1, 3, size=64))).freeze_backbone()
        frozen = [
            i
            for i, layer in enumerate(model.layers)
            if any(True for _ in layer.parameters())
            and not any(p.requires_grad for p in layer.parameters())
        ]
        assert frozen == [0, 2, 4, 6, 8, 10, 12, 13]

    def test_one_head_keeps_the_convolution_before_it(self, heads):
        model = heads("yolo").freeze_backbone()
        conv = model.network.outputs[0].sources[0]
        trained = {name.split(".")[1] for name, p in model.named_parameters() if p.requires_grad}
        assert trained == {str(conv)}

    def test_a_network_without_heads_needs_a_number(self):
        text = nets.net(64) + "\n[convolutional]\nfilters=2\nsize=1\nstride=1\n"
        model = DarknetModel(parse_network(text))
        with pytest.raises(UsageError, match="no heads that show"):
            model.freeze_backbone()
        assert not any(p.requires_grad for p in model.freeze_backbone(1).parameters())

    def test_a_model_built_by_hand_has_no_layers_of_a_cfg(self):
        with pytest.raises(UsageError, match="comes from no checkpoint"):
            Darknet53(width=2).freeze_backbone(5)

    @pytest.mark.parametrize("layers", [0, 5])
    def test_more_layers_than_there_are(self, heads, layers):
        with pytest.raises(UsageError, match=rf"layers={layers} is outside 1 to 4"):
            heads("yolo").freeze_backbone(layers)


class TestFuse:
    @pytest.mark.parametrize("bn", ["torch", "pjreddie-cpu"])
    def test_the_sample(self, sample, bn):
        model = load(convert(sample.weights).output, bn=bn)
        x = tensor(PICTURES / "0003.png")
        with torch.no_grad():
            wanted, found = model(x), model.fuse()(x)
        # Folding multiplies and adds in another order: a few roundings of 1.2e-7 in each of 75
        # convolutions. Measured: 4e-5 at values up to 37.
        for mine, theirs in zip(found, wanted, strict=True):
            torch.testing.assert_close(mine, theirs, atol=1e-4, rtol=1e-5)

    def test_in_float64_it_is_the_same(self, model):
        """So what is left in float32 is rounding alone, whatever the rule of batch norm."""
        model.double()
        x = torch.rand(1, 3, 64, 64, dtype=torch.float64)
        with torch.no_grad():
            for mine, theirs in zip(model.fuse()(x), model(x), strict=True):
                torch.testing.assert_close(mine, theirs, atol=1e-12, rtol=1e-12)

    def test_no_batch_norm_is_left_and_the_model_is_as_it_was(self, model):
        before = {k: v.clone() for k, v in model.state_dict().items()}
        fused = model.train().fuse()
        assert not norms(fused)
        assert not fused.training
        assert model.training
        assert all(torch.equal(v, before[k]) for k, v in model.state_dict().items())
        assert (fused.names, fused.input_size) == (model.names, model.input_size)

    @pytest.mark.parametrize(
        ("layers", "inputs"),
        [
            # with a transposed convolution, a group, and kernels that two layers share
            ([section("deconvolutional", filters=4, size=2, stride=2, batch_normalize=1)], 3),
            ([conv(batch_normalize=1), conv(batch_normalize=1, groups=3)], 3),
            ([conv(batch_normalize=1), conv(batch_normalize=1),
              conv(batch_normalize=1, share_index=1)], 3),
            ([conv(), section("connected", output=5, batch_normalize=1)], 3),
            ([section("crnn", batch_normalize=1, output_filters=4, hidden_filters=5)], 3),
            # nothing to fold it into
            ([section("batchnorm")], 3),
        ],
        ids=["deconvolutional", "groups", "share_index", "connected", "crnn", "batchnorm"],
    )  # fmt: skip
    def test_every_layer_with_batch_norm(self, layers, inputs):
        torch.manual_seed(0)
        model = DarknetModel(parse_network(network(*layers, channels=inputs))).double().eval()
        for module in model.modules():
            if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
                module.running_mean.normal_()
                module.running_var.uniform_(0.5, 1.5)
                for parameter in module.parameters():
                    nn.init.uniform_(parameter, 0.5, 1.5)
        x = torch.randn(2, inputs, 10, 13, dtype=torch.float64)
        with torch.no_grad():
            (wanted,), (found,) = model(x), model.fuse()(x)
        assert wanted.std() > 0.01
        torch.testing.assert_close(found, wanted, atol=1e-12, rtol=1e-12)

    def test_layers_of_signs_keep_theirs(self):
        """A weight of 0 counts as negative, also after a scale that is negative."""
        x1 = {"size": 1, "batch_normalize": 1, "activation": "linear"}
        layers = conv(**x1), conv(**x1, xnor=1), conv(**x1), conv(**x1, xnor=1, share_index=2)
        model = DarknetModel(parse_network(network(*layers))).eval()
        with torch.no_grad():
            for layer in model.layers:
                for name, values in layer.named_parameters():
                    values.uniform_(-2, -1) if name == "bn.weight" else values.normal_()
                    if name == "conv.weight":
                        values[:, 0] = 0
            fused = model.fuse()
            x = torch.randn(2, 3, 10, 13)
            torch.testing.assert_close(fused(x), model(x), atol=1e-5, rtol=1e-5)
        assert [hasattr(norm, "weight") for norm in norms(fused)] == [True, True]


def tensor(path):
    pixels = prepare(read(path), 192, 192, "stretch")
    return torch.from_numpy(pixels.transpose(2, 0, 1).copy())[None]


def yolo_loss(model, maps, labels):
    """YOLOv3's loss in its simplest form: the best anchor of all answers for an object.

    ``labels`` are (class, x, y, w, h) in parts of the picture, for each picture.
    """
    sizes = torch.tensor(model.anchors).reshape(-1, 2)  # (9, 2) pixels, fine to coarse
    side = torch.tensor(model.input_size).flip(0)
    loss, objects = torch.zeros(()), []
    for raw in maps:
        n, _, h, w = raw.shape
        objects.append((raw.reshape(n, 3, -1, h, w), torch.zeros(n, 3, h, w)))
    for picture, boxes in enumerate(labels):
        for label, x, y, *wh in boxes:
            pixels = torch.tensor(wh) * side
            overlap = torch.minimum(pixels, sizes).prod(1)
            union = pixels.prod() + sizes.prod(1) - overlap
            level, anchor = divmod(int((overlap / union).argmax()), 3)
            values, there = objects[level]
            h, w = values.shape[3:]
            column, row = int(x * w), int(y * h)
            there[picture, anchor, row, column] = 1
            v = values[picture, anchor, :, row, column]
            centre = torch.tensor([x * w - column, y * h - row])
            wanted = torch.zeros(model.num_classes)
            wanted[int(label)] = 1
            loss = loss + F.mse_loss(v[:2].sigmoid(), centre)
            loss = loss + F.mse_loss(v[2:4], (pixels / sizes[3 * level + anchor]).log())
            loss = loss + F.binary_cross_entropy_with_logits(v[5:], wanted)
    for values, there in objects:
        loss = loss + F.binary_cross_entropy_with_logits(values[:, :, 4], there, reduction="sum")
    return loss / len(labels)


def test_training_on_the_sample_and_back(model, tmp_path):
    """Fresh heads for the sample's own three classes learn again, on a frozen backbone."""
    torch.manual_seed(0)
    paths = sorted(PICTURES.glob("*.png"))
    x = torch.cat([tensor(path) for path in paths])
    labels = [np.loadtxt(path.with_suffix(".txt"), ndmin=2).tolist() for path in paths]
    assert sum(map(len, labels)) > 8
    backbone = {k: v.clone() for k, v in model.backbone.state_dict().items()}
    neck = {k: v.clone() for k, v in model.fpn.named_parameters()}
    model.replace_heads(3).freeze_backbone().train()
    optimiser = torch.optim.Adam([p for p in model.parameters() if p.requires_grad], lr=0.005)
    losses = []
    for _ in range(30):
        optimiser.zero_grad()
        loss = yolo_loss(model, model(x), labels)
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert np.isfinite(losses).all()
    # Untrained objectness costs log 2 for each of 2268 boxes, 1572 in all; what is learned first is
    # that there is nothing nearly everywhere.
    assert losses[-1] < losses[0] / 20
    for name, values in model.backbone.state_dict().items():
        assert torch.equal(values, backbone[name]), name
    assert not any(torch.equal(p, neck[name]) for name, p in model.fpn.named_parameters())

    model.eval()
    save(model, tmp_path / "tuned.safetensors")
    back = revert(tmp_path / "tuned.safetensors", tmp_path / "tuned.weights")
    assert back.verified
    assert back.identical  # to the file whose hash the checkpoint tells
    (tmp_path / "tuned.cfg").write_text(model.network.text)
    again = load(convert(tmp_path / "tuned.weights", tmp_path / "again.safetensors").output)
    with torch.no_grad():
        assert all(torch.equal(a, b) for a, b in zip(model(x), again(x), strict=True))
