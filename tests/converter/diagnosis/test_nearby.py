"""Cfgs where Darknet's users keep them."""

import os
import shlex
from pathlib import Path

import pytest

from converter import WeightsError, convert
from converter.cli.main import main
from converter.diagnosis import nearby
from converter.files.source import opened


@pytest.fixture
def text(toy):
    """The right cfg."""
    return toy.text


@pytest.fixture
def project(toy, text, tmp_path, monkeypatch):
    """As darknet leaves it: backup/toy_last.weights, and the cfg where a test puts it."""
    monkeypatch.chdir(tmp_path)
    Path("backup").mkdir()
    Path("cfg").mkdir()
    toy.weights.rename("backup/toy_last.weights")
    toy.cfg.unlink()
    # Of another size, no cfg at all, and no file: none of them is of any use.
    Path("cfg/toy_last.cfg").write_text(text.replace("filters=", "filters=1", 1))
    Path("cfg/broken.cfg").write_text("filters=1")
    Path("cfg/folder.cfg").mkdir()
    return tmp_path


def refusal(path, **options):
    with pytest.raises(WeightsError) as caught:
        convert(path, **options)
    return caught.value


@pytest.mark.parametrize(
    ("here", "cfg", "shown"),
    [
        (".", "cfg/toy.cfg", "cfg/toy.cfg"),
        (".", "toy.cfg", "toy.cfg"),
        (".", "backup/other.cfg", "backup/other.cfg"),
        (".", "backup/cfg/toy.cfg", "backup/cfg/toy.cfg"),
        ("backup", "cfg/toy.cfg", "../cfg/toy.cfg"),
    ],
)
def test_the_line_to_paste(project, text, monkeypatch, capsys, here, cfg, shown):
    Path(cfg).parent.mkdir(exist_ok=True)
    Path(cfg).write_text(text)
    monkeypatch.chdir(here)
    weights = os.path.relpath(project / "backup/toy_last.weights")
    line = f"python -m converter convert {weights} --cfg {shown}"
    assert main(["convert", weights]) == 1
    refused = capsys.readouterr().err
    assert "and no cfg of its name is beside it" in refused
    assert refused.endswith(f" ({shown} fits to the byte: {line})\n")
    assert main(shlex.split(line)[3:]) == 0
    assert "verified" in capsys.readouterr().out


def test_in_python_the_argument(project, text):
    Path("cfg/toy.cfg").write_text(text)
    error = refusal("backup/toy_last.weights")
    assert error.remedy == "cfg/toy.cfg fits to the byte: cfg='cfg/toy.cfg'"
    assert convert("backup/toy_last.weights", cfg="cfg/toy.cfg").verified


@pytest.mark.parametrize("given", ["", "--cfg cfg/toy_last.cfg", "--cfg=cfg/toy_last.cfg"])
@pytest.mark.parametrize("command", ["report -o x.json", "export -o x.onnx", "evaluate", "detect"])
def test_the_line_to_paste_is_that_of_the_command(project, text, capsys, command, given):
    Path("cfg/toy.cfg").write_text(text)
    command, *more = command.split()
    inputs = {"evaluate": ["val"], "detect": ["a photo.png", "b.png"]}.get(command, [])
    call = [command, "backup/toy_last.weights", *inputs, *more]
    assert main([*call, *given.split()]) == 1
    line = capsys.readouterr().err.rpartition("cfg/toy.cfg fits to the byte: ")[2]
    assert line == f"python -m converter {shlex.join(call)} --cfg cfg/toy.cfg)\n"
    if command in ("report", "export"):  # the others need pictures, and boxes in them
        assert main(shlex.split(line.rstrip(")\n"))[3:]) == 0


def test_info_proposes_its_own_line(project, text, capsys):
    Path("cfg/toy.cfg").write_text(text)
    assert main(["info", "backup/toy_last.weights"]) == 0
    line = capsys.readouterr().out.rpartition(" fits to the byte: ")[2].rstrip(")\n")
    assert line == "python -m converter info backup/toy_last.weights --cfg cfg/toy.cfg"
    assert main(shlex.split(line)[3:]) == 0
    assert "problem: " not in capsys.readouterr().out


def test_a_long_call_has_its_option_alone(project, text, capsys):
    Path("cfg/my toy.cfg").write_text(text)
    assert main(["detect", "backup/toy_last.weights", *(f"{n}.png" for n in range(100))]) == 1
    err = capsys.readouterr().err
    assert err.endswith(" fits to the byte: add --cfg 'cfg/my toy.cfg')\n")


def test_what_follows_two_dashes_stays_there(project, text, capsys):
    Path("cfg/toy.cfg").write_text(text)
    assert main(["detect", "backup/toy_last.weights", "--", "-1.png"]) == 1
    assert capsys.readouterr().err.endswith(" --cfg cfg/toy.cfg -- -1.png)\n")


def test_the_likest_name_comes_first_and_one_more_is_named(project, text):
    for name in ("a", "toy", "z"):
        Path(f"cfg/{name}.cfg").write_text(text)
    error = refusal("backup/toy_last.weights")
    assert error.remedy.startswith("cfg/toy.cfg fits to the byte: ")
    assert error.remedy.endswith(" cfg='cfg/toy.cfg'; so does cfg/a.cfg")


def test_one_beside_it_comes_before_likelier_names_elsewhere(project, text):
    for name in ("cfg/toy", "toy", "backup/other"):
        Path(f"{name}.cfg").write_text(text)
    error = refusal("backup/toy_last.weights")
    assert error.remedy.startswith("backup/other.cfg fits to the byte: ")
    assert error.remedy.endswith("; so does cfg/toy.cfg")


def test_in_place_of_one_that_does_not_fit(project, text):
    Path("cfg/toy.cfg").write_text(text)
    error = refusal("backup/toy_last.weights", cfg="cfg/toy_last.cfg")
    assert "toy_last.cfg asks for" in error.message
    assert error.remedy.startswith("cfg/toy.cfg fits to the byte: ")


def test_the_one_that_was_given_is_not_proposed(make):
    """It fits as AlexeyAB's darknet reads it, and that was not asked for."""
    files = make("[net]\nwidth=2\nheight=2\nchannels=1\n[batchnorm]\n")
    files.weights.write_bytes(files.weights.read_bytes()[:20] + bytes(16))
    assert refusal(files.weights, dialect="pjreddie").remedy == "use dialect='alexeyab'"


def test_bytes_have_to_fit(project, text):
    Path("cfg/toy.cfg").write_text(text)
    with open("backup/toy_last.weights", "ab") as file:
        file.write(bytes(4))
    assert refusal("backup/toy_last.weights").remedy == "give its cfg with cfg="


def test_the_search_has_an_end(project, text, monkeypatch):
    for index in range(5):
        Path(f"cfg/{index}.cfg").write_text(text)
    with opened(Path("backup/toy_last.weights")) as source:
        assert len(nearby.fitting(source)) == 2
        monkeypatch.setattr(nearby, "MOST", 1)  # cfg/toy_last.cfg, which does not fit
        assert nearby.fitting(source) == []
        monkeypatch.setattr(nearby, "MOST", 8)
        monkeypatch.setattr(nearby, "MOST_BYTES", 10)
        assert nearby.fitting(source) == []
