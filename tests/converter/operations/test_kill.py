"""A conversion killed at any moment: the target is the old file or the new one, and whole."""

import hashlib
import os
import signal
import subprocess
import sys
import time
import zlib
from pathlib import Path

import nets
import pytest
import reference

from converter import convert

ROOT = Path(__file__).parents[3]

# Converts ``source`` over and over, each time in a fork that is killed after a while that differs
# from time to time; prints a line for each. In a process of its own, which has one thread.
FORKS = """
import os, random, signal, sys, time, zlib
sys.path.insert(0, sys.argv[1])
import numpy, converter.operations.conversion  # so that a fork spends its time on converting
from converter import convert
folder, rounds, longest = sys.argv[2], int(sys.argv[3]), float(sys.argv[4])
random.seed(0)
for i in range(rounds):
    source = os.path.join(folder, "one.weights" if i % 2 else "two.weights")
    pid = os.fork()
    if not pid:
        convert(source, os.path.join(folder, "out.safetensors"), force=True)
        os._exit(0)
    time.sleep(random.uniform(0, longest))
    os.kill(pid, signal.SIGKILL)
    _, status = os.waitpid(pid, 0)
    ended = "killed" if os.WIFSIGNALED(status) else "finished"
    with open(os.path.join(folder, "out.safetensors"), "rb") as file:
        print(ended, zlib.crc32(file.read()), sorted(os.listdir(folder)), flush=True)
"""


@pytest.fixture
def pair(tmp_path):
    """Two files of one network, and the checkpoints that they become."""
    text = nets.yolov3(4, 3, size=96)
    whole = {}
    for seed, name in enumerate(("one", "two")):
        (tmp_path / f"{name}.cfg").write_text(text)
        weights = tmp_path / f"{name}.weights"
        weights.write_bytes(reference.random_weights(text, seed=seed))
        checkpoint = convert(weights).output
        whole[name] = checkpoint.read_bytes()
        os.unlink(checkpoint)
    return whole


def seconds(source: Path, target: Path) -> float:
    start = time.monotonic()
    convert(source, target, force=True)
    return time.monotonic() - start


def test_killed_at_random_moments(tmp_path, pair):
    out = tmp_path / "out.safetensors"
    out.write_bytes(pair["one"])
    once = min(seconds(tmp_path / f"{name}.weights", out) for name in ("two", "one", "two"))
    command = [sys.executable, "-c", FORKS, ROOT, tmp_path, "200", f"{1.5 * once}"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    lines = done.stdout.splitlines()
    assert len(lines) == 200
    wholes = {str(zlib.crc32(data)) for data in pair.values()}
    damaged = [line for line in lines if line.split()[1] not in wholes]
    assert damaged == []
    ends = [line.split()[0] for line in lines]
    # The kills hit conversions at work, or nothing was tested.
    assert ends.count("killed") > 50
    assert any(".part" in line for line in lines)
    allowed = {"one.cfg", "one.weights", "two.cfg", "two.weights", "out.safetensors"}
    convert(tmp_path / "one.weights", out, force=True)
    assert set(os.listdir(tmp_path)) == allowed


@pytest.mark.parametrize("delay", [0.0, 0.05, 0.1, 0.2, 0.3])
def test_a_whole_process(tmp_path, pair, delay):
    out = tmp_path / "out.safetensors"
    script = [sys.executable, ROOT / "scripts" / "convert.py", tmp_path / "one.weights", "-o", out]
    process = subprocess.Popen(script, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    time.sleep(delay)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not out.exists() or out.read_bytes() == pair["one"]
    assert subprocess.run(script, capture_output=True, check=False).returncode == 0
    assert hashlib.sha256(out.read_bytes()).digest() == hashlib.sha256(pair["one"]).digest()
    assert set(os.listdir(tmp_path)) == {
        "one.cfg", "one.weights", "two.cfg", "two.weights", "out.safetensors",
    }  # fmt: skip
