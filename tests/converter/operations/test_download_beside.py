"""What is downloaded beside weights, and weights whose hash nobody states.

Nothing leaves 127.0.0.1.
"""

import hashlib
import struct

import pytest

import converter.published
from converter.class_names import CLASS_NAMES
from converter.errors import DownloadError, OutputError
from converter.official import TextFile
from converter.operations.convert import convert
from converter.operations.download import CHUNK, download, fetch
from tests.converter.http_server import cut, ranged, serving, whole
from tests.converter.toy import PAGE, PATIENCE, PAYLOAD, SOME, WAITS, bring, parts
from tests.converter.toy_detector import CFG, NAMES, WEIGHTS, detector_served


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


class TestBeside:
    def test_all_that_converting_needs_arrives(self, tmp_path, monkeypatch):
        with detector_served(monkeypatch) as server:
            path = download("toy", tmp_path)
        assert path == tmp_path / "toy.weights"
        assert contents(tmp_path) == {
            "toy.cfg": CFG.encode(),
            "toy.names": NAMES.encode(),
            "toy.weights": WEIGHTS,
        }
        assert [request.path.rpartition("/")[2] for request in server.asked] == [
            "toy.cfg",
            "coco.names",
            "toy.weights",
        ]
        result = convert(path)
        assert result.verified
        assert result.metadata.cfg == CFG
        assert result.metadata.names == list(CLASS_NAMES["coco"])

    def test_what_is_there_is_not_asked_for_again(self, tmp_path, monkeypatch):
        with detector_served(monkeypatch) as server:
            for _ in range(2):
                download("toy", tmp_path)
        assert len(server.asked) == 3

    def test_a_cfg_that_somebody_edited_is_kept(self, tmp_path, monkeypatch):
        edited = CFG.replace("width=32", "width=64").encode()
        (tmp_path / "toy.cfg").write_bytes(edited)
        with detector_served(monkeypatch):
            download("toy", tmp_path)
            assert contents(tmp_path)["toy.cfg"] == edited
            download("toy", tmp_path, force=True)
        assert contents(tmp_path)["toy.cfg"] == CFG.encode()

    @pytest.mark.parametrize("suffix", ["cfg", "names"])
    def test_another_text_than_was_published_is_refused(self, tmp_path, monkeypatch, suffix):
        """A byte at its end is another: a repository whose history was rewritten, say."""
        other = {"cfg": CFG, "names": NAMES}[suffix][:-1].encode() + b" "
        with (
            detector_served(monkeypatch, **{suffix: other}),
            pytest.raises(DownloadError, match="sent other bytes than were published"),
        ):
            download("toy", tmp_path)
        assert f"toy.{suffix}" not in contents(tmp_path)
        assert "toy.weights" not in contents(tmp_path)

    def test_line_ends_that_were_changed_are_another_text(self, tmp_path, monkeypatch):
        with (
            detector_served(monkeypatch, cfg=CFG.replace("\n", "\r\n").encode()),
            pytest.raises(DownloadError, match=f"instead of {len(CFG)}"),
        ):
            download("toy", tmp_path)

    def test_a_page_in_place_of_a_cfg_is_named(self, tmp_path):
        file = TextFile(
            file="toy.cfg", size=len(PAGE), hashes={"sha256:" + "0" * 64: 1}, urls=("",)
        )
        with serving(whole(PAGE)) as server, pytest.raises(DownloadError, match="an HTML page"):
            fetch(
                TextFile(**{**vars(file), "urls": (server.url,)}),
                tmp_path,
                waits=WAITS,
                timeout=(PATIENCE, PATIENCE),
            )

    def test_a_folder_of_its_name_is_refused_though_others_are_kept(self, tmp_path, monkeypatch):
        (tmp_path / "toy.cfg").mkdir()
        with (
            detector_served(monkeypatch),
            pytest.raises(OutputError, match="is not a regular file"),
        ):
            download("toy", tmp_path)

    def test_weights_without_a_cfg_come_alone(self, tmp_path, monkeypatch):
        with detector_served(monkeypatch):
            (file,) = converter.published.PUBLISHED
            alone = type(file)(**{**vars(file), "cfg": None, "names": None})
            monkeypatch.setattr(converter.published, "PUBLISHED", (alone,))
            download("toy", tmp_path)
        assert contents(tmp_path) == {"toy.weights": WEIGHTS}


