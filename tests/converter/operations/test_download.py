"""Downloads: of a file that is there already, in part, not at all, and what then fails here.

Nothing leaves 127.0.0.1. What servers do wrong is in test_download_servers.py.
"""

import hashlib
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from converter.errors import DownloadError, OutputError, UsageError
from converter.files.target import Unfinished
from converter.operations.download import CHUNK, download
from tests.converter.http_server import ranged, serving, stall, status, whole
from tests.converter.toy import (
    HASH,
    OTHER,
    PAGE,
    PAYLOAD,
    SOME,
    arrived,
    bring,
    leave_part,
    parts,
    refused,
)  # fmt: skip


class TestAServerThatBehaves:
    def test_the_file_arrives_and_is_reported(self, tmp_path):
        seen = []
        with serving(whole(PAYLOAD)) as server:
            done = bring(tmp_path, server.url, progress=lambda *at: seen.append(at))
        assert arrived(tmp_path)
        assert (done.status, done.path, done.digest) == (
            "downloaded",
            tmp_path / "toy.weights",
            HASH,
        )
        assert done.as_dict()["sources"] == 1
        # One chunk after the other, and the 20 bytes of the header are the rest.
        assert seen == [
            *((n * CHUNK, len(PAYLOAD)) for n in range(1, 6)),
            (len(PAYLOAD), len(PAYLOAD)),
        ]

    def test_it_is_asked_politely(self, tmp_path):
        with serving(whole(PAYLOAD)) as server:
            bring(tmp_path, server.url)
        (request,) = server.asked
        assert request.headers["User-Agent"].startswith("darknet-safetensors")
        assert request.headers["Accept-Encoding"] == "identity"
        assert request.headers["Range"] is None

    def test_a_directory_is_made(self, tmp_path):
        with serving(whole(PAYLOAD)) as server:
            bring(tmp_path / "new" / "nets", server.url)
        assert arrived(tmp_path / "new" / "nets")

    def test_any_of_the_published_hashes_will_do(self, tmp_path):
        sha512 = "sha512:" + hashlib.sha512(PAYLOAD).hexdigest()
        with serving(whole(PAYLOAD)) as server:
            done = bring(tmp_path, server.url, hashes={"sha256:" + "0" * 64: 1, sha512: 3})
        assert done.digest == sha512
        assert done.as_dict()["sources"] == 3

    def test_an_answer_without_a_length_will_do(self, tmp_path):
        with serving(lambda request: request.say(200, PAYLOAD)) as server:
            bring(tmp_path, server.url)
        assert arrived(tmp_path)

    def test_a_redirection_is_followed(self, tmp_path):
        with serving(status(302, Location="/elsewhere"), whole(PAYLOAD)) as server:
            bring(tmp_path, server.url)
        assert arrived(tmp_path)
        assert server.asked[1].path == "/elsewhere"

    def test_the_proxy_of_the_environment_is_used(self, tmp_path, monkeypatch):
        with serving(whole(PAYLOAD)) as proxy:
            monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{proxy.server_port}")
            bring(tmp_path, "http://weights.invalid/toy.weights")
        assert proxy.asked[0].path == "http://weights.invalid/toy.weights"
        assert arrived(tmp_path)


class TestWhatIsThereAlready:
    def test_a_good_file_is_left_alone(self, tmp_path):
        (tmp_path / "toy.weights").write_bytes(PAYLOAD)
        before = (tmp_path / "toy.weights").stat()
        with serving(whole(PAYLOAD)) as server:
            for force in (False, True):
                done = bring(tmp_path, server.url, force=force)
                assert (done.status, done.digest) == ("already there", HASH)
        assert not server.asked
        assert os.path.samestat((tmp_path / "toy.weights").stat(), before)

    @pytest.mark.parametrize("there", [OTHER, PAYLOAD[:-1], PAYLOAD + b"!", b""])
    def test_another_file_is_refused(self, tmp_path, there):
        (tmp_path / "toy.weights").write_bytes(there)
        with serving(whole(PAYLOAD)) as server:
            with pytest.raises(
                OutputError, match=r"is not the published toy\.weights .*force=True"
            ):
                bring(tmp_path, server.url)
            assert not server.asked
            assert (tmp_path / "toy.weights").read_bytes() == there
            bring(tmp_path, server.url, force=True)
        assert arrived(tmp_path)

    def test_another_file_outlives_a_failure(self, tmp_path):
        (tmp_path / "toy.weights").write_bytes(OTHER)
        with serving(status(404)) as server, pytest.raises(DownloadError):
            bring(tmp_path, server.url, force=True)
        assert (tmp_path / "toy.weights").read_bytes() == OTHER

    def test_a_directory_of_that_name_is_refused(self, tmp_path):
        (tmp_path / "toy.weights").mkdir()
        with pytest.raises(OutputError, match="is not a regular file"):
            bring(tmp_path, force=True)

    def test_a_symlink_is_followed(self, tmp_path):
        (tmp_path / "disk").mkdir()
        (tmp_path / "toy.weights").symlink_to(tmp_path / "disk" / "toy.weights")
        with serving(whole(PAYLOAD)) as server:
            bring(tmp_path, server.url)
        assert (tmp_path / "toy.weights").is_symlink()
        assert arrived(tmp_path / "disk")

    def test_a_file_for_a_directory_is_refused(self, tmp_path):
        (tmp_path / "file").write_bytes(b"")
        with pytest.raises(OutputError, match=r"\(choose another directory\)$"):
            bring(tmp_path / "file")


