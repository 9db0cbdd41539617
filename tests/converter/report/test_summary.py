"""What a report says in words: whether to trust the checkpoint, and what to know of it."""

from hashlib import sha256

import nets
import numpy as np
import pytest
import reference

from converter import convert
from converter.report.summary import facts, notices, verdict
from tests.converter.report.reports import report


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


def test_rounded_values_are_reported_as_such(sample):
    done = convert(sample.weights, dtype="float16")
    shown = report(done, sample.checkpoint)
    assert verdict(shown).text.endswith("those of the .weights file, rounded to float16.")
    assert ("Back to .weights", "no: values were rounded") in facts(shown)
    exact = reference.read(sample.text, sample.weights)[0, "scales"].astype(np.float16)
    assert shown.rows[1].statistics.minimum == exact.min()


def test_values_that_are_not_finite_are_noticed(toy):
    values = np.fromfile(toy.weights, "<f4", offset=20)
    values[[0, 1, 2]] = np.nan, np.inf, -np.inf
    toy.weights.write_bytes(toy.weights.read_bytes()[:20] + values.tobytes())
    shown = report(convert(toy.weights), toy.weights)
    assert (shown.rows[0].statistics.nan, shown.rows[0].statistics.infinite) == (1, 2)
    assert list(notices(shown)) == [
        "biases of layer 0 [convolutional], line 6 holds NaN: no training gives that."
    ]


def test_a_negative_variance_is_noticed(toy):
    values = np.fromfile(toy.weights, "<f4", offset=20)
    values[12] = -1  # biases, scales and means of 4 filters come before
    toy.weights.write_bytes(toy.weights.read_bytes()[:20] + values.tobytes())
    shown = report(convert(toy.weights), toy.weights)
    assert list(notices(shown)) == [
        "rolling_variance of layer 0 [convolutional], line 6 holds negative values, down to -1:"
        " no training gives that."
    ]


def test_a_file_that_was_not_compared_or_does_not_agree(toy):
    done = convert(toy.weights)
    assert verdict(report(done, toy.weights, verified=False)).text == (
        "The checkpoint does not hold what its .weights file holds."
    )
    assert verdict(report(done, toy.weights, verified=None)).text == (
        "This report did not compare any values: verify.py compares a checkpoint with its .weights"
        " file."
    )


def test_different_values_are_worse_than_different_outputs(toy):
    shown = report(convert(toy.weights), toy.weights, verified=False, parity=[(0, 9, 9)],
                   agrees=False)  # fmt: skip
    assert verdict(shown).title == "Different"


def test_one_layer_that_was_run(toy):
    shown = report(convert(toy.weights), toy.weights, parity=[(1, 0.5, 0.1)])
    assert verdict(shown).text == (
        "All 134 floats of the checkpoint are bit for bit those of the .weights file. 1 layer was"
        " run and compared with an engine's: the largest difference is 0.5, at layer 1."
    )


def test_the_facts_of_a_file(toy):
    digest = sha256(toy.weights.read_bytes()).hexdigest()
    toy.weights.with_suffix(".names").write_text("a cat\na dog\n")
    shown = report(convert(toy.weights), toy.weights)
    assert facts(shown) == [
        ("Values read from", "toy.weights"),
        ("Size of the .weights file", "556 bytes"),  # 20 and 134 floats
        ("Header", "version 0.2.0, 64,000 pictures seen, 20 bytes"),
        ("Read as", "generic, pjreddie"),
        ("Network", "2 layers, picture 3x8x8".replace("x", "\N{MULTIPLICATION SIGN}")),
        ("Tensors", "7, 134 floats"),
        ("Classes", "none"),
        ("Values", "float32"),
        ("Back to .weights", "byte for byte"),
        ("SHA-256 of the .weights file", digest),
    ]
    assert list(notices(shown)) == []


def test_the_facts_of_a_detector(sample):
    found = dict(facts(report(convert(sample.weights), sample.weights)))
    names = sample.weights.with_suffix(".names").read_text().split()
    assert found["Classes"] == str(len(names))


def test_values_that_are_changed_by_rule(make):
    files = make(nets.tiny(1, 2, size=64))
    shown = report(convert(files.weights, family="ultralytics"), files.weights)
    assert "those of the .weights file, changed by the rules of their scheme" in verdict(shown).text
    assert dict(facts(shown))["Back to .weights"] == "by rule, byte for byte unless it lost some"
    # 11 convolutions have batch norm, and their port adds 1e-4 to a variance, not 1e-5.
    assert list(notices(shown)) == [
        "11 tensors hold other values than the file, by rule: batch norm adds 0.0001: takes what is"
        " left where the variance became 0.",
        "11 tensors hold other values than the file, by rule: batch norm adds 0.0001: less by"
        " 9e-05, but not below 0.",
    ]


def test_a_model_with_tensors_that_no_file_has(toy):
    text = toy.text.replace("size=1\n", "size=1\ndontload=1\n")
    toy.cfg.write_text(text)
    toy.weights.write_bytes(toy.weights.read_bytes()[:516])
    shown = report(convert(toy.weights), toy.weights)
    assert list(notices(shown)) == ["2 tensors of the model have no source in the file."]
    assert dict(facts(shown))["Back to .weights"] == "byte for byte"


def test_what_the_article_has_no_place_for_does_not_come_back(sample):
    shown = report(convert(sample.weights, family="article"), sample.weights)
    assert dict(facts(shown))["Back to .weights"] == "no: arrays were left out"
