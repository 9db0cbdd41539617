"""DarknetModel: any network, layer by layer."""

import gc
import weakref
from pathlib import Path

import pytest
import torch
from one_feature import conv, network, section
from torch import nn

from converter.darknet.network import parse_network, read_network
from yolov3.darknet import DarknetModel
from yolov3.parity.engine_bugs import excuse
from yolov3.parity.engines import Limits, find_library
from yolov3.parity.examine import Case, examine
from yolov3.parity.inputs import shrink

CFGS = Path("/usr/share/darknet/cfg")
OFFICIAL = sorted(path.stem for path in CFGS.glob("*.cfg"))
# Each feature of the 45 at least once, in seconds; test_all_official_cfgs runs them all.
QUICK = [
    "alexnet", "cifar.test", "go", "gru", "resnet18", "rnn.train", "tiny", "writing", "yolov1-tiny",
    "yolov2-tiny", "yolov3-tiny",
]  # fmt: skip

BRANCHES = network(
    conv(filters=4, batch_normalize=1),
    conv(filters=4),
    section("shortcut", from_=-2),
    conv(filters=14, activation="linear"),
    section("yolo", mask="0,1", num=4, anchors="1,2,3,4,5,6,7,8", classes=2),
    section("route", layers="2,0"),
    conv(filters=7, activation="linear"),
    section("yolo", mask=3, num=4, anchors="1,2,3,4,5,6,7,8", classes=2),
)
CLASSIFIER = network(conv(), section("avgpool"), section("softmax"), section("cost"))


@pytest.fixture
def x() -> torch.Tensor:
    return torch.randn(2, 3, 10, 13, generator=torch.Generator().manual_seed(0))


def model_of(text: str) -> DarknetModel:
    torch.manual_seed(0)
    return DarknetModel(parse_network(text)).eval()


def test_forward_gives_what_the_heads_get(x):
    model = model_of(BRANCHES)
    layers = dict(model.forward_layers(x))
    first, second = model(x)
    assert torch.equal(first, layers[3])
    assert torch.equal(second, layers[6])


def test_forward_gives_the_finest_level_first(x):
    head = section("yolo", num=1, classes=1, anchors="1,2")
    text = network(
        conv(filters=6, stride=2),
        head,
        section("route", layers=0),
        section("upsample", stride=2),
        head,
    )
    fine, coarse = model_of(text)(x)
    assert (fine.shape, coarse.shape) == ((2, 6, 10, 14), (2, 6, 5, 7))


def test_without_heads_it_gives_the_last_layer_that_has_an_output(x):
    model = model_of(CLASSIFIER)
    layers = dict(model.forward_layers(x))
    (scores,) = model(x)
    assert layers[3] is None  # [cost]
    assert torch.equal(scores, layers[2])
    torch.testing.assert_close(scores.sum(1), torch.ones(2))


def test_outputs_have_the_shapes_that_the_network_infers(x):
    for text in (BRANCHES, CLASSIFIER):
        model = model_of(text)
        for index, output in model.forward_layers(x):
            if output is not None:
                shape = model.network.nodes[index].output
                wanted = (shape.c, shape.h, shape.w) if shape.is_image else (shape.outputs,)
                assert output.shape == (2, *wanted)


def test_pictures_of_a_batch_do_not_see_each_other(x):
    model = model_of(BRANCHES)
    both = model(x)
    for each, alone in zip(both, model(x[1:]), strict=True):
        torch.testing.assert_close(each[1:], alone)


def test_tensors_are_called_after_the_cfg_layers():
    names = {name for name in model_of(BRANCHES).state_dict() if "num_batches" not in name}
    norm = {f"layers.0.bn.{name}" for name in ("weight", "bias", "running_mean", "running_var")}
    convs = {f"layers.{i}.conv.{name}" for i in (1, 3, 6) for name in ("weight", "bias")}
    assert names == norm | convs | {"layers.0.conv.weight"}


