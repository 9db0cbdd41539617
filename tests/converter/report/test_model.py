"""The report as data: each layer's place, state, arrays and errors."""

import json
from math import inf, nan

import numpy as np
import pytest
import reference

from converter import convert
from converter.checkpoint.metadata import Metadata
from converter.darknet.header import Header
from converter.darknet.network import parse_network
from converter.diagnosis.architectures import ARCHITECTURES
from converter.diagnosis.health import Anomaly
from converter.families import generic
from converter.plan import make_plan
from converter.report.model import LayerError, Report
from converter.report.statistics import measure
from converter.report.summary import notices
from tests.converter.report.reports import json_report, report


def test_every_layer_with_its_place_in_cfg_and_model(sample):
    layers = json_report(convert(sample.weights), sample.weights)["layers"]
    lines = sample.text.splitlines()
    assert len(layers) == 107
    for layer in layers:
        assert lines[layer["line"] - 1] == f"[{layer['type']}]"
    assert layers[84]["module"] == "fpn.merge_convs.1"
    assert layers[86]["sources"] == [85, 61]
    assert layers[86]["module"] is None
    assert layers[86]["state"] == "without weights"


def test_an_error_that_is_not_finite_is_the_largest(toy):
    shown = report(convert(toy.weights), toy.weights, parity=[(0, float("nan"), 0.1), (1, 9, 9)])
    assert shown.worst.layer == 0


def test_arrays_that_the_article_has_no_place_for(sample):
    done = convert(sample.weights, family="article")
    shown = report(done, sample.weights)
    assert next(notices(shown)).startswith("This is no working detector: 25 arrays of the file")
    assert [v.node.index for v in shown.layers if v.state == "left out"] == [75, 84, 87, 96, 99]
    assert all(row.statistics for row in shown.rows)
    # The checkpoint does not have those values.
    lacking = [row for row in report(done, sample.checkpoint).rows if not row.statistics]
    assert [row.slot.node.index for row in lacking] == [
        i for i in (75, 84, 87, 96, 99) for _ in range(5)
    ]


def test_layers_that_the_file_ends_before(sample):
    end = next(20 + 4 * e.first for e in reference.layout(sample.text) if e.layer == 75)
    with open(sample.weights, "r+b") as file:
        file.truncate(end)
    shown = report(convert(sample.weights, partial=True), sample.weights)
    assert shown.layers[73].state == "converted"
    assert shown.layers[74].state == "without weights"
    assert shown.layers[75].state == "not in the file"
    assert list(notices(shown)) == [
        "The file ends after layer 73 of 106: 106 tensors of the model have no source."
    ]


def test_a_recognised_network_has_lines_too():
    architecture = next(a for a in ARCHITECTURES if a.name == "yolov3-tiny")
    network = architecture.network(80)
    plan = make_plan(
        header=Header(major=0, minor=2, revision=0, seen=0, size=20), size=None, network=network,
        naming=generic.name_layers(network), dialect="pjreddie",
    )  # fmt: skip
    meta = Metadata.of(
        plan, tool="", sha256="", names=None, assumed={"architecture": "yolov3-tiny"}
    )
    shown = Report(
        name="", plan=plan, metadata=meta, verified=None, statistics={}, anomalies=(), parity=()
    )
    lines = network.text.splitlines()
    for layer in shown.layers:
        assert lines[layer.line - 1] == f"[{layer.node.layer.type}]"
    assert next(notices(shown)).startswith("There was no cfg: yolov3-tiny was recognised")


HEADER = Header(major=0, minor=2, revision=0, seen=0, size=20)
NET = "[net]\nwidth=8\nheight=8\nchannels=3\n"
CONV = "[convolutional]\nfilters=4\nsize=1\n"


def made(text, size=None, dialect="pjreddie", **options) -> Report:
    """The report of a file of ``size`` bytes that nobody has read."""
    network = parse_network(text, dialect)
    plan = make_plan(
        header=HEADER, size=size, network=network, naming=generic.name_layers(network),
        dialect=dialect,
    )  # fmt: skip
    meta = Metadata.of(plan, tool="a tool", sha256="", names=None, assumed={})
    values = {"verified": None, "statistics": {}, "anomalies": (), "parity": ()} | options
    return Report(name="x.weights", plan=plan, metadata=meta, **values)


@pytest.mark.parametrize(
    ("section", "expected"),
    [
        (CONV, "weights"),
        (CONV + "dontload=1\n", "weights"),  # though none are in the file
        ("[connected]\noutput=2\n", "weights"),
        ("[maxpool]\nsize=2\nstride=2\n", "pool"),
        ("[avgpool]\n", "pool"),
        ("[upsample]\nstride=2\n", "resize"),
        ("[reorg]\nstride=2\n", "resize"),
        ("[route]\nlayers=-1\n", "route"),
        ("[route]\nlayers=-1,-2\n", "route"),  # before what combines layers
        ("[shortcut]\nfrom=-2\n", "combine"),
        ("[yolo]\nclasses=1\nnum=1\nmask=0\nanchors=1,2\n", "head"),
        ("[dropout]\n", "other"),
    ],
)
def test_the_kind_of_a_layer(section, expected):
    # A [yolo] of one class and one anchor reads (1 + 5) maps.
    text = NET + CONV + CONV.replace("filters=4", "filters=6" if "yolo" in section else "filters=4")
    assert made(text + section).layers[2].kind == expected


