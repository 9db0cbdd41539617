"""The process in which libdarknet.so runs, without one: any library will do."""

import ctypes.util
import subprocess
import sys

import pytest

from converter.darknet.dialects import DIALECTS
from yolov3.parity import engine_process
from yolov3.parity.engine_process import DONE, sections

SCRIPT = engine_process.__file__
LIBRARY = ctypes.util.find_library("m")


def run(*arguments) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, SCRIPT, *arguments], capture_output=True, text=True, check=False
    )


def test_the_text_of_each_layer():
    text = "# a net\n[net]\nwidth=8\n\n [convolutional]\nfilters=4\n# more\n[cost]\n"
    assert sections(text) == [" [convolutional]\nfilters=4\n# more\n", "[cost]\n"]


@pytest.mark.parametrize("text", ["", "# nothing\n", "[net]\nwidth=8\n"])
def test_a_cfg_without_layers(text):
    assert sections(text) == []


def test_the_functions_that_a_library_has():
    done = run(LIBRARY, "--functions", "cos", "network_outputs", "sqrt")
    assert (done.returncode, done.stdout, done.stderr) == (DONE, "cos sqrt\n", "")


def test_what_is_no_library_does_not_end_as_if_it_were(tmp_path):
    done = run(str(tmp_path / "none.so"), "--functions", "cos")
    assert done.returncode not in (0, DONE)
    assert "none.so" in done.stderr


def test_it_imports_nothing_of_this_project():
    """It starts in any folder, and quickly."""
    code = f"import runpy, sys; runpy.run_path({SCRIPT!r}); print(*sorted(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    roots = {name.partition(".")[0] for name in done.stdout.split()}
    assert "numpy" in roots
    assert not roots & {"converter", "yolov3", "torch"}


@pytest.mark.parametrize("dialect", DIALECTS)
def test_it_knows_the_library_of_each_engine(dialect):
    """By the function that no other engine's has."""
    known = (engine_process._PJREDDIE, engine_process._ALEXEYAB, engine_process._HANK_AI)
    wanted = DIALECTS[dialect].library_function
    assert [api["outputs"] for api in known].count(wanted) == 1
