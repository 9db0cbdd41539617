"""URLs as sources and targets: fsspec's memory, and a local http server."""

import contextlib
import functools
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from http.server import BaseHTTPRequestHandler, SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import fsspec
import pytest

from converter import DarknetError, OutputError, UsageError, WeightsError, convert
from converter.cli.main import main
from converter.files import remote
from tests.converter.http_server import serving, silent, stall


@pytest.fixture
def memory(sample):
    files = fsspec.filesystem("memory")
    for path in (sample.weights, sample.cfg, sample.weights.with_suffix(".names")):
        files.pipe(f"/nets/{path.name}", path.read_bytes())
    yield files
    files.store.clear()


def test_memory_to_memory(sample, memory):
    result = convert("memory://nets/shapes.weights", "memory://out/shapes.safetensors")
    assert result.output == "memory://out/shapes.safetensors"
    assert result.metadata.names == ["circle", "square", "triangle"]
    local = convert(sample.weights)
    assert memory.cat("/out/shapes.safetensors") == sample.checkpoint.read_bytes()
    assert local.metadata == result.metadata


def test_a_source_is_fetched_once_for_the_cfg_of_another_engine_too(
    sample, memory, tmp_path, monkeypatch
):
    fetched: list[str] = []
    fetch = remote.local_source

    def counted(source, limit):
        fetched.append(str(source))
        return fetch(source, limit)

    monkeypatch.setattr(remote, "local_source", counted)
    url, out = "memory://nets/shapes.weights", tmp_path / "x.safetensors"
    command = ["convert", url, "-o", out, "--cfg-out", tmp_path / "x.cfg", "--for", "alexeyab"]
    assert main([str(argument) for argument in command]) == 0
    assert fetched == [url]
    assert (tmp_path / "x.cfg").read_text().count("max=90") == 3  # its default is 200


def test_another_file_is_not_replaced(memory):
    memory.pipe("/out/x.safetensors", b"precious")
    with pytest.raises(OutputError, match="exists already"):
        convert("memory://nets/shapes.weights", "memory://out/x.safetensors")
    assert memory.cat("/out/x.safetensors") == b"precious"
    convert("memory://nets/shapes.weights", "memory://out/x.safetensors", force=True)
    assert memory.size("/out/x.safetensors") > 997_548


def test_dry_run_writes_nothing(memory):
    convert("memory://nets/shapes.weights", "memory://out/x.safetensors", dry_run=True)
    assert not memory.exists("/out/x.safetensors")


def test_no_such_file(memory):
    with pytest.raises(WeightsError, match="no such file"):
        convert("memory://nets/none.weights", "memory://out/x.safetensors")


def test_http(sample, tmp_path, monkeypatch):
    handler = functools.partial(SimpleHTTPRequestHandler, directory=str(tmp_path))
    monkeypatch.setattr(SimpleHTTPRequestHandler, "log_message", lambda *_: None)
    out = tmp_path / "out"
    out.mkdir()
    monkeypatch.chdir(out)
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            result = convert(f"http://127.0.0.1:{server.server_port}/shapes.weights")
        finally:
            server.shutdown()
    assert str(result.output) == "shapes.safetensors"
    convert(sample.weights)
    assert (out / "shapes.safetensors").read_bytes() == sample.checkpoint.read_bytes()


@pytest.mark.parametrize(
    ("url", "name"),
    [("http://h/a/b.weights?x=1#y", "b.weights"), ("s3://bucket/b.weights", "b.weights")],
)
def test_names(url, name):
    assert remote.is_url(url)
    assert remote.name_of(url) == name


def test_a_folder_that_is_a_url(memory):
    assert main(["convert", "memory://nets/shapes.weights", "-o", "memory://out/"]) == 0
    assert memory.ls("/out", detail=False) == ["/out/shapes.safetensors"]


@pytest.mark.parametrize(
    ("folder", "path"),
    [
        ("s3://bucket/out/", "s3://bucket/out/a.b"),
        ("s3://bucket", "s3://bucket/a.b"),
        (Path("out"), str(Path("out", "a.b"))),
        (".", "a.b"),
    ],
)
def test_a_file_in_a_folder(folder, path):
    assert remote.in_folder(folder, "a.b") == path


@pytest.mark.parametrize("path", ["a/b", "C:\\x", "/x://y"])
def test_what_is_no_url(path):
    assert not remote.is_url(path)


@pytest.mark.parametrize("url", ["http://", "memory://a/..", "nonsense://a/b.weights"])
def test_bad_urls(url):
    with pytest.raises(UsageError):
        convert(url, "x.safetensors")


@pytest.fixture
def temporary(tmp_path, monkeypatch):
    """The folder for temporary files, empty at first."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


@contextlib.contextmanager
def answering(*parts, length=None, pause=0.0):
    """A server that sends ``parts``, the last one for ever; the URL of any file on it."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            if length is not None:
                self.send_header("Content-Length", str(length))
            self.end_headers()
            with contextlib.suppress(OSError):
                for part in parts:
                    self.wfile.write(part)
                while True:
                    time.sleep(pause)
                    self.wfile.write(parts[-1])

        do_HEAD = do_GET  # noqa: N815 - its name

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()


