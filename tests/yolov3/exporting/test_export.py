"""export(): other runtimes compute what PyTorch does, and find what darknet finds."""

import io

import nets
import numpy as np
import onnx
import pytest
import torch
from exported import KINDS, answers, contain, run_onnx, run_opencv
from one_feature import conv, network, section
from torch import nn

from converter import CheckpointError, OutputError, UsageError, convert
from converter.darknet.network import parse_network
from converter.errors import NetworkError
from yolov3 import DarknetModel, load
from yolov3.exporting import writers
from yolov3.exporting.export import export
from yolov3.exporting.modules import Boxes

# Between the float32 of two runtimes; OpenCV's Winograd convolutions round more (measured: 1.9e-4
# at values up to 37 for the sample).
ROUNDING = {"atol": 1e-4, "rtol": 1e-4}


def run_torchscript(path, x):
    return [y.detach().numpy() for y in torch.jit.load(path)(x)]


def run_pt2(path, x):
    program = torch.export.load(io.BytesIO(path.read_bytes()))
    return [y.detach().numpy() for y in program.module()(x)]


RUNTIMES = {
    "onnx": ("onnx", run_onnx),
    "opencv": ("onnx", run_opencv),
    "torchscript": ("torchscript", run_torchscript),
    "pt2": ("pt2", run_pt2),
}


# torch.jit is deprecated as a whole, but its files are what some runtimes read; torch.export's
# loader uses other deprecated parts of PyTorch.
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
@pytest.mark.parametrize("runtime", RUNTIMES)
class TestRuntimes:
    """On an input that export() itself did not try."""

    X = torch.rand(1, 3, 64, 96, generator=torch.Generator().manual_seed(7))

    def test_maps(self, heads, tmp_path, runtime):
        format_, run = RUNTIMES[runtime]
        model = load(heads("yolo-two"))
        result = export(model, tmp_path / f"out.{format_}", format=format_)
        # yolo-two.cfg: two [yolo] of 3 classes; 3 * (5 + 3) = 24 filters
        assert list(result.outputs) == ["map0", "map1"]
        found, wanted = run(tmp_path / f"out.{format_}", self.X), model(self.X)
        assert len(found) == 2
        for mine, theirs in zip(found, wanted, strict=True):
            np.testing.assert_allclose(mine, theirs.detach().numpy(), **ROUNDING)

    @pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
    def test_rounded_values_are_computed_with_in_float32(
        self, heads, tmp_path, caplog, runtime, dtype
    ):
        format_, run = RUNTIMES[runtime]
        checkpoint = heads("yolo-two", dtype=dtype)
        model = load(checkpoint)
        with caplog.at_level("INFO", "yolov3"):
            export(model, tmp_path / f"out.{format_}", format=format_)
        line = f"the values are {dtype}: computing in float32 from them"
        assert [record.message for record in caplog.records].count(line) == 1
        assert {p.dtype for p in model.parameters()} == {getattr(torch, dtype)}
        found = run(tmp_path / f"out.{format_}", self.X)
        wanted = load(checkpoint, dtype=torch.float32)(self.X)
        for mine, theirs in zip(found, wanted, strict=True):
            assert mine.dtype == np.float32
            np.testing.assert_allclose(mine, theirs.detach().numpy(), **ROUNDING)

    def test_boxes_are_darknets(self, heads, tmp_path, runtime):
        format_, run = RUNTIMES[runtime]
        result = export(
            load(heads("yolo-two")), tmp_path / f"out.{format_}", format=format_, layout="boxes"
        )
        assert list(result.outputs) == ["boxes", "scores"]
        for x, scale, expected in answers("yolo-two"):
            contain(run(tmp_path / f"out.{format_}", x), expected, scale=scale)