class TestGoingOn:
    """From a part that an earlier run has left."""

    def test_only_the_rest_is_asked_for(self, tmp_path):
        leave_part(tmp_path, PAYLOAD[:SOME])
        with serving(ranged(PAYLOAD)) as server:
            bring(tmp_path, server.url)
        assert server.ranges == [f"bytes={SOME}-"]
        assert arrived(tmp_path)

    def test_a_server_may_not_know_ranges(self, tmp_path):
        leave_part(tmp_path, PAYLOAD[:SOME])
        with serving(whole(PAYLOAD)) as server:
            bring(tmp_path, server.url)
        assert arrived(tmp_path)

    def test_a_server_may_not_know_the_total(self, tmp_path):
        leave_part(tmp_path, PAYLOAD[:SOME])
        answer = f"bytes {SOME}-{len(PAYLOAD) - 1}/*"
        with serving(lambda asked: asked.say(206, PAYLOAD[SOME:], Content_Range=answer)) as server:
            bring(tmp_path, server.url)
        assert arrived(tmp_path)

    @pytest.mark.parametrize(
        "answer",
        [
            f"bytes 0-{len(PAYLOAD) - 1}/{len(PAYLOAD)}",  # not the part that was asked for
            f"bytes {SOME}-{len(PAYLOAD)}/{len(PAYLOAD) + 1}",  # of a longer file
            "bytes",
            "",
        ],
    )
    def test_another_range_is_not_believed(self, tmp_path, answer):
        leave_part(tmp_path, PAYLOAD[:SOME])
        wrong = lambda asked: asked.say(206, PAYLOAD[SOME:], Content_Range=answer)  # noqa: E731
        with serving(wrong, whole(PAYLOAD)) as server:
            bring(tmp_path, server.url)
        assert server.ranges == [f"bytes={SOME}-", None]
        assert arrived(tmp_path)

    def test_416_asks_for_the_whole(self, tmp_path):
        leave_part(tmp_path, PAYLOAD[:SOME])
        with serving(status(416), whole(PAYLOAD)) as server:
            bring(tmp_path, server.url)
        assert server.ranges == [f"bytes={SOME}-", None]
        assert arrived(tmp_path)

    def test_416_from_a_server_with_a_shorter_file_keeps_the_part(self, tmp_path):
        leave_part(tmp_path, PAYLOAD[:SOME])
        with serving(status(416), whole(PAYLOAD[:99])) as server:
            message = refused(tmp_path, server.url, kept=PAYLOAD[:SOME])
        assert f"has a file of 99 bytes instead of {len(PAYLOAD)}" in message

    def test_a_web_page_keeps_the_part(self, tmp_path):
        leave_part(tmp_path, PAYLOAD[:SOME])
        with serving(whole(PAGE)) as server:
            message = refused(tmp_path, server.url, kept=PAYLOAD[:SOME])
        assert "sent an HTML page" in message

    @pytest.mark.parametrize("start", [OTHER[-SOME:], b"\0" * 20])
    def test_a_wrong_part_costs_one_more_try(self, tmp_path, start):
        leave_part(tmp_path, start)
        with serving(ranged(PAYLOAD)) as server:
            bring(tmp_path, server.url)
        assert server.ranges == [f"bytes={len(start)}-", None]
        assert arrived(tmp_path)

    @pytest.mark.parametrize("complete", [OTHER, PAYLOAD + b"!"])
    def test_a_complete_but_wrong_part_is_dropped(self, tmp_path, complete):
        leave_part(tmp_path, complete)
        with serving(ranged(PAYLOAD)) as server:
            bring(tmp_path, server.url)
        assert server.ranges == [None]
        assert arrived(tmp_path)

    def test_a_complete_part_needs_no_server(self, tmp_path):
        leave_part(tmp_path, PAYLOAD)
        bring(tmp_path)
        assert arrived(tmp_path)

    def test_the_longest_part_is_gone_on_with(self, tmp_path):
        for size in (SOME, 2 * SOME, 9):
            leave_part(tmp_path, PAYLOAD[:size])
        with serving(ranged(PAYLOAD)) as server:
            bring(tmp_path, server.url)
        assert server.ranges == [f"bytes={2 * SOME}-"]
        assert arrived(tmp_path)

    def test_two_runs_keep_apart(self, tmp_path):
        work = Unfinished.make(tmp_path / "toy.weights")
        with (
            serving(whole(PAYLOAD)) as server,
            pytest.raises(OutputError, match="is being written by another run"),
        ):
            bring(tmp_path, server.url)
        work.remove()
        assert not server.asked

    def test_what_others_call_a_part_is_left_alone(self, tmp_path):
        """Firefox, for one, calls what it has not finished so."""
        (tmp_path / "toy.weights.part").write_bytes(b"precious")
        with serving(whole(PAYLOAD)) as server:
            bring(tmp_path, server.url)
        assert server.ranges == [None]
        assert (tmp_path / "toy.weights.part").read_bytes() == b"precious"
        assert (tmp_path / "toy.weights").read_bytes() == PAYLOAD


