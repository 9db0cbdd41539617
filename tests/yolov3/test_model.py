"""The modular model: the article's figures, and names that follow the file."""

import weakref
from functools import partial

import nets
import pytest
import reference
import torch
from torch import nn
from torch.multiprocessing.reductions import StorageWeakRef
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torchinfo import summary

from converter import convert
from converter.darknet.network import parse_network
from converter.errors import NetworkError
from converter.families import yolov3
from yolov3 import (
    FPN,
    ArticleFPN,
    BasicConv2d,
    Darknet53,
    DarknetModel,
    ResidualBlock,
    YOLOHead,
    YOLOv3,
    load,
)  # fmt: skip


class TestArticle:
    """What torchinfo printed for the article's own code at 416 x 416."""

    def test_fpn(self):
        maps = [torch.rand(1, c, s, s) for c, s in ((256, 52), (512, 26), (1024, 13))]
        found = summary(ArticleFPN([256, 512, 1024]), input_data=maps, verbose=0)
        assert found.total_params == 20_987_136
        assert round(found.total_mult_adds / 1e9, 2) == 11.87

    def test_yolov3(self):
        backbone = Darknet53(num_classes=1000)
        model = YOLOv3(backbone, ArticleFPN(backbone.channels), num_classes=80)
        found = summary(model, input_size=(1, 3, 416, 416), verbose=0)
        assert found.total_params == 63_054_789
        assert round(found.total_mult_adds / 1e9, 2) == 36.70
        with torch.no_grad():
            shapes = [tuple(x.shape) for x in model(torch.rand(1, 3, 416, 416))]
        assert shapes == [(1, 255, 52, 52), (1, 255, 26, 26), (1, 255, 13, 13)]

    def test_five_levels(self):
        backbone = Darknet53(levels=5)
        fpn = ArticleFPN(backbone.channels)
        assert sum(p.numel() for p in fpn.parameters()) == 21_316_544
        model = YOLOv3(backbone, fpn, num_classes=80)
        assert sum(p.numel() for p in model.parameters()) == 63_433_667

    def test_attribute_names(self):
        backbone = Darknet53(width=2)
        model = YOLOv3(backbone, ArticleFPN(backbone.channels), 3)
        stages = "stem res_conv_1 conv_2_in res_conv_2 conv_3_in res_conv_3 conv_4_in res_conv_4"
        assert [n for n, _ in backbone.named_children()] == [
            *stages.split(), "conv_5_in", "res_conv_5", "fc",
        ]  # fmt: skip
        assert [n for n, _ in model.fpn.named_children()] == [
            "lateral_convs", "fpn_convs", "tail_convs", "merge_convs",
        ]  # fmt: skip
        assert [n for n, _ in model.named_children()] == ["backbone", "fpn", "heads"]
        assert [n for n, _ in BasicConv2d(1, 1, kernel_size=1).named_children()] == [
            "conv", "bn", "relu",
        ]  # fmt: skip
        assert [n for n, _ in ResidualBlock(2).named_children()] == ["conv1", "conv2"]
        assert [n for n, _ in YOLOHead(1, 1).named_children()] == ["conv"]


def test_darknets_yolov3_has_as_many_values_as_its_file():
    backbone = Darknet53(num_classes=None)
    model = YOLOv3(backbone, FPN(backbone.channels), 80)
    assert sum(p.numel() for p in model.parameters()) == 61_949_149
    statistics = [b for name, b in model.named_buffers() if "running" in name]
    assert sum(b.numel() for b in statistics) == 52_608


OPTIONS = [
    {},
    {"spp": True},
    {"levels": 4, "repeats": 1},
    {"levels": 5, "merge": (8, 8, 8, 16), "repeats": 3, "spp": True},
]


@pytest.fixture(params=OPTIONS, ids=str)
def options(request):
    return request.param


@pytest.fixture
def model(options):
    backbone = Darknet53(num_classes=None, width=2, levels=options.get("levels", 3))
    fpn = FPN(
        backbone.channels,
        options.get("repeats", 2),
        merge_channels=options.get("merge"),
        spp=options.get("spp", False),
    )
    return YOLOv3(backbone, fpn, 3).eval()


@pytest.fixture
def family(options):
    return yolov3.name_layers(parse_network(nets.yolov3(2, 3, size=64, **options)))


def test_the_file_order_is_the_order_of_execution(model, family):
    ran = []
    for name, module in model.named_modules():
        if isinstance(module, nn.Conv2d):
            module.register_forward_hook(lambda *_, name=name: ran.append(name))
    with torch.no_grad():
        model(torch.rand(1, 3, 64, 64))
    listed = [p if p.startswith("heads") else f"{p}.conv" for p in family.modules.values()]
    # Hooks tell when a module ends: heads run after the neck, in the file each follows its tail.
    assert [n for n in ran if "heads" not in n] == [n for n in listed if "heads" not in n]
    assert sorted(ran) == sorted(listed)