class TestBoxes:
    @pytest.mark.parametrize("name", KINDS)
    def test_of_every_kind_of_head(self, heads, name):
        graph = Boxes(load(heads(name)))
        for x, scale, expected in answers(name):
            with torch.no_grad():
                contain(graph(x), expected, scale=scale)

    def test_the_order_of_boxes(self, heads):
        """Map by map, row by row, cell by cell, anchor by anchor: 3 x (2 x 3 + 4 x 6) boxes."""
        model = load(heads("yolo"))
        (raw,) = model(torch.rand(1, 3, 64, 96))
        boxes, scores = Boxes(model)(torch.rand(1, 3, 64, 96))
        count = raw.shape[1] // (5 + 3) * raw.shape[2] * raw.shape[3]
        assert boxes.shape == (1, count, 4)
        assert scores.shape == (1, count, 3)

    @pytest.mark.parametrize(
        ("head", "problem"),
        [
            ("region", "has a background class"),
            ("region", "has coords=5, and boxes have 4"),
            ("detection", "has no anchors"),
        ],
    )
    def test_heads_that_it_cannot_decode(self, make, tmp_path, head, problem):
        options = {
            "has a background class": "background=1\nclasses=3\n",
            "has coords=5, and boxes have 4": "coords=5\nclasses=2\n",
            "has no anchors": "classes=3\nnum=1\nside=1\ncoords=4\n",
        }[problem]
        files = make(
            "[net]\nwidth=1\nheight=1\nchannels=3\n[convolutional]\nfilters=8\n"
            f"activation=linear\n[{head}]\n{options}"
        )
        checkpoint = convert(files.weights, dialect="pjreddie").output
        with pytest.raises(NetworkError, match=rf"no boxes that can be exported: it {problem}"):
            export(load(checkpoint), tmp_path / "out.onnx", layout="boxes")

    def test_a_classifier(self, toy, tmp_path):
        with pytest.raises(NetworkError, match="has no boxes that can be exported"):
            export(load(convert(toy.weights).output), tmp_path / "out.onnx", layout="boxes")


class TestDynamic:
    @pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
    @pytest.mark.parametrize("layout", ["maps", "boxes"])
    @pytest.mark.parametrize("runtime", ["onnx", "torchscript", "pt2"])
    def test_any_batch_and_size(self, heads, tmp_path, runtime, layout):
        format_, run = RUNTIMES[runtime]
        model = load(heads("yolo-two"))
        export(model, tmp_path / f"out.{format_}", format=format_, layout=layout, dynamic=True)
        x = torch.rand(5, 3, 160, 32 * 2)
        wanted = model(x) if layout == "maps" else Boxes(model)(x)
        for mine, theirs in zip(run(tmp_path / f"out.{format_}", x), wanted, strict=True):
            theirs = theirs.detach().numpy()
            # Corners are differences: what counts is how large a box is.
            np.testing.assert_allclose(mine, theirs, atol=1e-4 * max(1, np.abs(theirs).max()))

    def test_without_it_the_shape_is_fixed(self, heads, tmp_path):
        export(load(heads("yolo")), tmp_path / "out.onnx")
        shape = onnx.load(tmp_path / "out.onnx").graph.input[0].type.tensor_type.shape
        assert [side.dim_value for side in shape.dim] == [1, 3, 64, 96]


def test_a_classifier(make, tmp_path):
    model = load(convert(make(nets.classifier(2, 7, 64)).weights).output)
    result = export(model, tmp_path / "out.pt2", format="pt2")
    assert result.outputs == {"logits": (1, 7)}


