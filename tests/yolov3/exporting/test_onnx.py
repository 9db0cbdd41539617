"""The ONNX file itself: names, values, what it says of the model, and what is refused."""

import hashlib
import json
import subprocess
import sys
from itertools import islice
from pathlib import Path

import nets
import numpy as np
import onnx
import pytest
import torch
from one_feature import conv, network, section
from safetensors.numpy import load_file, save_file

from converter import ExtraError, OutputError, UsageError, convert
from converter.checkpoint.checkpoint import Checkpoint
from converter.darknet.layers.graph import Graph
from converter.darknet.network import parse_network
from converter.errors import CheckpointError, NetworkError
from yolov3 import DarknetModel, load
from yolov3.exporting import onnx as module
from yolov3.exporting.drawing import draw_maps
from yolov3.exporting.export import export
from yolov3.exporting.source import Options, source_of
from yolov3.exporting.straight import export_checkpoint

ROOT = Path(__file__).parents[3]


def initializers(path: Path) -> dict[str, np.ndarray]:
    tensors = onnx.load(path).graph.initializer
    return {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in tensors}


class TestValues:
    def test_every_array_is_in_it_bit_for_bit(self, heads, tmp_path):
        checkpoint = heads("yolo-two")
        export_checkpoint(checkpoint, tmp_path / "out.onnx")
        found, stored = initializers(tmp_path / "out.onnx"), load(checkpoint).state_dict()
        wanted = {name for name in stored if not name.endswith("num_batches_tracked")}
        for name in wanted:
            _, index, suffix = name.split(".", 2)
            array = found[f"layer{index}/{suffix}"]
            assert array.tobytes() == stored[name].numpy().tobytes()
        assert len(wanted) == 14

    def test_bit_patterns_that_compare_as_equal_are_kept(self, tmp_path):
        """-0, and a denormal number; NaN is refused before, since it computes nothing."""
        torch.manual_seed(0)
        model = DarknetModel(parse_network(network(conv(batch_normalize=1)))).eval()
        with torch.no_grad():
            model.layers[0].conv.weight[0, 0, 0] = torch.tensor([-0.0, 1e-40, 0.0])
        export(model, tmp_path / "out.onnx")
        found = initializers(tmp_path / "out.onnx")["layer0/conv.weight"]
        assert found.tobytes() == model.layers[0].conv.weight.detach().numpy().tobytes()

    def test_one_bit_that_changed_on_the_way_is_found(self, heads, tmp_path, monkeypatch):
        chunks = module.Encoded.chunks

        def faulty(self, arrays):
            *before, first = map(bytes, islice(chunks(self, arrays), 4))
            yield from [*before, bytes([first[0] ^ 1]) + first[1:]]
            yield from islice(chunks(self, arrays), 4, None)

        monkeypatch.setattr(module.Encoded, "chunks", faulty)
        with pytest.raises(OutputError, match=r"out\.onnx: layer0/\S+: was not written as it is"):
            export_checkpoint(heads("yolo"), tmp_path / "out.onnx", verify=False)
        assert not (tmp_path / "out.onnx").exists()

    @pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
    def test_rounded_values_are_widened_exactly(self, heads, tmp_path, dtype):
        checkpoint = heads("yolo", dtype=dtype)
        export_checkpoint(checkpoint, tmp_path / "out.onnx")
        found = initializers(tmp_path / "out.onnx")["layer0/conv.weight"]
        wanted = load(checkpoint, dtype=torch.float32).layers[0].conv.weight
        assert found.tobytes() == wanted.detach().numpy().tobytes()

    def test_pjreddies_rule_of_batch_norm_changes_the_variances_alone(self, sample, tmp_path):
        checkpoint = convert(sample.weights).output
        export(load(checkpoint, bn="pjreddie-cpu"), tmp_path / "out.onnx")
        found, state = initializers(tmp_path / "out.onnx"), load(checkpoint).state_dict()
        variances = state["backbone.stem.0.bn.running_var"].numpy()
        # pj blas.c:147: (x - mean) / (sqrt(variance) + .000001f)
        wanted = (np.sqrt(variances) + np.float32(1e-6)) ** 2
        assert np.array_equal(found["layer0/bn.running_var.pjreddie_rule"], wanted)
        mean = state["backbone.stem.0.bn.running_mean"].numpy()
        assert found["layer0/bn.running_mean"].tobytes() == mean.tobytes()


