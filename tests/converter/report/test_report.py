"""The conversion report: whose values it shows, and when it refuses."""

import json

import numpy as np
import pytest
import reference

from converter import convert
from converter.errors import CheckpointError, OutputError, UsageError, WeightsError
from converter.report import write_report
from tests.converter.report.reports import FORMATS, arrays, json_report, report


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
