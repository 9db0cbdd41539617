"""Every claim of a checkpoint, compared with what there is to compare it with."""

import json
import sys

import pytest
from safetensors.numpy import load_file, save_file

from converter import WeightsError, convert, verify
from converter.checkpoint.header import read_contents
from converter.cli.main import run_script


@pytest.fixture
def pair(sample):
    return sample.weights, convert(sample.weights).output


def claim(checkpoint, key, value):
    """Let a checkpoint say something else."""
    metadata = {**read_contents(checkpoint).metadata, key: value}
    save_file(load_file(checkpoint), checkpoint, metadata)


def false_claims(result):
    return {claim.name: claim.text for claim in result.claims if claim.ok is False}


def test_what_there_is_no_second_source_for_is_listed(pair):
    result = verify(*pair)
    assert result.ok
    assert {c.name: c.ok for c in result.claims} == {
        "header": True, "cutoff": True, "source_sha256": True,
        "network": None, "names": None, "dialect": None,
    }  # fmt: skip
    assert all(claim.text for claim in result.claims if claim.ok is None)


@pytest.mark.parametrize("described", [True, False])
@pytest.mark.parametrize(("size", "what"), [(0, "is empty"), (10, "ends after 10 bytes, inside")])
def test_weights_without_a_header_are_named(pair, described, size, what):
    weights, checkpoint = pair
    if not described:
        save_file(load_file(checkpoint), checkpoint)
    weights.write_bytes(weights.read_bytes()[:size])
    with pytest.raises(WeightsError, match=what) as caught:
        verify(weights, checkpoint, cfg=None if described else weights.with_suffix(".cfg"))
    assert caught.value.path == str(weights)


def test_with_all_sources_all_is_compared(sample, pair):
    names = sample.weights.with_suffix(".names")
    result = verify(*pair, cfg=sample.cfg, names=names, dialect="pjreddie")
    assert result.ok
    assert all(claim.ok for claim in result.claims)


@pytest.mark.parametrize(
    ("old", "new", "text"),
    [
        ("anchors=", "anchors=99,", "anchors of layer 82 [yolo], line"),
        ("width=192", "width=224", "width of [net] is 192, there 224"),
        ("[yolo]\n", "[yolo]\nscale_x_y=1.05\n", "scale_x_y of layer 82 [yolo]"),
        ("[yolo]\n", "[yolo]\nnms_kind=diounms\n", "nms_kind of layer 82 [yolo]"),
    ],
)
def test_a_cfg_of_the_same_size_that_is_another_network(sample, pair, old, new, text):
    assert old in sample.text
    sample.cfg.write_text(sample.text.replace(old, new, 1))
    result = verify(*pair, cfg=sample.cfg)
    assert result.comparison.ok
    assert not result.ok
    assert text in false_claims(result)["network"]


def test_a_cfg_with_other_comments_and_training_options_is_the_same(sample, pair):
    text = sample.text.replace("[net]\n", "# of mine\n[net]\nbatch=17\n", 1)
    sample.cfg.write_text(text.replace("from=-3", "from = -3"))
    assert verify(*pair, cfg=sample.cfg).ok


def test_other_names(sample, pair):
    names = sample.weights.with_suffix(".names")
    names.write_text("circle\ntriangle\nsquare\n")
    assert false_claims(verify(*pair, names=names)) == {
        "names": f"class 1 is square, but triangle in {names}"
    }


def test_another_dialect(pair):
    assert false_claims(verify(*pair, dialect="alexeyab")) == {"dialect": "pjreddie, not alexeyab"}


def test_another_hash(pair):
    claim(pair[1], "source_sha256", "0" * 64)
    result = verify(*pair)
    assert result.comparison.ok
    assert list(false_claims(result)) == ["source_sha256"]


def test_the_command(sample, pair, capsys, monkeypatch):
    monkeypatch.setattr("sys.argv", ["verify.py", *map(str, pair), "--cfg", str(sample.cfg)])
    assert run_script("verify") == 0
    assert "names: not compared: they were believed" in capsys.readouterr().out
    sample.cfg.write_text(sample.text.replace("anchors=", "anchors=99,", 1))
    assert run_script("verify") == 1
    assert "network: NOT TRUE: differs from" in capsys.readouterr().out
    monkeypatch.setattr("sys.argv", [*sys.argv, "--json"])
    assert run_script("verify") == 1
    facts = json.loads(capsys.readouterr().out)
    assert (facts["ok"], facts["claims"]["network"]) == (False, False)