class TestHalf:
    def test_weights_are_rounded_and_what_goes_in_and_out_is_not(self, heads, tmp_path):
        checkpoint = heads("yolo")
        export_checkpoint(checkpoint, tmp_path / "out.onnx", half=True)
        found, state = initializers(tmp_path / "out.onnx"), load(checkpoint).state_dict()
        wanted = state["layers.0.conv.weight"].numpy().astype(np.float16)
        assert found["layer0/conv.weight"].tobytes() == wanted.tobytes()
        graph = onnx.load(tmp_path / "out.onnx").graph
        types = [value.type.tensor_type.elem_type for value in (*graph.input, *graph.output)]
        assert types == [onnx.TensorProto.FLOAT] * 2

    @pytest.mark.parametrize("bn", ["torch", "pjreddie-cpu"])
    def test_batch_norm_is_a_factor_and_a_summand_that_were_rounded_last(self, heads, tmp_path, bn):
        """Variances of 1e-10 are 0 in float16."""
        model = load(heads("yolo"), bn=bn)
        with torch.no_grad():
            model.layers[0].bn.running_var.fill_(1e-10)
            model.layers[0].bn.weight.fill_(1e-3)
            model.layers[0].bn.running_mean.fill_(0)
        export(model, tmp_path / "out.onnx", half=True)
        named = initializers(tmp_path / "out.onnx").items()
        (factors,) = (v for n, v in named if n.startswith("layer0/") and "factors" in n)
        # sqrt(1e-10 + 1e-5); and sqrt(1e-10) + 1e-6, pj blas.c:147
        deviation = {"torch": 1.00001e-5**0.5, "pjreddie-cpu": 1.1e-5}[bn]
        np.testing.assert_allclose(factors.ravel(), 1e-3 / deviation, rtol=2**-11)

    def test_boxes_are_decoded_in_float32(self, heads, tmp_path):
        export_checkpoint(heads("yolo-two"), tmp_path / "out.onnx", half=True, layout="boxes")
        inferred = onnx.shape_inference.infer_shapes(onnx.load(tmp_path / "out.onnx")).graph
        types = {v.name: v.type.tensor_type.elem_type for v in inferred.value_info}
        exponents = [node.input[0] for node in inferred.node if node.op_type == "Exp"]
        assert [types[name] for name in exponents] == [onnx.TensorProto.FLOAT] * 2

    def test_a_weight_that_is_too_large(self, heads, tmp_path):
        model = load(heads("yolo"))
        with torch.no_grad():
            model.layers[0].conv.weight[0, 0, 0, 0] = (
                65520  # rounds to infinity: the largest is 65504
            )
        with pytest.raises(OutputError, match=r"layer0/conv\.weight: the value 65520 does not fit"):
            export(model, tmp_path / "out.onnx", half=True)
        assert not list(tmp_path.glob("*.onnx"))

    def test_what_differs_by_more_than_rounding_is_not_kept(self, heads, tmp_path, monkeypatch):
        monkeypatch.setattr("converter.darknet.layers.graph.factors_of", lambda v, s: s)
        with pytest.raises(OutputError, match="computes map0 that differ by up to"):
            export_checkpoint(heads("yolo"), tmp_path / "out.onnx", half=True)

    def test_other_formats(self, heads, tmp_path):
        with pytest.raises(UsageError, match="half=True is for ONNX"):
            export(load(heads("yolo")), tmp_path / "out.pt2", format="pt2", half=True)


