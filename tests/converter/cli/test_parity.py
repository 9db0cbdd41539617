"""scripts/parity.py, with real darknet."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from one_feature import conv, network, section

from tests.converter.cli.processes import SCRIPTS, script

pytestmark = pytest.mark.engine

YOLOV3 = Path("/usr/share/darknet/cfg/yolov3.cfg")


@pytest.fixture
def cfgs(tmp_path) -> Path:
    """Two that run, one that nobody reads, and one that each side refuses alone."""
    folder = tmp_path / "cfgs"
    folder.mkdir()
    for name, text in {
        "bn": network(conv(batch_normalize=1)),
        "pool": network(conv(), section("maxpool", size=2)),
        "broken": "[convolutional]\n",
        "dies": network(section("batchnorm")),
        "silu": network(conv(activation="silu")),
    }.items():
        (folder / f"{name}.cfg").write_text(text)
    return folder


RESULTS = {
    "bn": "exact",
    "broken": "refused by both",
    "dies": "refused by the engine",
    "pool": "exact",
    "silu": "refused here",
}


def test_a_folder(cfgs, tmp_path):
    state, table = tmp_path / "state.jsonl", tmp_path / "table.md"
    done = script("parity", cfgs, "-j", 2, "-o", state, "--markdown", table)
    assert (done.returncode, done.stderr) == (1, "")
    *lines, summary = done.stdout.splitlines()
    assert len(lines) == 5
    for name, result in RESULTS.items():
        start = rf"{name}\.cfg: pjreddie's darknet: {result};"
        assert any(re.match(start, line) for line in lines), name
    assert "darknet died of SIGSEGV" in next(line for line in lines if line.startswith("dies"))
    assert summary == "5 of 5: 2 exact, 1 refused by both, 1 refused by the engine, 1 refused here"
    rows = [line.split(" | ") for line in table.read_text().splitlines()[2:]]
    assert [(row[0].removeprefix("| "), row[2]) for row in rows] == list(RESULTS.items())
    assert len(state.read_text().splitlines()) == 5

    # again, from what it has: no engine is asked for that
    again = script("parity", cfgs, "-o", state, "--timeout", 1, "--json")
    assert (again.returncode, again.stderr) == (1, "")
    answer = json.loads(again.stdout)
    assert (answer["schema"], answer["cases"], answer["results"]["exact"]) == (1, 5, 2)
    assert {v["cfg"].removesuffix(".cfg"): v["result"] for v in answer["verdicts"]} == RESULTS


def test_what_agrees_is_exit_code_0(cfgs):
    done = script("parity", cfgs / "bn.cfg", cfgs / "broken.cfg", "--engine", "libdarknet.so.none")
    assert done.returncode == 1
    assert done.stderr.startswith("error: libdarknet.so.none: cannot be loaded")
    done = script("parity", cfgs / "bn.cfg", cfgs / "broken.cfg")
    assert done.returncode == 0
    assert done.stdout.splitlines()[-1] == "2 of 2: 1 exact, 1 refused by both"


def test_no_input_is_overwritten(cfgs):
    before = (cfgs / "bn.cfg").read_bytes()
    done = script("parity", cfgs, "--markdown", cfgs / "bn.cfg")
    assert (done.returncode, (cfgs / "bn.cfg").read_bytes()) == (2, before)
    assert "is an input" in done.stderr
    done = script("parity", cfgs, "-o", cfgs / "bn.cfg")
    assert (done.returncode, (cfgs / "bn.cfg").read_bytes()) == (2, before)


@pytest.fixture
def running(cfgs, tmp_path):
    """A run that has a result, and whose engine has begun to work; it is in a group of its own."""
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    process = subprocess.Popen(
        # yolov3 takes darknet a minute at its full size
        [sys.executable, SCRIPTS / "parity.py", cfgs / "bn.cfg", YOLOV3, "--full", "-j", "1",
         "--markdown", tmp_path / "table.md", "-o", tmp_path / "state.jsonl"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
        env={**os.environ, "TMPDIR": str(temporary)},
    )  # fmt: skip
    assert "bn.cfg: pjreddie's darknet: exact" in process.stdout.readline()
    assert within(60, lambda: engines(temporary)), "darknet did not start"
    time.sleep(0.5)
    yield process
    process.kill()
    process.communicate()


def test_interrupted(running, tmp_path):
    """Ctrl-C: it shows what it has, ends the engine and leaves nothing behind."""
    os.killpg(running.pid, signal.SIGINT)
    out, errors = running.communicate(timeout=30)
    assert (running.returncode, errors) == (130, "interrupted\n")
    assert out == "1 of 2: 1 exact\n"
    assert len((tmp_path / "table.md").read_text().splitlines()) == 3
    assert len((tmp_path / "state.jsonl").read_text().splitlines()) == 1
    assert not engines(tmp_path)
    assert not list((tmp_path / "tmp").iterdir())


def test_killed(running, tmp_path):
    """The engine ends, too."""
    running.kill()
    running.wait()
    assert within(10, lambda: not engines(tmp_path))


def within(seconds: float, condition: Callable[[], object]) -> bool:
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.1)
    return True


def engines(folder: Path) -> list[str]:
    """Processes of engines that read files in ``folder``."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            command = path.read_bytes()
        except OSError:
            continue  # it has ended
        if b"engine_process.py" in command and os.fsencode(folder) in command:
            found.append(str(path))
    return found