class TestTheDisk:
    def test_a_disk_that_is_too_small(self, tmp_path):
        with serving(whole(PAYLOAD)) as server, pytest.raises(OutputError, match=r"needs .* free"):
            bring(tmp_path, server.url, size=2**60)
        assert not server.asked
        assert not list(tmp_path.iterdir())

    def test_a_disk_that_fills_up(self, tmp_path):
        """The kernel refuses to let the file grow: the failed write is a real one."""
        import resource  # late: Windows has none

        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        with serving(ranged(PAYLOAD)) as server:
            resource.setrlimit(resource.RLIMIT_FSIZE, (SOME, hard))
            try:
                with pytest.raises(OutputError, match="cannot be written: File too large"):
                    bring(tmp_path, server.url)
            finally:
                resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
            assert parts(tmp_path) == [PAYLOAD[:SOME]]
            bring(tmp_path, server.url)
        assert server.ranges == [None, f"bytes={SOME}-"]
        assert arrived(tmp_path)


@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGKILL])
def test_a_run_that_was_ended_is_gone_on_with(tmp_path, end):
    """Ctrl-C, or the machine going down: what came is there, and not under the file's name."""
    program = (
        "import signal, sys; from converter import published as registry;"
        " from converter.cli.main import main;"
        " from tests.converter.toy import published;"
        # A shell starts what it puts into the background with SIGINT ignored.
        " signal.signal(signal.SIGINT, signal.default_int_handler);"
        " registry.PUBLISHED = (published(sys.argv[1]),);"
        " sys.exit(main(['download', 'toy', '-o', sys.argv[2]]))"
    )
    with serving(stall(PAYLOAD, SOME), ranged(PAYLOAD)) as server:
        with subprocess.Popen(
            [sys.executable, "-c", program, server.url, str(tmp_path)],
            cwd=Path(__file__).parents[3],
            stderr=subprocess.PIPE,
        ) as process:
            deadline = time.monotonic() + 20
            while not any(len(part) >= SOME for part in parts(tmp_path)):
                assert time.monotonic() < deadline
                time.sleep(0.01)
            process.send_signal(end)
            answer = process.communicate()[1]
        assert process.returncode == (130 if end == signal.SIGINT else -signal.SIGKILL)
        assert b"Traceback" not in answer
        assert parts(tmp_path) == [PAYLOAD[:SOME]]
        bring(tmp_path, server.url)
    assert server.ranges == [None, f"bytes={SOME}-"]
    assert arrived(tmp_path)


def test_a_name_is_no_path(tmp_path):
    with pytest.raises(UsageError, match=re.escape("'../yolov3' is not the name")):
        download("../yolov3", tmp_path)
    assert not list(tmp_path.iterdir())
