"""Class names of weights without a .names file: by their hash, or proposed."""

import json

import pytest
import reference

from converter import convert, verify
from converter.class_names import CLASS_NAMES
from converter.cli.main import main
from converter.operations.info import describe
from tests.converter.toy_detector import CFG, WEIGHTS, detector_served

COCO = list(CLASS_NAMES["coco"])


@pytest.fixture
def weights(tmp_path, monkeypatch):
    """The published detector and its cfg, without its names."""
    (tmp_path / "any.cfg").write_text(CFG)
    (tmp_path / "any.weights").write_bytes(WEIGHTS)
    with detector_served(monkeypatch):
        yield tmp_path / "any.weights"


def messages(caplog):
    return [r.getMessage() for r in caplog.records if r.getMessage().startswith("class names: ")]


@pytest.fixture
def logged(caplog):
    caplog.set_level("INFO", "converter")
    return caplog


@pytest.mark.parametrize("verify", [True, False])
def test_a_published_file_brings_its_names(weights, logged, verify):
    assert convert(weights, verify=verify).metadata.names == COCO
    assert messages(logged) == ["class names: coco's, since it is toy.weights as published"]
    again = convert(weights)
    assert (again.status, again.metadata.names) == ("up to date", COCO)


def test_a_dry_run_knows_them(weights):
    assert convert(weights, dry_run=True).metadata.names == COCO


def test_its_checkpoint_is_that_of_a_conversion_with_names(weights):
    by_hash = convert(weights, weights.with_name("a.safetensors")).output
    (weights.parent / "any.names").write_text("".join(f"{name}\n" for name in COCO))
    by_file = convert(weights, weights.with_name("b.safetensors")).output
    assert by_hash.read_bytes() == by_file.read_bytes()


def test_names_that_are_given_count(weights, logged):
    (weights.parent / "my.names").write_text("thing\n" * 80)
    result = convert(weights, names=weights.parent / "my.names")
    assert result.metadata.names == ["thing"] * 80
    assert messages(logged) == []


def test_a_file_of_its_size_alone_records_none(weights, logged):
    weights.write_bytes(reference.random_weights(CFG, seed=1))
    assert convert(weights).metadata.names is None
    assert messages(logged) == [
        "class names: not known; if its 80 classes are those of coco, give names='coco'"
    ]
    assert verify(weights, weights.with_suffix(".safetensors")).ok  # its header ends in spaces
    assert convert(weights).status == "up to date"


def test_a_names_file_beside_it_is_proposed_and_not_taken(weights, logged):
    weights.write_bytes(reference.random_weights(CFG, seed=1))
    (weights.parent / "obj.names").write_text("thing\n" * 80)
    assert convert(weights).metadata.names is None
    (message,) = messages(logged)
    assert message.endswith(f"give names='{weights.parent}/obj.names'")


def test_a_known_list_is_recorded_if_it_is_asked_for(weights, monkeypatch):
    weights.write_bytes(reference.random_weights(CFG, seed=1))
    monkeypatch.chdir(weights.parent)
    assert main(["convert", "any.weights", "--names", "coco", "-q"]) == 0
    assert describe("any.safetensors").names == COCO


def test_a_published_file_read_with_another_cfg_brings_none(weights):
    """3 * (5 + 80) = 5 * (5 + 46): as many channels for a head with five anchors and 46 classes."""
    text = CFG.replace("mask=0,1,2", "mask=0,1,2,3,4").replace("num=3", "num=5")
    text = text.replace("16,16", "16,16, 20,20, 24,24").replace("classes=80", "classes=46")
    (weights.parent / "any.cfg").write_text(text)
    assert convert(weights, dry_run=True).metadata.names is None


def test_info_names_them(weights, capsys):
    assert main(["info", str(weights), "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert (facts["published"], facts["names"]) == ("toy.weights", COCO)
    weights.write_bytes(reference.random_weights(CFG, seed=1))
    assert describe(weights).names is None


def test_info_prefers_the_names_beside_it(weights):
    (weights.parent / "any.names").write_text("thing\n" * 80)
    assert describe(weights).names == ["thing"] * 80
