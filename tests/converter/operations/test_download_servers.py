"""Downloads from servers that misbehave in every way that was seen or thought of.

Nothing leaves 127.0.0.1.
"""

import gzip
import socket
from types import SimpleNamespace

import pytest

from converter.errors import DownloadError
from converter.operations import download
from converter.operations.download import CHUNK, fetch
from tests.converter.http_server import (
    cut,
    garbage,
    ranged,
    reset,
    serving,
    silent,
    stall,
    status,
    whole,
)
from tests.converter.toy import (
    OTHER,
    PAGE,
    PAYLOAD,
    SHORT,
    SOME,
    arrived,
    bring,
    published,
    refused,
)


class TestConnectionsThatBreak:
    @pytest.mark.parametrize("breaks", [cut, reset, stall])
    def test_it_goes_on_where_it_broke(self, tmp_path, breaks):
        with serving(breaks(PAYLOAD, SOME), ranged(PAYLOAD)) as server:
            bring(tmp_path, server.url, patience=SHORT)
        assert server.ranges == [None, f"bytes={SOME}-"]
        assert arrived(tmp_path)

    @pytest.mark.parametrize("breaks", [cut, reset, stall])
    def test_it_goes_on_at_another_server(self, tmp_path, breaks):
        with serving(breaks(PAYLOAD, SOME)) as one, serving(ranged(PAYLOAD)) as other:
            bring(tmp_path, one.url, other.url, patience=SHORT)
        assert other.ranges == [f"bytes={SOME}-"]
        assert arrived(tmp_path)

    def test_what_came_is_kept_for_the_next_run(self, tmp_path):
        with serving(cut(PAYLOAD, SOME), silent) as server:
            message = refused(tmp_path, server.url, kept=PAYLOAD[:SOME], patience=SHORT)
        assert "127.0.0.1 did not answer in time" in message
        assert server.ranges == [None, f"bytes={SOME}-", f"bytes={SOME}-"]

    @pytest.mark.parametrize("sent", [0, 1, 19, 20, CHUNK - 1, CHUNK, len(PAYLOAD) - 1])
    def test_a_short_file_is_never_taken_for_the_whole(self, tmp_path, sent):
        short = lambda request: request.say(200, PAYLOAD[:sent])  # noqa: E731 - with no length
        with serving(short) as server, pytest.raises(DownloadError, match="broke off at byte"):
            bring(tmp_path, server.url)
        assert not (tmp_path / "toy.weights").exists()

    def test_a_changed_file_is_begun_anew(self, tmp_path):
        """If-Range: the server tells that it has another version now by sending all of it."""
        with serving(cut(OTHER[::-1], SOME, ETag='"1"'), whole(PAYLOAD, ETag='"2"')) as server:
            bring(tmp_path, server.url, size=len(PAYLOAD))
        assert server.asked[1].headers["If-Range"] == '"1"'
        assert server.ranges[1] == f"bytes={SOME}-"
        assert arrived(tmp_path)

    def test_a_changed_etag_is_seen_without_if_range(self, tmp_path, caplog):
        caplog.set_level("DEBUG", "converter")
        first = cut(PAYLOAD[:20] + OTHER[:-20], SOME, ETag='"1"')
        with serving(first, ranged(PAYLOAD, ETag='"2"')) as server:
            bring(tmp_path, server.url)
        assert server.ranges == [None, f"bytes={SOME}-", None]
        assert "sent another part than was asked for" in caplog.text
        assert "sent other bytes" not in caplog.text, "the two versions were not mixed"
        assert arrived(tmp_path)

    def test_a_weak_etag_is_no_condition(self, tmp_path):
        with serving(cut(PAYLOAD, SOME, ETag='W/"1"'), ranged(PAYLOAD)) as server:
            bring(tmp_path, server.url)
        assert server.asked[1].headers["If-Range"] is None
        assert arrived(tmp_path)


