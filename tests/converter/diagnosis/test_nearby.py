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
    error = refusal(weights)
    assert error.message.endswith("and there is no cfg beside it")
    assert error.remedy == f"{shown} fits to the byte: {line}"
    assert main(shlex.split(line)[3:]) == 0
    assert "verified" in capsys.readouterr().out


def test_the_likest_name_comes_first_and_one_more_is_named(project, text):
    for name in ("a", "toy", "z"):
        Path(f"cfg/{name}.cfg").write_text(text)
    error = refusal("backup/toy_last.weights")
    assert error.remedy.startswith("cfg/toy.cfg fits to the byte: ")
    assert error.remedy.endswith(" --cfg cfg/toy.cfg; so does cfg/a.cfg")


def test_in_place_of_one_that_does_not_fit(project, text):
    Path("cfg/toy.cfg").write_text(text)
    error = refusal("backup/toy_last.weights", cfg="cfg/toy_last.cfg")
    assert "toy_last.cfg asks for" in error.message
    assert error.remedy.startswith("cfg/toy.cfg fits to the byte: ")


def test_the_one_that_was_given_is_not_proposed(make):
    """It fits as AlexeyAB's darknet reads it, and that was not asked for."""
    files = make("[net]\nwidth=2\nheight=2\nchannels=1\n[batchnorm]\n")
    files.weights.write_bytes(files.weights.read_bytes()[:20] + bytes(16))
    assert refusal(files.weights, dialect="pjreddie").remedy == "use --dialect alexeyab"


def test_bytes_have_to_fit(project, text):
    Path("cfg/toy.cfg").write_text(text)
    with open("backup/toy_last.weights", "ab") as file:
        file.write(bytes(4))
    assert refusal("backup/toy_last.weights").remedy == "give its cfg with --cfg"


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