def test_it_is_made_of_pytorchs_own_modules():
    model = model_of(BRANCHES)
    assert sum(type(module) is nn.Conv2d for module in model.modules()) == 4
    assert sum(type(module) is nn.BatchNorm2d for module in model.modules()) == 1


def test_no_output_is_kept_longer_than_needed(x):
    model = model_of(network(*(conv() for _ in range(6))))
    alive: list[weakref.ref[torch.Tensor]] = []
    most = 0

    def note(module: nn.Module, inputs: object, output: torch.Tensor) -> None:
        nonlocal most
        gc.collect()
        alive.append(weakref.ref(output))
        most = max(most, sum(ref() is not None for ref in alive))

    for layer in model.layers:
        layer.conv.register_forward_hook(note)
    with torch.no_grad():
        model(x)
    # What the convolution before gave is gone by the time this one is done: leaky made a new one.
    assert most == 1


def test_what_a_later_layer_reads_is_kept_until_then():
    schedule = {node.index: set(expired) for node, expired in model_of(BRANCHES)._to_maps}
    # 0 and 2 are read by the shortcut (2) and the route (5); 3 and 6 are the maps.
    assert schedule == {0: {-1}, 1: set(), 2: {1}, 3: set(), 5: {0, 2}, 6: {5}}


def test_layers_that_no_map_needs_are_not_run():
    model = model_of(BRANCHES)
    ran = [node.index for node, _ in model._to_maps]
    assert ran == [0, 1, 2, 3, 5, 6]


@pytest.mark.parametrize("text", [BRANCHES, CLASSIFIER])
def test_torch_compile_takes_it_as_one_graph(text, x):
    model = model_of(text)
    torch.compiler.reset()
    compiled = torch.compile(model, backend="eager", fullgraph=True)  # an error if it is several
    for ours, theirs in zip(compiled(x[:, :, :4, :4]), model(x[:, :, :4, :4]), strict=True):
        assert torch.equal(ours, theirs)


def test_given_outputs_replace_those_computed(x):
    model = model_of(CLASSIFIER)
    given = torch.zeros(2, 6, 1, 1)
    layers = dict(model.forward_layers(x, given={1: given}))
    assert not torch.equal(layers[1], given)
    torch.testing.assert_close(layers[2], torch.full((2, 6), 1 / 6))


def test_a_head_of_the_picture_itself():
    cfg = network(section("yolo", classes=1), channels=6)
    x = torch.randn(1, 6, 10, 13)
    assert torch.equal(DarknetModel(parse_network(cfg))(x)[0], x)


@pytest.mark.parametrize("cfg", ["darknet19", "yolov2", "yolov3-tiny", "densenet201", "gru"])
@pytest.mark.engine
def test_it_can_be_exported(cfg):
    text = shrink((CFGS / f"{cfg}.cfg").read_text(), "pjreddie")
    parsed = parse_network(text)
    model = model_of(text)
    shape = parsed.input
    x = torch.randn(1, *((shape.c, shape.h, shape.w) if shape.is_image else (shape.outputs,)))
    exported = torch.export.export(model, (x,)).module()
    for found, expected in zip(exported(x), model(x), strict=True):
        torch.testing.assert_close(found, expected, rtol=0, atol=0)


@pytest.mark.engine
@pytest.mark.parametrize("name", QUICK)
def test_official_cfgs(name):
    check(name)


@pytest.mark.engine
@pytest.mark.slow
@pytest.mark.parametrize("name", OFFICIAL)
def test_all_official_cfgs(name):
    check(name)


def check(name: str) -> None:
    """Every layer, on values that mean something, but for those that darknet gets wrong."""
    cfg = CFGS / f"{name}.cfg"
    verdict = examine(
        Case(path=cfg, name=name, dialect="pjreddie", library=find_library()), Limits()
    )
    assert (verdict.result, verdict.same_file, verdict.weak) == ("exact", True, 0), verdict
    parsed = read_network(cfg, "pjreddie")
    excused = [node for node in parsed.nodes if excuse(parsed, node.index, "pjreddie")]
    assert verdict.excused == len(excused), "an excuse that is not needed"
