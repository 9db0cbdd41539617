"""A lock that nobody has to take away."""

import subprocess
import sys

import pytest

from converter.files.lock import try_lock


@pytest.fixture
def path(tmp_path):
    (tmp_path / "lock").write_bytes(b"")
    return tmp_path / "lock"


def test_one_opening_at_a_time_has_it(path):
    with open(path, "rb") as second:
        with open(path, "rb") as first:
            assert try_lock(first.fileno())
            assert not try_lock(second.fileno())
        assert try_lock(second.fileno())  # closed, and so let go


def test_a_killed_process_lets_go_of_it(path):
    script = (
        "import sys\nfrom converter.files.lock import try_lock\n"
        "file = open(sys.argv[1], 'rb')\nprint(try_lock(file.fileno()), flush=True)\n"
        "sys.stdin.read()\n"
    )
    with (
        open(path, "rb") as file,
        subprocess.Popen(
            [sys.executable, "-c", script, str(path)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        ) as other,
    ):  # fmt: skip
        assert other.stdout.readline() == "True\n"
        assert not try_lock(file.fileno())
        other.kill()
        other.wait()
        assert try_lock(file.fileno())
