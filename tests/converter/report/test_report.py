"""The conversion report: what it says, in which formats, and when it refuses."""

import json
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import reference

from converter import convert
from converter.checkpoint.metadata import Metadata
from converter.darknet.header import Header
from converter.diagnosis.architectures import ARCHITECTURES
from converter.errors import CheckpointError, ExtraError, OutputError, UsageError, WeightsError
from converter.families import generic
from converter.plan import make_plan
from converter.report import write_report
from converter.report.model import Report
from converter.report.summary import facts, notices, verdict

FORMATS = (".html", ".md", ".json")


def report(conversion, source, output=None, **options) -> Report:
    output = output or Path(source).with_suffix(".report.json")
    options = {"verified": conversion.verified or None, "force": True} | options
    return write_report(conversion.plan, conversion.metadata, source, output, **options)


def json_report(conversion, source, **options):
    output = Path(source).with_suffix(".report.json")
    report(conversion, source, output, **options)
    return json.loads(output.read_text())


def arrays(facts):
    return {
        (layer["index"], row["kind"]): row for layer in facts["layers"] for row in layer["arrays"]
    }


def test_every_array_with_its_bytes_and_values(sample):
    found = arrays(json_report(convert(sample.weights), sample.weights))
    values = reference.read(sample.text, sample.weights)
    assert list(found) == list(values)
    for entry in reference.layout(sample.text):
        row, exact = found[entry.layer, entry.kind], values[entry.layer, entry.kind]
        assert row["shape"] == list(entry.shape)
        assert row["first_byte"] == 20 + 4 * entry.first
        assert row["last_byte"] == 20 + 4 * (entry.first + exact.size) - 1
        shown = row["statistics"]
        exact = exact.astype(np.float64)
        # Nine significant digits are written.
        for name, value in (
            ("minimum", exact.min()),
            ("mean", exact.mean()),
            ("maximum", exact.max()),
            ("deviation", exact.std()),
        ):
            assert shown[name] == pytest.approx(value, rel=1e-8, abs=1e-15)
        assert sum(shown["histogram"]) == exact.size


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


def test_the_checkpoint_has_the_same_values_as_the_weights(sample):
    done = convert(sample.weights)
    weights, checkpoint = (json_report(done, p) for p in (sample.weights, sample.checkpoint))
    assert weights.pop("source") == "shapes.weights"
    assert checkpoint.pop("source") == "shapes.safetensors"
    assert weights == checkpoint


def test_transposed_matrices_are_the_same_values(make):
    text = (
        "[net]\nwidth=4\nheight=4\nchannels=3\n"
        "[convolutional]\nfilters=6\nsize=3\nflipped=1\nactivation=linear\n"
    )
    files = make(text)
    done = convert(files.weights)
    weights, checkpoint = (json_report(done, p) for p in (files.weights, files.checkpoint))
    there, here = arrays(weights)[0, "weights"], arrays(checkpoint)[0, "weights"]
    assert there["transposed"] is True
    for name in ("minimum", "maximum", "histogram"):
        assert there["statistics"][name] == here["statistics"][name]


def test_rounded_values_are_reported_as_such(sample):
    done = convert(sample.weights, dtype="float16")
    shown = report(done, sample.checkpoint)
    assert verdict(shown).text.endswith("those of the .weights file, rounded to float16.")
    assert ("Back to .weights", "no: values were rounded") in facts(shown)
    exact = reference.read(sample.text, sample.weights)[0, "scales"].astype(np.float16)
    assert shown.rows[1].statistics.minimum == exact.min()


@pytest.mark.parametrize(
    ("verified", "level", "title"),
    [(True, "ok", "Verified"), (None, "open", "Not compared"), (False, "bad", "Different")],
)
def test_the_verdict(toy, verified, level, title):
    shown = verdict(report(convert(toy.weights), toy.weights, verified=verified))
    assert (shown.level, shown.title) == (level, title)


