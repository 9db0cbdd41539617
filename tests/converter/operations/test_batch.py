"""Many files at once."""

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import distributed
import pytest

from converter import UsageError, convert_many

SCRIPT = Path(__file__).parents[3] / "scripts/convert.py"


@pytest.fixture
def folder(sample, tmp_path) -> Path:
    """Four copies of the sample that share a cfg, and one that is cut."""
    made = tmp_path / "weights"
    made.mkdir()
    shutil.copyfile(sample.cfg, made / "s.cfg")
    for i in range(4):
        shutil.copyfile(sample.weights, made / f"s_{i}.weights")
    (made / "s_9.weights").write_bytes(sample.weights.read_bytes()[:5000])
    return made


def convert(*arguments) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, SCRIPT, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_two_that_would_become_one_file(folder, tmp_path):
    other = tmp_path / "s_1.weights"
    shutil.copyfile(folder / "s_1.weights", other)
    with pytest.raises(UsageError, match="would be written to the same file"):
        convert_many([folder / "s_1.weights", other], tmp_path)


@pytest.mark.parametrize("kind", [str, Path])
def test_one_path_for_many(kind, tmp_path):
    with pytest.raises(UsageError, match=r"^shapes\.weights: is one source \(give a list\)$"):
        convert_many(kind("shapes.weights"), tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("name", [".", "..", "/", "weights", "weights/"])
def test_a_folder_among_the_files(folder, tmp_path, name, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError) as caught:
        convert_many([folder / "s_0.weights", name], tmp_path / "out")
    assert str(caught.value) == (
        f"{name}: is a directory (give the files in it: pathlib.Path({name!r}).glob('*.weights'))"
    )
    assert not (tmp_path / "out").exists()


def test_a_file_that_is_not_there(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (result,) = convert_many(["nothing.weights"], workers=1)
    assert (result.source, result.ok) == ("nothing.weights", False)
    assert result.facts["error"]["message"] == "no such file"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["x.safetensors", "x.pth", "x.weights", "x.onnx", "memory://x.pt"])
def test_a_files_name_for_the_folder(folder, tmp_path, name, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError) as caught:
        convert_many([folder / "s_0.weights", folder / "s_1.weights"], name)
    assert str(caught.value) == (
        f"{name}: is a file's name, and many are written into a folder"
        " (give a folder's name, or end it with /)"
    )
    assert not Path(name).exists()


def test_a_folder_with_a_files_name(folder, tmp_path):
    """One that is there, or that ends as only a folder's name does."""
    (tmp_path / "there.safetensors").mkdir()
    for name in ("there.safetensors", "new.safetensors/"):
        (result,) = convert_many([folder / "s_0.weights"], f"{tmp_path}/{name}", workers=1)
        assert result.ok
        assert os.listdir(tmp_path / name) == ["s_0.safetensors"]


def test_the_same_bytes_as_one_by_one(folder, tmp_path):
    assert convert(folder / "s_[0-3].weights", "-o", tmp_path / "out", "-j", 2).returncode == 0
    assert convert(folder / "s_0.weights", "-o", tmp_path / "alone.safetensors").returncode == 0
    alone = (tmp_path / "alone.safetensors").read_bytes()
    assert all(p.read_bytes() == alone for p in (tmp_path / "out").iterdir())


def test_interrupted(folder, tmp_path):
    """Ctrl-C reaches the whole process group; nothing half-written stays."""
    for i in range(60):
        shutil.copyfile(folder / "s_0.weights", folder / f"s_{100 + i}.weights")
    process = subprocess.Popen(
        [sys.executable, SCRIPT, folder, "-o", tmp_path / "out", "-j", "2"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip
    process.stdout.readline()
    time.sleep(0.05)
    os.killpg(process.pid, signal.SIGINT)
    _, errors = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "Traceback" not in errors
    assert not [name for name in os.listdir(tmp_path / "out") if name.startswith(".")]


def test_workers_end_with_their_parent(folder, tmp_path):
    """Whoever reads its output would otherwise wait for ever."""
    process = subprocess.Popen(
        [sys.executable, SCRIPT, folder, "-o", tmp_path / "out", "-j", "2"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    process.stdout.readline()
    process.kill()
    process.communicate(timeout=30)  # until the last process has closed the pipes


PLAIN = """
import sys
from converter import convert_many

print("begun")
for result in convert_many(sys.argv[1:], "out", workers=2):
    print(result.facts.get("status") or result.facts["error"]["message"])
"""


def plain_script(folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """A script without ``if __name__ == "__main__":`` that converts two files."""
    script = folder / "plain.py"
    script.write_text(PLAIN)
    return subprocess.run(
        [sys.executable, script, folder / "s_0.weights", folder / "s_1.weights"],
        cwd=folder, env={**os.environ, **environment}, capture_output=True, text=True, check=False,
    )  # fmt: skip


def test_a_package_that_a_process_lacks(folder, tmp_path):
    """Refused file by file, with what to install; it was ModuleNotFoundError."""
    hidden = tmp_path / "hidden"
    hidden.mkdir()
    (hidden / "safetensors.py").write_text("raise ModuleNotFoundError(name='safetensors')")
    path = os.pathsep.join([str(hidden), os.environ.get("PYTHONPATH", "")])
    done = plain_script(folder, PYTHONPATH=path)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "begun\n" + 2 * "the package safetensors is not installed\n"
    assert list((folder / "out").iterdir()) == []


def test_a_plain_script_runs_once(folder):
    done = plain_script(folder)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == ["begun", "converted", "converted"]


def test_processes_that_do_not_start_are_not_said_to_be_killed(folder):
    (folder / "sitecustomize.py").write_text(
        "import os, sys\nif '--multiprocessing-fork' in sys.orig_argv: os._exit(1)\n"
    )
    paths = os.pathsep.join(filter(None, [str(folder), os.environ.get("PYTHONPATH")]))
    done = plain_script(folder, PYTHONPATH=paths)
    assert done.stdout.splitlines() == [
        "begun", *["was given up: no process could be started for it"] * 2
    ]  # fmt: skip


def test_the_main_module_is_as_before(folder, tmp_path):
    before = sys.modules["__main__"].__spec__
    list(convert_many([folder / "s_0.weights"], tmp_path / "out", workers=1))
    assert sys.modules["__main__"].__spec__ is before


@pytest.fixture
def many(folder) -> list[Path]:
    """So many that a worker is at work whenever one looks."""
    for i in range(40):
        shutil.copyfile(folder / "s_0.weights", folder / f"s_{100 + i}.weights")
    return sorted(folder.glob("s_1??.weights"))


def stopped_at_work(out: Path, but: frozenset[int] = frozenset()) -> int:
    """A process that has an unfinished output in ``out`` open, stopped; none of ``but``."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        for link in Path("/proc").glob("[0-9]*/fd/*"):
            pid = int(link.parts[2])
            try:
                if pid == os.getpid() or pid in but or ".part/" not in os.readlink(link):
                    continue
                os.kill(pid, signal.SIGSTOP)
                if str(out) in os.readlink(link):
                    return pid
                os.kill(pid, signal.SIGCONT)
            except OSError:  # it has just ended, or closed the file
                continue
    raise AssertionError("no worker was seen at work")


def beside(work: Callable[[], list]) -> tuple[threading.Thread, list]:
    """``work`` in a thread, and what it will give."""
    found: list = []
    thread = threading.Thread(target=lambda: found.extend(work()), daemon=True)
    thread.start()
    return thread, found


def test_a_killed_process_loses_nothing(many, tmp_path):
    thread, results = beside(lambda: list(convert_many(many, tmp_path / "out", workers=2)))
    os.kill(stopped_at_work(tmp_path / "out"), signal.SIGKILL)
    thread.join(120)
    assert sorted(r.source for r in results) == [str(path) for path in many]
    assert all(r.ok for r in results)
    assert sorted(os.listdir(tmp_path / "out")) == [f"{p.stem}.safetensors" for p in many]
    assert len({p.read_bytes() for p in (tmp_path / "out").iterdir()}) == 1


def test_the_file_that_kills_its_process_again_is_given_up(many, tmp_path):
    thread, results = beside(lambda: list(convert_many(many, tmp_path / "out", workers=2)))
    first = stopped_at_work(tmp_path / "out")
    pool = frozenset(int(folder.name) for folder in Path("/proc").glob("[0-9]*"))
    os.kill(first, signal.SIGKILL)
    # The others of the first pool are still at work for a moment.
    os.kill(stopped_at_work(tmp_path / "out", but=pool), signal.SIGKILL)
    thread.join(120)
    (lost,) = (r for r in results if not r.ok)
    assert "its process was killed" in lost.facts["error"]["message"]
    assert len(results) == len(many)
    assert len(list((tmp_path / "out").glob("s_*.safetensors"))) == len(many) - 1


def test_threads_as_executor_keep_their_messages_apart(folder, tmp_path, caplog):
    caplog.set_level("INFO", "converter")
    sources = sorted(folder.glob("*.weights"))
    with ThreadPoolExecutor(4) as executor:
        results = list(convert_many(sources, tmp_path / "out", executor))
    refused = [Path(r.source).name for r in results if not r.ok]
    assert refused == ["s_9.weights"]
    assert len(list((tmp_path / "out").iterdir())) == 4
    for result in results:  # which found the cfg that all share beside its own file
        assert sum("s.cfg" in text for text in result.messages) == 1


def test_what_is_done_is_only_checked(folder, tmp_path):
    sources = sorted(folder.glob("s_[0-3].weights"))
    for status in ("converted", "up to date"):
        results = list(convert_many(sources, tmp_path / "out", workers=1))
        assert [r.facts["status"] for r in results] == [status] * 4


def test_an_executor_that_gives_a_job_up(folder, tmp_path):
    class Lost(ThreadPoolExecutor):
        def submit(self, function, *arguments):
            return super().submit(self.lose)

        def lose(self):
            raise ConnectionError("the machine is gone")

    with Lost(1) as executor:
        (result,) = convert_many([folder / "s_0.weights"], tmp_path / "out", executor)
    assert result.facts["error"]["message"] == (
        "was given up: ConnectionError: the machine is gone"
    )


@pytest.mark.slow
def test_on_a_cluster_of_dask(many, tmp_path):
    """Two worker processes, one of which is killed at work: its file is done by another."""
    out = tmp_path / "out"
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, dashboard_address=None
        ) as nodes,
        distributed.Client(nodes) as client,
    ):
        thread, results = beside(lambda: list(convert_many(many, out, client.get_executor())))
        os.kill(stopped_at_work(out), signal.SIGKILL)
        thread.join(120)
    assert sorted(r.source for r in results) == [str(path) for path in many]
    assert all(r.ok for r in results)
    assert sorted(os.listdir(out)) == [f"{path.stem}.safetensors" for path in many]
    assert len({path.read_bytes() for path in out.iterdir()}) == 1
