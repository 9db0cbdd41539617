"""URLs as sources and targets: fsspec's memory, and a local http server."""

import functools
import threading
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import fsspec
import pytest

from converter import OutputError, UsageError, WeightsError, convert
from converter.files import remote


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


@pytest.mark.parametrize("path", ["a/b", "C:\\x", "/x://y"])
def test_what_is_no_url(path):
    assert not remote.is_url(path)


@pytest.mark.parametrize("url", ["http://", "memory://a/..", "nonsense://a/b.weights"])
def test_bad_urls(url):
    with pytest.raises(UsageError):
        convert(url, "x.safetensors")