def test_a_connected_layer_in_opencv(tmp_path):
    """As in YOLOv1. A model that comes from a cfg alone can be exported, too."""
    torch.manual_seed(0)
    text = network(conv(batch_normalize=1), section("connected", output=5))
    model = DarknetModel(parse_network(text)).eval()
    export(model, tmp_path / "out.onnx")
    x = torch.rand(1, 3, 10, 13)
    (found,) = run_opencv(tmp_path / "out.onnx", x)
    np.testing.assert_allclose(found, model(x)[0].detach().numpy(), **ROUNDING)


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
@pytest.mark.parametrize("runtime", ["onnx", "torchscript", "pt2"])
def test_signs(tmp_path, runtime):
    torch.manual_seed(0)
    signs = conv(xnor=1, batch_normalize=1)
    model = DarknetModel(parse_network(network(conv(batch_normalize=1), signs, signs))).eval()
    for layer in model.layers:
        # Without a shift, sums of as many pluses as minuses are 0, and rounding is their sign.
        nn.init.normal_(layer.bn.bias)
    kind, run = RUNTIMES[runtime]
    export(model, tmp_path / f"out.{kind}", format=kind)
    x = torch.randn(1, 3, 10, 13)
    (found,) = run(tmp_path / f"out.{kind}", x)
    np.testing.assert_allclose(found, model(x)[0].detach().numpy(), **ROUNDING)


class TestRefusals:
    def test_what_a_runtime_does_not_run(self, tmp_path):
        """A layer with kernels for every place is for one size of picture."""
        head = section("yolo", classes=1, num=1, anchors="1,2")
        text = network(section("local", filters=6), head, height=8, width=8)
        model = DarknetModel(parse_network(text)).eval()
        with pytest.raises(OutputError, match=r"^\S+: was made, but does not run: [^\n]+$"):
            export(model, tmp_path / "out.onnx", dynamic=True)
        assert not list(tmp_path.iterdir())

    def test_a_file_that_computes_something_else(self, heads, tmp_path, monkeypatch):
        """As if the exporter had a bug: one bias is off by 0.001."""
        writer = writers.FORMATS["pt2"]

        def faulty(job):
            with torch.no_grad():
                job.graph.model.layers[2].conv.bias[0] += 1e-3
            return writer.write(job)

        broken = writers.Writer(write=faulty, read=writer.read)
        monkeypatch.setitem(writers.FORMATS, "pt2", broken)
        (tmp_path / "out.pt2").write_text("older")
        with pytest.raises(OutputError, match=r"computes map0 that differ by up to 0\.001"):
            export(load(heads("yolo")), tmp_path / "out.pt2", format="pt2", force=True)
        assert (tmp_path / "out.pt2").read_text() == "older"
        assert not list(tmp_path.glob(".*"))

    def test_a_model_without_numbers(self, heads, tmp_path):
        model = load(heads("yolo"))
        with torch.no_grad():
            model.layers[0].conv.weight[0] = torch.nan
        with pytest.raises(CheckpointError, match="infinite or no number"):
            export(model, tmp_path / "out.onnx")
        assert not (tmp_path / "out.onnx").exists()

    def test_an_existing_file(self, heads, tmp_path):
        (tmp_path / "out.onnx").write_text("mine")
        with pytest.raises(OutputError, match="exists already"):
            export(load(heads("yolo")), tmp_path / "out.onnx")
        assert (tmp_path / "out.onnx").read_text() == "mine"

    @pytest.mark.parametrize("format_", ["onnx", "pt2"])
    def test_a_model_on_another_device(self, heads, tmp_path, format_):
        with pytest.raises(UsageError, match=r"the model is on meta \(files are made on the CPU"):
            export(load(heads("yolo")).to("meta"), tmp_path / f"out.{format_}", format=format_)

    def test_an_opset_for_another_format(self, heads, tmp_path):
        with pytest.raises(UsageError, match="opset=18 is about ONNX, not pt2"):
            export(load(heads("yolo")), tmp_path / "out.pt2", format="pt2", opset=18)

    @pytest.mark.parametrize("fused", [False, True], ids=["straight", "through PyTorch"])
    @pytest.mark.parametrize("name", ["opset", "batch"])
    def test_a_number_that_is_text(self, heads, tmp_path, name, fused):
        model = load(heads("yolo"))
        with pytest.raises(UsageError, match=rf"^{name}='13' is no whole number$"):
            export(model.fuse() if fused else model, tmp_path / "out.onnx", **{name: "13"})
        assert not list(tmp_path.glob("*.onnx"))
