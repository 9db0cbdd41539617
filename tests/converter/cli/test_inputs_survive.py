"""No command replaces one of its inputs, by whatever name an output is called."""

import os
import shutil
import sys
from pathlib import Path

import pytest

from converter import convert
from converter.cli.main import run_script

SHAPES = Path(__file__).parents[2] / "data/shapes"


def same(path, _):
    return path


def through_a_folder(path, _):
    return path.parent / "other" / ".." / path.name


def hard_link(path, other):
    os.link(path, other)
    return other


def symlink(path, other):
    other.symlink_to(path)
    return other


def symlink_to_a_symlink(path, other):
    middle = other.with_name("middle" + other.suffix)
    middle.symlink_to(path)
    other.symlink_to(middle.name)
    return other


def descriptor(path, other):
    """An open file, as a shell names it; behind a symlink that ends as the command expects."""
    with open(path, "rb") as file:
        number = os.dup(file.fileno())
    other.symlink_to(f"/proc/self/fd/{number}")
    return other


WAYS = (same, through_a_folder, hard_link, symlink, symlink_to_a_symlink, descriptor)

# command, arguments before the output, option of the output, inputs that it must not be.
WEIGHTS, CFG, NAMES, CHECKPOINT = "net.weights", "net.cfg", "net.names", "net.safetensors"
PICTURE = "0003.png"
BOTH = (WEIGHTS, CHECKPOINT)
CASES = [
    ("convert", (WEIGHTS, "--cfg", CFG, "--names", NAMES), "-o", (WEIGHTS, CFG, NAMES)),
    ("convert", (WEIGHTS,), "-o", (CFG, NAMES)),  # found beside the weights
    ("convert", (WEIGHTS, "--cfg", CFG, "--names", NAMES, "-o", "new.safetensors"), "--report",
     (WEIGHTS, CFG, NAMES)),
    ("convert", (CHECKPOINT, "--cfg", CFG), "-o", (CHECKPOINT, CFG)),
    ("convert", (CHECKPOINT, "--cfg", CFG, "-o", "new.weights"), "--cfg-out", (CHECKPOINT, CFG)),
    ("verify", (*BOTH, "--cfg", CFG, "--names", NAMES), "--report", (*BOTH, CFG, NAMES)),
    ("report", (CHECKPOINT, "--cfg", CFG), "-o", (CHECKPOINT, CFG)),
    ("report", (WEIGHTS, "--cfg", CFG), "-o", (WEIGHTS, CFG)),
    ("export", (CHECKPOINT,), "-o", (CHECKPOINT,)),
]  # fmt: skip


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The sample as one user has it, all files in the working directory."""
    for suffix in (".weights", ".cfg", ".names"):
        shutil.copyfile(SHAPES / f"shapes{suffix}", tmp_path / f"net{suffix}")
    shutil.copyfile(SHAPES / "images" / PICTURE, tmp_path / PICTURE)
    convert(tmp_path / WEIGHTS)
    (tmp_path / "other").mkdir()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def contents(folder):
    return {p: p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def refused(command, *arguments, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", [f"{command}.py", *map(str, arguments), "--force", "-q"])
    code = run_script(command)
    error = capsys.readouterr().err
    assert error.startswith("error: "), error
    assert error.count("\n") == 1
    return code


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
@pytest.mark.parametrize(
    ("command", "arguments", "option", "wanted"),
    [(c, a, o, wanted) for c, a, o, inputs in CASES for wanted in inputs],
    ids=[
        f"{c} {o} {wanted}{'' if '--cfg' in a else ' beside'}"
        for c, a, o, inputs in CASES
        for wanted in inputs
    ],
)
def test_an_output_that_is_an_input(
    folder, monkeypatch, capsys, command, arguments, option, wanted, way
):
    # What an output is called decides its format, and is looked at first.
    page = command == "report" or option == "--report"
    suffix = ".html" if page else Path(wanted).suffix
    if (command, option) == ("convert", "-o"):
        suffix = ".safetensors" if WEIGHTS in arguments else ".weights"
    output = way(folder / wanted, folder / f"renamed{suffix}")
    before = contents(folder)
    assert refused(command, *arguments, option, output, monkeypatch=monkeypatch, capsys=capsys) == 2
    assert contents(folder) == before


@pytest.mark.parametrize("wanted", [WEIGHTS, CFG, NAMES])
def test_an_output_that_is_an_input_as_a_url(folder, monkeypatch, capsys, wanted):
    output = f"file://{folder}/{wanted}"
    before = contents(folder)
    arguments = ("convert", WEIGHTS, "-o", output)
    assert refused(*arguments, monkeypatch=monkeypatch, capsys=capsys) == 2
    assert contents(folder) == before


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
@pytest.mark.parametrize("wanted", [PICTURE, NAMES, CHECKPOINT])
def test_a_drawn_copy_or_labels_that_are_an_input(folder, monkeypatch, capsys, wanted, way):
    """Labels are called as the picture is: 0003.txt in the folder for copies."""
    copies = folder / "copies"
    copies.mkdir()
    target = copies / (PICTURE if wanted == PICTURE else "0003.txt")
    source = folder / wanted
    if way in (same, through_a_folder):
        source = source.rename(target)
    else:
        way(source, target)
    given = {PICTURE: PICTURE, NAMES: NAMES, CHECKPOINT: CHECKPOINT, wanted: str(source)}
    before = contents(folder)
    code = refused(
        "detect", given[CHECKPOINT], given[PICTURE], "-o", copies, "--save-txt",
        "--names", given[NAMES], monkeypatch=monkeypatch, capsys=capsys,
    )  # fmt: skip
    assert code == 2
    assert contents(folder) == before