class TestNames:
    def test_nodes_and_tensors_say_the_layer(self, heads, tmp_path):
        export_checkpoint(heads("yolo-two"), tmp_path / "out.onnx")
        graph = onnx.load(tmp_path / "out.onnx").graph
        first = graph.node[0]
        assert (first.op_type, first.name) == ("Conv", "layer0/conv")
        assert list(first.input)[:2] == ["images", "layer0/conv.weight"]
        assert [output.name for output in graph.output] == ["map0", "map1"]
        assert len({node.name for node in graph.node}) == len(graph.node)

    def test_a_map_that_is_the_picture_itself(self, tmp_path):
        model = DarknetModel(parse_network(network(section("yolo", classes=1), channels=6))).eval()
        export(model, tmp_path / "out.onnx")
        (node,) = onnx.load(tmp_path / "out.onnx").graph.node
        assert (node.op_type, list(node.output)) == ("Identity", ["map0"])

    def test_levels_run_fine_to_coarse_whatever_the_cfgs_order(self, heads, tmp_path):
        result = export_checkpoint(heads("yolo-two"), tmp_path / "out.onnx")
        _, fine_height, _ = result.outputs["map0"][1:]
        _, coarse_height, _ = result.outputs["map1"][1:]
        assert fine_height > coarse_height

    @pytest.mark.parametrize("opset", [11, 13, 18])
    def test_the_format_is_the_oldest_that_has_the_operators(self, heads, tmp_path, opset):
        export_checkpoint(heads("yolo"), tmp_path / "out.onnx", opset=opset)
        model = onnx.load(tmp_path / "out.onnx")
        # onnx's table of releases, docs/Versioning.md: 1.6, 1.8 and 1.13
        assert model.ir_version == {11: 6, 13: 7, 18: 8}[opset]
        onnx.checker.check_model(model, full_check=True)


class TestMetadata:
    def test_what_it_says_of_the_model(self, heads, tmp_path):
        checkpoint = heads("yolo")
        weights = tmp_path / "yolo.weights"
        export_checkpoint(checkpoint, tmp_path / "out.onnx")
        said = {p.key: p.value for p in onnx.load(tmp_path / "out.onnx").metadata_props}
        assert said["source_sha256"] == hashlib.sha256(weights.read_bytes()).hexdigest()
        assert said["cfg"] == (tmp_path / "yolo.cfg").read_text()
        assert said["tool"].startswith("darknet-safetensors ")
        assert json.loads(said["input_size"]) == [64, 96]
        assert json.loads(said["names"]) is None  # there are none beside yolo.cfg

    def test_a_model_in_memory_gives_the_same_file(self, heads, sample, tmp_path):
        for checkpoint in (heads("yolo-two"), convert(sample.weights).output):
            export_checkpoint(checkpoint, tmp_path / "file.onnx", verify=False, force=True)
            export(load(checkpoint), tmp_path / "memory.onnx", force=True)
            assert (tmp_path / "file.onnx").read_bytes() == (tmp_path / "memory.onnx").read_bytes()

    def test_a_changed_model_says_what_it_is_now(self, heads, tmp_path):
        model = load(heads("yolo"))
        with torch.no_grad():
            model.layers[0].conv.weight[0] += 1
        export(model, tmp_path / "out.onnx")
        said = {p.key: p.value for p in onnx.load(tmp_path / "out.onnx").metadata_props}
        assert model.metadata is not None
        assert said["source_sha256"] != model.metadata.source_sha256


class TestModels:
    def test_a_bare_backbone_gives_its_last_three_stages(self, make, tmp_path):
        checkpoint = convert(make("\n".join([nets.net(64), *nets.darknet53(2)])).weights).output
        result = export_checkpoint(checkpoint, tmp_path / "out.onnx")
        assert [shape[2] for shape in result.outputs.values()] == [8, 4, 2]  # 64 / 8, 16 and 32

    def test_a_classifier_gives_logits(self, make, tmp_path):
        checkpoint = convert(make(nets.classifier(2, 7, 64)).weights).output
        assert export_checkpoint(checkpoint, tmp_path / "out.onnx").outputs == {"logits": (1, 7)}

    def test_a_fused_model_goes_through_pytorchs_exporter(self, heads, tmp_path):
        result = export(load(heads("yolo")).fuse(), tmp_path / "out.onnx")
        assert result.opset == 18
        assert not any(n.startswith("layer0/") for n in initializers(tmp_path / "out.onnx"))

    def test_sequences_are_refused(self, tmp_path):
        text = network(section("crnn", output_filters=2, hidden_filters=2))
        text = text.replace("[net]\n", "[net]\ntime_steps=2\n")
        with pytest.raises(NetworkError, match="single pictures are no sequences of 2 steps"):
            draw_maps(parse_network(text), Graph(opset=13, dialect="pjreddie"))


