"""From the names of one program to those of another."""

import json

import nets
import pytest
import torch
from safetensors.numpy import load_file
from safetensors.torch import load_file as load_tensors

from converter import UsageError, WeightsError, convert, revert
from converter.checkpoint.checkpoint import Checkpoint
from converter.cli.main import main
from converter.operations.rename import rename

TEXT = nets.yolov3(1, 2, size=64)


@pytest.fixture
def files(make):
    made = make(TEXT)
    made.weights.with_suffix(".names").write_text("a\nb\n")
    return made


def test_from_a_port_to_ours(files, tmp_path):
    theirs = convert(files.weights, tmp_path / "x.pth", family="mmdet").output
    ours = convert(files.weights, tmp_path / "ours.safetensors").output
    made = rename(theirs, tmp_path / "y.safetensors", cfg=files.cfg)
    assert (made.metadata.family, made.verified) == ("yolov3", True)
    expected, found = load_file(ours), load_file(made.output)
    assert {n: t.tobytes() for n, t in found.items()} == {
        n: t.tobytes() for n, t in expected.items()
    }


def test_from_ours_to_a_port_and_back(files, tmp_path):
    """What the checkpoint says of itself goes with it."""
    ours = convert(files.weights, tmp_path / "ours.safetensors").output
    made = rename(ours, tmp_path / "dena.safetensors", family="dena")
    said = Checkpoint.open(made.output).metadata
    assert (said.family, said.names, said.cfg) == ("dena", ["a", "b"], files.text)
    assert said.source_sha256 == Checkpoint.open(ours).metadata.source_sha256
    again = rename(made.output, tmp_path / "again.safetensors")
    assert again.output.read_bytes() == ours.read_bytes()
    assert revert(made.output, tmp_path / "back.weights").identical


def test_from_a_port_to_another_as_a_file_of_pytorchs(files, tmp_path):
    theirs = convert(files.weights, tmp_path / "x.pth", family="ultralytics").output
    made = rename(theirs, tmp_path / "y.pt", cfg=files.cfg, family="pytorchyolo").output
    wanted = convert(files.weights, tmp_path / "z.safetensors", family="pytorchyolo").output
    tensors = torch.load(made, weights_only=True)
    assert all(torch.equal(tensors[name], t) for name, t in load_tensors(wanted).items())


def test_a_part_of_a_network_stays_one(files, tmp_path):
    ours = convert(files.weights, tmp_path / "ours.safetensors").output
    plan = Checkpoint.open(ours).plan
    end = next(slot.offset for slot in plan.slots if slot.node.index == 75)
    part = tmp_path / "part.weights"
    part.write_bytes(files.weights.read_bytes()[:end])
    first = convert(part, tmp_path / "part.safetensors", cfg=files.cfg, partial=True).output
    made = rename(first, tmp_path / "dena.safetensors", family="dena")
    # layer 74 adds, and has no arrays
    assert (made.metadata.cutoff, made.metadata.family) == (74, "dena")


def test_a_refusal_names_the_checkpoint(files, tmp_path):
    """Not the .weights file on the way, which is gone by then."""
    theirs = convert(files.weights, tmp_path / "x.pth", family="mmdet").output
    tensors = torch.load(theirs, weights_only=True)
    next(iter(tensors.values()))[0] = float("nan")
    torch.save(tensors, theirs)
    with pytest.raises(WeightsError, match="NaN") as caught:
        rename(theirs, tmp_path / "y.safetensors", cfg=files.cfg, strict=True)
    assert caught.value.path == str(theirs)


def test_a_refusal_names_the_argument_of_what_is_read(files, tmp_path, capsys):
    """``family`` and --family are of what is written."""
    ours = convert(files.weights, tmp_path / "ours.safetensors").output
    out = tmp_path / "y.safetensors"
    with pytest.raises(UsageError) as caught:
        rename(ours, out, source_family="mmdet")
    assert caught.value.message == (
        "source_family='mmdet' contradicts the checkpoint, which is yolov3"
    )
    table = tmp_path / "table.json"
    tensors = Checkpoint.open(convert(files.weights, ours, family="generic", force=True).output)
    table.write_text(json.dumps({name: f"x.{name}" for name in tensors.names}))
    theirs = convert(files.weights, tmp_path / "theirs.safetensors", family=str(table)).output
    with pytest.raises(UsageError) as caught:
        rename(theirs, out)
    assert caught.value.remedy == "give it with source_family="
    assert main(["convert", str(theirs), "-o", str(out)]) == 2
    assert capsys.readouterr().err.endswith(" (give it with --family-table)\n")
    assert main(["convert", str(theirs), "-o", str(out), "--family-table", str(table)]) == 0
    assert revert(ours, tmp_path / "z.weights").identical  # what is said of others is as before
    with pytest.raises(UsageError, match=r"safetensors: family='mmdet' contradicts"):
        revert(ours, tmp_path / "z.weights", family="mmdet")


def test_it_does_not_write_over_what_it_reads(files, tmp_path):
    ours = convert(files.weights, tmp_path / "ours.safetensors").output
    before = ours.read_bytes()
    with pytest.raises(UsageError, match="is an input"):
        rename(ours, ours, family="dena", force=True)
    assert ours.read_bytes() == before


def test_a_dry_run_writes_nothing(files, tmp_path):
    ours = convert(files.weights, tmp_path / "ours.safetensors").output
    made = rename(ours, tmp_path / "x.pth", family="dena", dry_run=True)
    assert made.status == "dry run"
    assert made.plan.slots[0].tensor == "module_list.0.batch_norm.bias"
    assert not (tmp_path / "x.pth").exists()