def test_the_names_are_the_state_dict(model, options):
    text = nets.yolov3(2, 3, size=64, **options)
    modules = reference.yolov3_modules(
        options.get("levels", 3), options.get("repeats", 2), spp=options.get("spp", False)
    )
    layers = sorted({entry.layer for entry in reference.layout(text)})
    names = {}
    for layer, module in zip(layers, modules, strict=True):
        kinds = {e.kind: e.shape for e in reference.layout(text) if e.layer == layer}
        for kind, shape in kinds.items():
            bias = "bn.bias" if "scales" in kinds else "conv.bias"
            names[f"{module}.{reference.TORCH_NAMES.get(kind, bias)}"] = shape
    state = {
        name: tuple(tensor.shape)
        for name, tensor in model.state_dict().items()
        if "num_batches_tracked" not in name
    }
    assert state == names


def test_outputs_run_fine_to_coarse(model, options):
    with torch.no_grad():
        sides = [x.shape[2] for x in model(torch.rand(2, 3, 64, 64))]
    assert sides == [32, 16, 8, 4, 2][-options.get("levels", 3) :]


def test_no_stage_is_kept_longer_than_needed():
    """Which outputs are alive when the blocks of a stage begin, and when the neck does."""
    backbone = Darknet53(num_classes=None, width=2)
    outputs: dict[str, weakref.ref[torch.Tensor]] = {}
    alive: dict[str, set[str]] = {}

    def note(name, module, inputs, output):
        outputs[name] = weakref.ref(output)

    def look(name, module, inputs):
        alive[name] = {name for name, output in outputs.items() if output() is not None}

    for name, module in backbone.named_children():
        module.register_forward_hook(partial(note, name))
        module.register_forward_pre_hook(partial(look, name))
    fpn = FPN(backbone.channels)
    fpn.register_forward_pre_hook(partial(look, "fpn"))
    with torch.no_grad():
        YOLOv3(backbone, fpn, num_classes=3).eval()(torch.rand(1, 3, 32, 32))
    assert {name: names for name, names in alive.items() if not name.startswith("conv")} == {
        "stem": set(),
        "res_conv_1": {"stem"},
        "res_conv_2": {"conv_2_in"},
        "res_conv_3": {"conv_3_in"},
        "res_conv_4": {"conv_4_in", "res_conv_3"},  # what the neck reads
        "res_conv_5": {"conv_5_in", "res_conv_3", "res_conv_4"},
        "fpn": {"res_conv_3", "res_conv_4", "res_conv_5"},
    }


class Live(TorchDispatchMode):
    """The most bytes that the outputs of all operations so far held at any moment."""

    def __init__(self) -> None:
        super().__init__()
        self.most = 0
        self.held: dict[int, tuple[StorageWeakRef, int]] = {}

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        output = func(*args, **(kwargs or {}))
        for tensor in tree_leaves(output):
            storage = tensor.untyped_storage()
            self.held[storage._cdata] = (StorageWeakRef(storage), storage.nbytes())
        self.held = {key: held for key, held in self.held.items() if not held[0].expired()}
        self.most = max(self.most, sum(size for _, size in self.held.values()))
        return output


@pytest.mark.parametrize("family", ["yolov3", "generic"])
def test_the_most_memory_is_that_of_the_first_convolutions(sample, family):
    """No output that lives on adds to it: 2 maps of 2 x 192 x 192 floats, around an activation."""
    model = load(convert(sample.weights, family=family).output).fuse()
    picture = torch.rand(1, 3, 192, 192)
    with torch.no_grad(), Live() as live:
        model(picture)
    assert live.most == 2 * (2 * 192 * 192 * 4)


class TestSizes:
    """Pictures of another size than the cfg's."""

    def test_multiples_of_the_coarsest_stride(self, sample):
        for model in both(sample):
            maps = model(torch.rand(1, 3, 64, 96))
            assert [tuple(m.shape[2:]) for m in maps] == [(8, 12), (4, 6), (2, 3)]

    @pytest.mark.parametrize(
        ("height", "width", "near"), [(200, 192, "192x192"), (192, 90, "96x192"), (3, 50, "64x32")]
    )
    def test_others_are_refused_with_one_that_is_taken(self, sample, height, width, near):
        for model in both(sample):
            with pytest.raises(NetworkError, match=f"on pictures of {width}x{height}") as refused:
                model(torch.rand(1, 3, height, width))
            assert refused.value.remedy == f"give it multiples of 32, such as {near}"

    def test_a_model_built_by_hand(self):
        backbone = Darknet53(num_classes=None, width=2)
        model = YOLOv3(backbone, FPN(backbone.channels), 3).eval()
        assert model(torch.rand(1, 3, 64, 64))[0].shape == (1, 24, 8, 8)
        with pytest.raises(NetworkError, match="multiples of 32"):
            model(torch.rand(1, 3, 65, 64))


def both(sample):
    """The modular model, and the one that follows the cfg."""
    model = load(sample.weights)
    return model, DarknetModel(model.network).eval()
