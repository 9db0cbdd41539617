"""The version, and who says it."""

import tomllib
from pathlib import Path

from packaging.version import Version
from safetensors import safe_open

from converter import convert
from converter.version import TOOL, VERSION

PROJECT = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())


def test_it_is_one_that_pip_can_compare():
    assert str(Version(VERSION)) == VERSION


def test_the_package_is_built_with_it():
    built_from = Path(__file__).parents[2] / PROJECT["tool"]["hatch"]["version"]["path"]
    assert f'\nVERSION = "{VERSION}"\n' in built_from.read_text()


def test_a_checkpoint_says_who_wrote_it(toy):
    name = PROJECT["project"]["name"]
    assert f"{name} {VERSION}" == TOOL
    with safe_open(convert(toy.weights).output, "numpy") as file:
        assert file.metadata()["tool"] == TOOL