class TestOfWhichOnlyTheSizeIsKnown:
    def test_any_file_of_that_size_is_taken_and_its_hash_is_told(self, tmp_path):
        with serving(whole(PAYLOAD)) as server:
            done = bring(tmp_path, server.url, hashes={})
        assert done.digest == "sha256:" + hashlib.sha256(PAYLOAD).hexdigest()
        assert (done.as_dict()["checked"], done.as_dict()["sources"]) == ("size", 0)

    @pytest.mark.parametrize("sent", [PAYLOAD[:-1], PAYLOAD[:-4], PAYLOAD + b"!", PAGE])
    def test_another_size_is_refused(self, tmp_path, sent):
        problem = "sent an HTML page" if sent is PAGE else f"has a file of {len(sent)} bytes"
        with serving(whole(sent)) as server, pytest.raises(DownloadError, match=problem):
            bring(tmp_path, server.url, hashes={})
        assert not (tmp_path / "toy.weights").exists()

    def test_a_file_of_another_size_is_in_the_way(self, tmp_path):
        (tmp_path / "toy.weights").write_bytes(PAYLOAD[:-4])
        with pytest.raises(OutputError, match="is not the published"):
            bring(tmp_path, hashes={})
        (tmp_path / "toy.weights").write_bytes(PAYLOAD)
        assert bring(tmp_path, hashes={}).status == "already there"


# The same values behind the header of before version 0.2.0: 16 bytes (pj parser.c:1230).
OLD = struct.pack("<iiiI", 0, 1, 0, 0) + PAYLOAD[20:]


class TestWhoseHeaderMayBeOld:
    @pytest.mark.parametrize("payload", [PAYLOAD, OLD])
    def test_the_header_decides_how_long_it_is(self, tmp_path, payload):
        with serving(whole(payload)) as server:
            done = bring(tmp_path, server.url, hashes={}, old_header=True)
        assert contents(tmp_path) == {"toy.weights": payload}
        assert done.size == len(payload)

    @pytest.mark.parametrize("payload", [PAYLOAD[:-4], OLD + bytes(4)])
    def test_a_header_of_the_other_length_is_refused(self, tmp_path, payload):
        with serving(whole(payload)) as server, pytest.raises(DownloadError, match="instead of"):
            bring(tmp_path, server.url, hashes={}, old_header=True)

    @pytest.mark.parametrize("payload", [PAYLOAD, OLD])
    @pytest.mark.parametrize("sent", [16, SOME, len(OLD) - 1, len(OLD)])
    def test_it_is_gone_on_with(self, tmp_path, payload, sent):
        """A part may be as long as a file with the other header would be."""
        with serving(cut(payload, sent), ranged(payload)) as server:
            bring(tmp_path, server.url, hashes={}, old_header=True)
        assert contents(tmp_path) == {"toy.weights": payload}

    @pytest.mark.parametrize("payload", [PAYLOAD, OLD])
    def test_a_part_of_an_earlier_run_is_gone_on_with(self, tmp_path, payload):
        with (
            serving(cut(payload, CHUNK)) as server,
            pytest.raises(DownloadError, match="broke off"),
        ):
            bring(tmp_path, server.url, hashes={}, old_header=True)
        assert parts(tmp_path) == [payload[:CHUNK]]
        with serving(ranged(payload)) as server:
            bring(tmp_path, server.url, hashes={}, old_header=True)
        assert server.ranges == [f"bytes={CHUNK}-"]
        assert contents(tmp_path) == {"toy.weights": payload}

    def test_elsewhere_an_old_header_is_of_another_size(self, tmp_path):
        with serving(whole(OLD)) as server, pytest.raises(DownloadError, match="instead of"):
            bring(tmp_path, server.url, hashes={})