def test_the_verdict_names_the_layer_that_is_farthest_from_the_engine(toy):
    rows = [(0, 1e-6, 1e-7), (1, 2e-5, 1e-7)]
    shown = verdict(report(convert(toy.weights), toy.weights, parity=rows, agrees=True))
    assert shown.title == "Verified"
    assert shown.text.endswith(
        " 2 layers were run and compared with an engine's: the largest difference is 2e-05, at"
        " layer 1. That is close enough."
    )


def test_equal_floats_whose_outputs_differ_are_not_verified(toy):
    shown = verdict(report(convert(toy.weights), toy.weights, parity=[(0, 9, 9)], agrees=False))
    assert (shown.level, shown.title) == ("bad", "Outputs differ")
    assert shown.text.endswith("at layer 0. That is too much.")


def test_an_error_that_is_not_finite_is_the_largest(toy):
    shown = report(convert(toy.weights), toy.weights, parity=[(0, float("nan"), 0.1), (1, 9, 9)])
    assert shown.worst.layer == 0


def test_arrays_that_the_article_has_no_place_for(sample):
    done = convert(sample.weights, family="article")
    shown = report(done, sample.weights)
    assert notices(shown)[0].startswith("This is no working detector: 25 arrays of the file")
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
    assert notices(shown) == [
        "The file ends after layer 73 of 106: 106 tensors of the model have no source."
    ]


def test_values_that_are_not_finite_are_noticed(toy):
    values = np.fromfile(toy.weights, "<f4", offset=20)
    values[[0, 1, 2]] = np.nan, np.inf, -np.inf
    toy.weights.write_bytes(toy.weights.read_bytes()[:20] + values.tobytes())
    shown = report(convert(toy.weights), toy.weights)
    assert (shown.rows[0].statistics.nan, shown.rows[0].statistics.infinite) == (1, 2)
    assert notices(shown) == [
        "biases of layer 0 [convolutional], line 6 holds NaN: no training gives that."
    ]