class TestRemedies:
    """No remedy names the local copy, which is gone when one reads it."""

    def test_of_a_file_that_ends_inside_a_layer(self, sample, memory, temporary):
        memory.pipe("/nets/shapes.weights", sample.weights.read_bytes()[:500_001])
        with pytest.raises(WeightsError) as caught:
            convert("memory://nets/shapes.weights", "memory://out/x.safetensors", partial=True)
        assert caught.value.message.startswith("ends inside ")
        assert caught.value.remedy == (
            "download or copy it again, or use the cfg it was trained with"
        )

    def test_of_nothing_but_zeros(self, memory, temporary):
        memory.pipe("/nets/yolov3-tiny.weights", bytes(35_434_956))
        with pytest.raises(WeightsError) as caught:
            convert("memory://nets/yolov3-tiny.weights", "memory://out/x.safetensors")
        assert caught.value.message.startswith("holds nothing but zeros")
        assert caught.value.remedy == "download or copy it again"

    def test_of_a_cfg_that_fits(self, sample, memory, temporary):
        """It came with the weights, and another one was given."""
        other = sample.weights.with_name("other.cfg")
        text = sample.cfg.read_text()
        other.write_text(text.replace("channels=3", "channels=1"))
        assert other.read_text() != text
        with pytest.raises(WeightsError) as caught:
            convert("memory://nets/shapes.weights", "memory://out/x.safetensors", cfg=other)
        assert str(temporary) not in str(caught.value)


class TestBounds:
    def test_a_body_that_never_ends(self, tmp_path, temporary):
        with answering(b"x" * 65536) as url, pytest.raises(WeightsError) as caught:
            convert(f"{url}/net.weights", tmp_path / "x.safetensors", max_download=1 << 20)
        assert str(caught.value) == (
            f"{url}/net.weights: net.weights: sends and sends, more than 1,048,576 bytes"
            " (see max_download=, or download it by other means)"
        )
        assert not list(temporary.iterdir())

    def test_a_cfg_that_never_ends(self, memory, temporary, monkeypatch):
        memory.pipe("/nets/shapes.cfg", b"#" * ((4 << 20) + 1))
        with pytest.raises(WeightsError, match=r"shapes.cfg: .* more than 4,194,304 bytes"):
            convert("memory://nets/shapes.weights", "memory://out/x.safetensors")
        assert not list(temporary.iterdir())

    def test_names_that_never_end(self, memory, temporary):
        memory.pipe("/nets/shapes.names", b"x" * ((1 << 20) + 1))
        with pytest.raises(WeightsError, match=r"shapes.names: .* more than 1,048,576 bytes"):
            convert("memory://nets/shapes.weights", "memory://out/x.safetensors")

    def test_a_length_that_no_disk_has(self, temporary):
        with answering(b"x", length=1 << 60, pause=1) as url, pytest.raises(OutputError) as caught:
            convert(f"{url}/net.weights", "x.safetensors")
        assert "needs 1,152,921,504,606,846,976 bytes" in str(caught.value)

    @pytest.mark.parametrize("quiet", [silent, stall(b"x" * 3000, 500)])
    def test_a_silent_server(self, temporary, monkeypatch, quiet):
        """It is left before it hangs up itself, which is another error."""
        monkeypatch.setattr(remote, "SILENCE", 0.5)
        with (
            serving(quiet) as server,
            pytest.raises(WeightsError, match="cannot be read: FSTimeoutError"),
        ):
            convert(server.url, "x.safetensors")


def test_what_a_killed_run_left_is_removed(sample, memory, temporary):
    program = (
        "import sys, tempfile, time; from converter.files import remote\n"
        "tempfile.tempdir = sys.argv[1]\n"
        "with remote._temporary_folder() as folder:\n"
        "    (folder / 'net.weights').write_bytes(b'half'); print('ready', flush=True)\n"
        "    time.sleep(60)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program, str(temporary)],
        cwd=Path(__file__).parents[3], stdout=subprocess.PIPE,
    ) as process:  # fmt: skip
        process.stdout.readline()
        convert("memory://nets/shapes.weights", "memory://out/x.safetensors")
        assert len(os.listdir(temporary)) == 1  # of a run that is alive
        process.send_signal(signal.SIGKILL)
    convert("memory://nets/shapes.weights", "memory://out/x.safetensors", force=True)
    assert not os.listdir(temporary)


@pytest.mark.parametrize(
    "url",
    [
        "tar://net.weights::file://{folder}/broken.tar",
        "zip://net.weights::file://{folder}/broken.tar",
        "reference://net.weights",
        "jlab://host/net.weights",
        "dir://net.weights",
        "github://owner:repo@/net.weights",
        "ftp://127.0.0.1:1/net.weights",
        "http://127.0.0.1:1/net.weights",
        "sftp://127.0.0.1:1/net.weights",
        "hdfs://127.0.0.1:1/net.weights",
        "smb://127.0.0.1:1/net.weights",
    ],
)
def test_filesystems_that_fail_are_one_line_with_the_url(tmp_path, url, monkeypatch):
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:1")  # nobody is asked
    (tmp_path / "broken.tar").write_bytes(b"no archive")
    url = url.format(folder=tmp_path)
    for arguments in ((url, "x.safetensors"), (tmp_path / "x.weights", url)):
        (tmp_path / "x.weights").write_bytes(b"\0" * 20)
        with pytest.raises(DarknetError) as caught:
            convert(*arguments)
        assert "\n" not in str(caught.value)
        assert "standard output" not in str(caught.value)
        assert url in str(caught.value)