class TestRefusals:
    @pytest.mark.parametrize("opset", [10, 1000])
    def test_an_operator_set(self, heads, tmp_path, opset):
        with pytest.raises(UsageError, match=rf"cannot write ONNX opset {opset} \(use one from 11"):
            export_checkpoint(heads("yolo"), tmp_path / "out.onnx", opset=opset)

    def test_a_part_of_a_network(self, heads, tmp_path):
        checkpoint = heads("yolo")
        weights = tmp_path / "yolo.weights"
        last = Checkpoint.open(checkpoint).plan.slots[-2]  # the biases of the last convolution
        part = tmp_path / "part.weights"
        part.write_bytes(weights.read_bytes()[: last.offset])
        made = convert(part, cfg=tmp_path / "yolo.cfg", partial=True, dialect="alexeyab").output
        with pytest.raises(CheckpointError, match=r"layers\.\d+\.conv\.bias: is not in the checkp"):
            export_checkpoint(made, tmp_path / "out.onnx")

    def test_the_articles_wiring(self, sample, tmp_path):
        made = convert(sample.weights, family="article").output
        with pytest.raises(CheckpointError, match=r"^\S+: the article's wiring has no place for"):
            export_checkpoint(made, tmp_path / "out.onnx")

    def test_tensors_that_its_network_lacks(self, heads, tmp_path):
        checkpoint = heads("yolo")
        save_file(
            {**load_file(checkpoint), "more": np.zeros(1, np.float32)}, tmp_path / "x.safetensors"
        )
        with pytest.raises(CheckpointError, match="has 1 tensors that its network lacks: more"):
            export_checkpoint(
                tmp_path / "x.safetensors",
                tmp_path / "out.onnx",
                cfg=tmp_path / "yolo.cfg",
                dialect="alexeyab",
            )

    def test_nodes_that_make_another_shape_than_the_cfg_says(self, heads, tmp_path):
        source = source_of(Checkpoint.open(heads("yolo")))
        drawn = source.draw(Options(opset=13))
        drawn.graph.operations["layer0/conv"].attributes["strides"] = [1, 1]
        with pytest.raises(OutputError, match="cannot be made: "):
            module.encode(drawn, {}, "")

    @pytest.mark.parametrize("missing", ["onnx", "onnxruntime"])
    def test_without_its_packages(self, heads, tmp_path, monkeypatch, missing):
        monkeypatch.setitem(sys.modules, missing, None)
        with pytest.raises(ExtraError, match=rf"{missing} \(pip install onnx onnxruntime "):
            export_checkpoint(heads("yolo"), tmp_path / "out.onnx")


WITHOUT_TORCH = """
import sys

sys.modules["torch"] = sys.modules["onnxscript"] = None
from converter.cli.main import main

sys.exit(main(["export", *sys.argv[1:]]))
"""


@pytest.mark.parametrize("layout", ["maps", "ultralytics"])
def test_the_command_needs_no_torch(heads, tmp_path, layout):
    checkpoint = heads("yolo-two")
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_TORCH, str(checkpoint), "--layout", layout],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr.count("Traceback")) == (0, 0), done.stderr
    assert "not compared with PyTorch (PyTorch is not installed)" in done.stdout
    export_checkpoint(checkpoint, tmp_path / "with.onnx", layout=layout)
    made = checkpoint.with_suffix(".onnx").read_bytes()
    assert made == (tmp_path / "with.onnx").read_bytes()
