"""Where an exported graph and its values come from, and what it says of itself."""

import ast
import json
from dataclasses import replace

import nets
import numpy as np
import pytest
import reference

from converter import CheckpointError, convert
from converter.checkpoint.checkpoint import Checkpoint
from converter.darknet.network import parse_network
from yolov3.exporting.source import Options, source_of, texts

BACKBONE = "\n".join([nets.net(64), *nets.darknet53(1)])


def sourced(files, **options):
    return source_of(Checkpoint.open(convert(files.weights, **options).output))


def test_the_values_are_those_of_the_weights_file(make):
    files = make(nets.tiny(1, 2, size=64))
    source = sourced(files)
    arrays = reference.read(files.text, files.weights)
    suffixes = {"biases": "bn.bias", "scales": "bn.weight", "rolling_mean": "bn.running_mean",
                "rolling_variance": "bn.running_var", "weights": "conv.weight"}  # fmt: skip
    for kind, suffix in suffixes.items():
        np.testing.assert_array_equal(source.arrays(4, suffix), arrays[4, kind])


def test_a_kernel_that_is_a_matrix_in_the_file_is_one_of_its_layer(make):
    source = sourced(make(nets.classifier(1, 5, size=64)))
    assert source.arrays(76, "conv.weight").shape == (5, 32, 1, 1)


def test_a_backbone_gives_its_last_three_stages(make):
    source = sourced(make(BACKBONE))
    # Where yolov3.cfg routes to, and the last layer of the backbone.
    assert source.maps == [36, 61, 74]


@pytest.mark.parametrize("text", [nets.tiny(1, 2, size=64), nets.yolov3(1, 2, size=64)])
def test_a_detector_gives_its_heads_maps(make, text):
    assert sourced(make(text)).maps is None


@pytest.mark.parametrize(
    ("text", "layout", "outputs"),
    [
        (nets.tiny(1, 2, size=64), "maps", ["map0", "map1"]),
        (nets.tiny(1, 2, size=64), "boxes", ["boxes", "scores"]),
        (BACKBONE, "maps", ["map0", "map1", "map2"]),
        (nets.classifier(1, 5, size=64), "maps", ["logits"]),
    ],
)
def test_what_is_drawn(make, text, layout, outputs):
    drawn = sourced(make(text)).draw(Options(opset=13, layout=layout))
    assert list(drawn.outputs) == outputs


def test_the_rule_of_batch_norm_is_the_sources(make):
    source = replace(sourced(make(nets.tiny(1, 2, size=64))), rule="pjreddie-cpu")
    assert source.draw(Options(opset=13)).graph.rule == "pjreddie-cpu"


class TestFacts:
    def test_texts_stay_and_the_rest_is_json(self):
        network = parse_network(nets.tiny(1, 2, size=64))
        said = texts({"family": "generic", "names": ["고양이"]}, network, "alexeyab", "ab12")
        assert said.pop("tool").startswith("darknet-safetensors ")
        assert said == {
            "family": "generic", "names": '["고양이"]', "dialect": "alexeyab",
            "reading": "null", "source_sha256": "ab12", "cfg": network.text,
        }  # fmt: skip

    @pytest.mark.parametrize("layout", ["maps", "boxes", "deepstream"])
    def test_only_ultralytics_layout_says_more(self, make, layout):
        source = sourced(make(nets.tiny(1, 2, size=64)))
        assert source.says(Options(opset=13, layout=layout)) == source.facts

    def test_what_ultralytics_reads(self, make):
        """Python literals: ultralytics 8.4 nn/backends/onnx.py."""
        source = sourced(make(nets.tiny(1, 2, size=96)))
        said = source.says(Options(opset=13, layout="ultralytics", batch=4))
        assert {key: said[key] for key in ("stride", "imgsz", "task", "batch")} == {
            "stride": "32", "imgsz": "[96, 96]", "task": "detect", "batch": "4",
        }  # fmt: skip
        assert ast.literal_eval(said["names"]) == {0: "class0", 1: "class1"}
        named = replace(source, facts={**source.facts, "names": json.dumps(["a cat", "it's"])})
        said = named.says(Options(opset=13, layout="ultralytics"))
        assert ast.literal_eval(said["names"]) == {0: "a cat", 1: "it's"}

    def test_a_checkpoint_that_says_nothing_claims_nothing(self, make):
        files = make(nets.tiny(1, 2, size=64))
        made = convert(files.weights, files.weights.with_name("x.pth"), family="pytorchyolo").output
        source = source_of(Checkpoint.open(made, parse_network(files.text)))
        wanted = {"family": "null", "dialect": "pjreddie", "names": "null", "source_sha256": "null"}
        assert {key: source.facts[key] for key in wanted} == wanted
        assert json.loads(source.facts["architectures"]) == ["DarknetModel"]


def test_a_checkpoint_that_does_not_go_back(sample):
    with pytest.raises(CheckpointError, match="the article's wiring has no place for") as caught:
        sourced(sample, family="article")
    assert caught.value.path == str(sample.checkpoint)