def test_the_bytes_of_a_layer_go_from_its_first_array_to_its_last(toy):
    shown = made(toy.text + "[maxpool]\nsize=2\nstride=2\n")
    # 16 floats of batch norm and 108 of the kernel behind 20 bytes; then 2 biases and 8 weights.
    assert [layer.bytes for layer in shown.layers] == [(20, 516), (516, 556), None]
    assert shown.floats == 134


def test_the_largest_array_is_the_one_to_be_shown(toy):
    shown = made(toy.text)
    biases, scales, means, variances, kernel, *_ = shown.plan.slots

    def largest(**values):
        by_slot = {slot: values[slot.kind] for slot in shown.plan.slots[:5] if slot.kind in values}
        report = made(toy.text, statistics=by_slot)
        found = report.layers[0].largest
        return found and found.slot

    ones, nothing = measure(lambda: [np.ones(4, "f4")]), measure(lambda: [np.full(4, nan, "f4")])
    assert largest() is None
    assert largest(biases=ones, weights=ones) == kernel
    assert largest(biases=ones, weights=nothing) == biases  # no histogram without a number
    assert largest(biases=nothing) is None
    assert largest(scales=ones) == scales
    assert {slot.floats for slot in (biases, scales, means, variances)} == {4}


def test_arrays_that_are_not_finite(toy):
    slots = made(toy.text).plan.slots
    by_slot = {
        slots[0]: measure(lambda: [np.array([0, nan], "f4")]),
        slots[1]: measure(lambda: [np.array([0, 1], "f4")]),
        slots[2]: measure(lambda: [np.array([0, -inf], "f4")]),
    }
    assert [row.slot for row in made(toy.text, statistics=by_slot).flawed] == [slots[0], slots[2]]


def test_the_layer_that_is_farthest(toy):
    def worst(*errors):
        parity = [LayerError(layer, error, 0.0) for layer, error in errors]
        found = made(toy.text, parity=parity).worst
        return found and found.layer

    assert worst() is None
    assert worst((0, 1.0), (1, 2.0)) == 1
    assert worst((0, 2.0), (1, 1.0)) == 0
    assert worst((0, 1e30), (1, inf)) == 1


def test_an_error_stands_beside_its_layer(toy):
    shown = made(toy.text, parity=[LayerError(1, 0.5, 0.25)])
    assert [layer.parity for layer in shown.layers] == [None, LayerError(1, 0.5, 0.25)]


def test_as_json(toy):
    """Field by field; toy's bytes are in tests/converter/test_plan.py."""
    text = toy.text.replace("size=1\n", "size=1\ndontload=1\n") + "[maxpool]\nsize=2\nstride=2\n"
    kernel = made(text).plan.slots[4]
    shown = made(
        text, verified=True, agrees=False, parity=[LayerError(0, inf, 0.5)],
        statistics={kernel: measure(lambda: [np.array([1, 3], "f4")])},
        anomalies=[Anomaly(layer=0, array="weights", offset=84, problem="NaN", text="it is")],
    )  # fmt: skip
    found = shown.as_dict()
    first, second, third = found.pop("layers")
    assert found == {
        "schema": 1, "tool": "a tool", "source": "x.weights", "source_sha256": None, "size": 516,
        "header": {"major": 0, "minor": 2, "revision": 0, "seen": 0, "size": 20},
        "family": "generic", "dialect": "pjreddie", "classes": None, "names": None, "assumed": {},
        "dtype": "float32", "lossless": True, "verified": True, "agrees": False,
        "warnings": [
            {"layer": 0, "array": "weights", "offset": 84, "problem": "NaN", "text": "it is"}
        ],
        "complete": False, "cutoff": None,
        "tensors": 5, "floats": 124,
        "unfilled": {"layers.1.conv.bias": [2], "layers.1.conv.weight": [2, 4, 1, 1]},
    }  # fmt: skip
    arrays = first.pop("arrays")
    assert first == {
        "index": 0, "type": "convolutional", "line": 6, "sources": [-1], "output": "4 x 8 x 8",
        "module": "layers.0", "state": "converted",
        "parity": {"max_abs": None, "relative": 0.5},  # JSON has no infinity
    }  # fmt: skip
    statistics = arrays[4].pop("statistics")
    assert (statistics["minimum"], statistics["mean"], statistics["maximum"]) == (1, 2, 3)
    assert [len(arrays), arrays[4]] == [5, {
        "kind": "weights", "tensor": "layers.0.conv.weight", "shape": [4, 3, 3, 3],
        "first_byte": 84, "last_byte": 515, "transposed": False, "rule": None,
    }]  # fmt: skip
    assert arrays[0]["statistics"] is None
    assert (second["state"], second["arrays"], second["module"]) == ("not in the file", [], None)
    assert (third["state"], third["parity"]) == ("without weights", None)
    json.dumps(shown.as_dict(), allow_nan=False)