class TestServersThatAreOfNoUse:
    @pytest.mark.parametrize("code", [401, 403, 404, 410, 451])
    def test_a_refusal_is_not_asked_twice(self, tmp_path, code):
        with serving(status(code)) as server:
            message = refused(tmp_path, server.url)
        assert f"answered with HTTP status {code}" in message
        assert len(server.asked) == 1

    @pytest.mark.parametrize("code", [408, 429, 500, 502, 503, 504])
    def test_a_busy_server_is_asked_again(self, tmp_path, code):
        with serving(status(code), status(code), whole(PAYLOAD)) as server:
            bring(tmp_path, server.url)
        assert len(server.asked) == 3
        assert arrived(tmp_path)

    def test_three_rounds_are_enough(self, tmp_path):
        with serving(status(503)) as server:
            refused(tmp_path, server.url)
        assert len(server.asked) == 3

    def test_only_the_busy_one_of_two_is_asked_again(self, tmp_path):
        with serving(status(404)) as one, serving(status(503)) as other:
            refused(tmp_path, one.url, other.url)
        assert (len(one.asked), len(other.asked)) == (1, 3)

    def test_nobody_to_ask_again_is_not_waited_for(self, tmp_path, monkeypatch):
        with serving(status(404)) as server:
            waited = self.pauses(server, monkeypatch)
            with pytest.raises(DownloadError):
                fetch(published(server.url), tmp_path, waits=(60,))
        assert waited == [(0, 0)]

    def test_it_waits_between_the_rounds(self, tmp_path, monkeypatch):
        with serving(status(503)) as server:
            waited = self.pauses(server, monkeypatch)
            with pytest.raises(DownloadError):
                fetch(published(server.url), tmp_path, waits=(60, 120))
        assert waited == [(0, 0), (1, 60), (2, 120)]

    def pauses(self, server, monkeypatch):
        """How often ``server`` was asked before each pause, and its seconds, which none takes."""
        found = []
        clock = SimpleNamespace(sleep=lambda wait: found.append((len(server.asked), wait)))
        monkeypatch.setattr(download, "time", clock)
        return found

    def test_every_server_is_named(self, tmp_path):
        with serving(status(404)) as one, serving(whole(PAGE)) as other:
            message = refused(tmp_path, one.url, other.url)
        assert "127.0.0.1 answered with HTTP status 404; 127.0.0.1 sent an HTML page" in message
        assert message.startswith("toy.weights: could not be downloaded: ")

    @pytest.mark.parametrize(
        ("content", "message"),
        [
            (PAGE, "sent an HTML page"),
            (PAGE.ljust(len(PAYLOAD)), "sent an HTML page"),
            (b"version https://git-lfs.github.com/spec/v1\n", "sent a Git LFS pointer"),
            (b"{" + b'"error": "quota exceeded"}', "sent text"),
        ],
    )
    def test_something_else_is_recognised(self, tmp_path, content, message):
        with serving(whole(content)) as server:
            assert message in refused(tmp_path, server.url)
        assert len(server.asked) == 1

    @pytest.mark.parametrize("content", [PAYLOAD[:-1], PAYLOAD + b"!"])
    def test_a_file_of_another_length_is_not_even_loaded(self, tmp_path, content):
        with serving(whole(content)) as server:
            message = refused(tmp_path, server.url)
        assert f"has a file of {len(content)} bytes instead of {len(PAYLOAD)}" in message
        assert len(server.asked) == 1

    def test_surplus_bytes_are_refused(self, tmp_path):
        endless = lambda request: request.say(200, PAYLOAD + b"!")  # noqa: E731 - with no length
        with serving(endless) as server:
            assert f"sent more than {len(PAYLOAD):,} bytes" in refused(tmp_path, server.url)
        assert len(server.asked) == 1

    def test_other_bytes_are_refused(self, tmp_path):
        with serving(whole(OTHER)) as server:
            assert "sent other bytes than were published" in refused(tmp_path, server.url)
        assert len(server.asked) == 1

    def test_other_bytes_send_it_to_the_next_server(self, tmp_path):
        with serving(whole(OTHER)) as one, serving(ranged(PAYLOAD)) as other:
            bring(tmp_path, one.url, other.url)
        assert other.ranges == [None]
        assert arrived(tmp_path)

    def test_a_redirection_without_end(self, tmp_path):
        with serving(status(302, Location="/toy.weights")) as server:
            assert "redirected more than 10 times" in refused(tmp_path, server.url)
        assert len(server.asked) == 11

    @pytest.mark.parametrize("location", ["ftp://x/y", "http://[", "//:1:2/"])
    def test_a_redirection_to_nowhere(self, tmp_path, location):
        with serving(status(302, Location=location)) as server:
            assert "could not be asked" in refused(tmp_path, server.url)

    def test_no_http(self, tmp_path):
        with serving(garbage) as server:
            assert "could not be reached" in refused(tmp_path, server.url)

    def test_a_broken_compression(self, tmp_path):
        packed = gzip.compress(PAYLOAD)[: CHUNK // 2] + b"?" * CHUNK
        with serving(whole(packed, Content_Encoding="gzip")) as server:
            refused(tmp_path, server.url)

    def test_no_answer(self, tmp_path):
        with serving(silent) as server:
            assert "did not answer in time" in refused(tmp_path, server.url, patience=SHORT)

    def test_nobody_there(self, tmp_path):
        with socket.socket() as unused:
            unused.bind(("127.0.0.1", 0))  # not listening
            url = f"http://127.0.0.1:{unused.getsockname()[1]}/toy.weights"
            assert "could not be reached" in refused(tmp_path, url)

    def test_a_dead_proxy(self, tmp_path, monkeypatch):
        with socket.socket() as unused:
            unused.bind(("127.0.0.1", 0))
            monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{unused.getsockname()[1]}")
            message = refused(tmp_path, "http://weights.invalid/toy.weights")
        assert "could not be reached through the proxy" in message

    def test_a_server_without_tls(self, tmp_path):
        with serving(whole(PAYLOAD)) as server:
            message = refused(tmp_path, server.url.replace("http:", "https:"))
        assert "failed the TLS handshake" in message

    def test_missing_certificates(self, tmp_path, monkeypatch):
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/nonexistent/ca.pem")
        message = refused(tmp_path, "https://127.0.0.1:1/toy.weights")
        assert "/nonexistent/ca.pem" in message