def test_a_negative_variance_is_noticed(toy):
    values = np.fromfile(toy.weights, "<f4", offset=20)
    values[12] = -1  # biases, scales and means of 4 filters come before
    toy.weights.write_bytes(toy.weights.read_bytes()[:20] + values.tobytes())
    shown = report(convert(toy.weights), toy.weights)
    assert notices(shown) == [
        "rolling_variance of layer 0 [convolutional], line 6 holds negative values, down to -1:"
        " no training gives that."
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
    assert notices(shown)[0].startswith("There was no cfg: yolov3-tiny was recognised")


@pytest.mark.parametrize("suffix", FORMATS)
def test_a_network_without_weights(tmp_path, suffix):
    weights = tmp_path / "pool.weights"
    weights.write_bytes(bytes([0] * 4 + [2] + [0] * 15))  # version 0.2.0, nothing seen
    weights.with_suffix(".cfg").write_text(
        "[net]\nwidth=4\nheight=4\nchannels=3\n[maxpool]\nsize=2\nstride=2\n"
    )
    shown = report(convert(weights), weights, tmp_path / f"r{suffix}", verified=True)
    assert [layer.state for layer in shown.layers] == ["without weights"]
    assert (tmp_path / f"r{suffix}").stat().st_size > 0


def test_a_file_is_shown_not_obeyed(toy, tmp_path):
    """Names and cfg are a stranger's: they must not become markup, and need not be Unicode."""
    done = convert(toy.weights)
    names = ["<script>alert(1)</script>", "a | b `c`\n", "\ud800"]
    net = replace(done.plan.network, text="# </script><b>\x1b[2J\n" + done.plan.network.text)
    plan = replace(done.plan, network=net)
    meta = replace(done.metadata, names=names)
    pages = {}
    for suffix in FORMATS:
        write_report(plan, meta, toy.weights, tmp_path / f"r{suffix}", verified=True)
        pages[suffix] = (tmp_path / f"r{suffix}").read_bytes().decode()
    assert "<script>alert" not in pages[".html"]
    assert "&lt;script&gt;alert(1)" in pages[".html"]
    assert "# &lt;/script&gt;&lt;b&gt;\\x1b[2J" in pages[".html"]
    assert "`<script>alert(1)</script>, a \\| b 'c'\\n, \\ud800`" in pages[".md"]
    assert json.loads(pages[".json"])["names"] == names


def test_a_file_name_does_not_become_markup(toy, tmp_path):
    path = toy.weights.rename(tmp_path / "a`<b>`_x_|.weights")
    plan = convert(path, cfg=toy.cfg, dry_run=True)
    write_report(plan.plan, plan.metadata, path, tmp_path / "x.md", verified=None)
    lines = (tmp_path / "x.md").read_text().splitlines()
    assert lines[0] == "# `a'<b>'_x_\\|.weights`"
    assert "| Values read from | `a'<b>'_x_\\|.weights` |" in lines


def test_markdown_has_a_line_for_each_array(sample, tmp_path):
    report(convert(sample.weights), sample.weights, tmp_path / "r.md")
    lines = (tmp_path / "r.md").read_text().splitlines()
    row = next(line for line in lines if line.startswith("| 84 | convolutional | scales |"))
    # 84 is a 1x1 conv with 16 filters: its scales come after its 16 biases.
    first = next(20 + 4 * e.first for e in reference.layout(sample.text) if e.layer == 84) + 64
    assert f"| {first:,}\N{EN DASH}{first + 63:,} | `fpn.merge_convs.1.bn.weight` | 16 |" in row


def test_another_format_is_refused(toy):
    done = convert(toy.weights)
    with pytest.raises(UsageError, match=r"end it with \.html, \.md, \.json"):
        report(done, toy.weights, toy.weights.with_suffix(".pdf"))


def test_another_file_is_not_replaced_without_force(toy, tmp_path):
    done, output = convert(toy.weights), tmp_path / "r.json"
    report(done, toy.weights, output, force=False)
    report(done, toy.weights, output, force=False)  # the same again
    output.write_text("precious")
    with pytest.raises(OutputError, match="exists already"):
        report(done, toy.weights, output, force=False)
    assert output.read_text() == "precious"
    report(done, toy.weights, output)
    assert json.loads(output.read_text())["source"] == "toy.weights"


def test_the_source_is_never_overwritten(toy, tmp_path):
    done = convert(toy.weights)
    misnamed = tmp_path / "weights.json"
    misnamed.write_bytes(toy.weights.read_bytes())
    with pytest.raises(UsageError, match="is an input, or another output"):
        report(done, misnamed, misnamed)
    assert misnamed.read_bytes() == toy.weights.read_bytes()


def test_without_jinja2_one_line_says_so(toy, tmp_path, monkeypatch):
    done = convert(toy.weights)
    monkeypatch.setitem(sys.modules, "jinja2", None)
    with pytest.raises(ExtraError, match="pip install jinja2"):
        report(done, toy.weights, tmp_path / "r.html")
    report(done, toy.weights, tmp_path / "r.json")  # needs none


def test_a_target_that_cannot_be_written(toy, tmp_path):
    done = convert(toy.weights)
    with pytest.raises(OutputError):
        report(done, toy.weights, tmp_path / "missing" / "r.json")


def test_a_file_that_became_shorter(toy, tmp_path):
    done = convert(toy.weights)
    with open(toy.weights, "r+b") as file:
        file.truncate(100)
    with pytest.raises(WeightsError, match="became shorter"):
        report(done, toy.weights, tmp_path / "r.json")
    assert not list(tmp_path.glob("*r.json*"))


def test_a_checkpoint_of_another_network(toy, sample, tmp_path):
    done = convert(toy.weights)
    convert(sample.weights)
    with pytest.raises(CheckpointError, match="is missing"):
        report(done, sample.checkpoint, tmp_path / "r.json")


def test_another_file_is_not_replaced(toy, tmp_path):
    done, page = convert(toy.weights), tmp_path / "r.html"
    options = {"verified": True}
    write_report(done.plan, done.metadata, toy.weights, page, **options)
    write_report(done.plan, done.metadata, toy.weights, page, **options)  # the same: no conflict
    page.write_text("precious")
    with pytest.raises(OutputError, match="exists already"):
        write_report(done.plan, done.metadata, toy.weights, page, **options)
    assert page.read_text() == "precious"
    write_report(done.plan, done.metadata, toy.weights, page, force=True, **options)
    assert page.read_text() != "precious"
