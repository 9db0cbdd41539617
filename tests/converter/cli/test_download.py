"""The command line of downloads: what it prints, where, and its exit codes."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

import converter.published
from converter.cli.main import main
from converter.published import CFG_ONLY, PUBLISHED
from tests.converter.http_server import serving, status, whole
from tests.converter.toy import HASH, OTHER, PAYLOAD, published
from tests.converter.toy_detector import detector_served


@pytest.fixture
def server(monkeypatch):
    with serving(whole(PAYLOAD)) as running:
        monkeypatch.setattr(converter.published, "PUBLISHED", (published(running.url),))
        yield running


def test_a_download(server, tmp_path, capsys):
    for done in ("downloaded", "already there"):
        assert main(["download", "toy", "-o", str(tmp_path)]) == 0
        printed = capsys.readouterr().out
        assert printed == (
            f"{tmp_path}/toy.weights: {done}, {len(PAYLOAD):,} bytes, verified: {HASH}"
            " (hash from one source)\n"
        )
    assert (tmp_path / "toy.weights").read_bytes() == PAYLOAD


def test_it_goes_to_the_current_directory(server, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["download", "toy"]) == 0
    assert (tmp_path / "toy.weights").read_bytes() == PAYLOAD


@pytest.mark.parametrize("asked", [["toy"], ["--cfg", "yolov3"]])
@pytest.mark.parametrize("output", ["there.txt", "there.txt/weights"])
def test_a_file_in_the_place_of_the_folder(server, tmp_path, capsys, monkeypatch, asked, output):
    monkeypatch.chdir(tmp_path)
    Path("there.txt").write_text("precious")
    assert main(["download", *asked, "-o", output]) == 1
    assert capsys.readouterr() == (
        "",
        "error: there.txt: is no folder, and -o wants the one that files go into"
        " (name a folder, or leave -o out for the current one)\n",
    )
    assert Path("there.txt").read_text() == "precious"
    assert main(["download", "--list", "-o", output]) == 0
    assert main(["download", "-o", output]) == 2  # which weights?


def test_json(server, tmp_path, capsys):
    assert main(["download", "toy", "-o", str(tmp_path), "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts.pop("licence").startswith("no licence is stated")
    assert facts == {
        "schema": 1,
        "status": "downloaded",
        "name": "toy",
        "path": str(tmp_path / "toy.weights"),
        "size": len(PAYLOAD),
        "digest": HASH,
        "checked": "hash",
        "sources": 1,
        "beside": [],
    }


def test_quiet_says_nothing_on_stderr(server, tmp_path, capsys):
    assert main(["download", "toy", "-o", str(tmp_path), "-q"]) == 0
    assert capsys.readouterr().err == ""


def test_without_a_terminal_there_is_no_bar(server, tmp_path, capsys):
    assert main(["download", "toy", "-o", str(tmp_path)]) == 0
    assert capsys.readouterr().err == (
        f"toy.weights from {server.url}\n"
        "licence: no licence is stated for the weights; the darknet repository that links to them"
        " is public domain; COCO, which they were trained on, has terms of its own\n"
    )


def test_on_a_terminal_there_is_one(server, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    assert main(["download", "toy", "-o", str(tmp_path)]) == 0
    bar = capsys.readouterr().err.partition("\n")[2].partition("licence: ")[0]
    # The first chunk of 65,536 bytes is 20 % of the 327,700.
    assert bar.startswith("toy.weights  20%  0.1 of 0.3 MB  0.0 MB/s\x1b[K\r")
    assert bar.endswith("\r\x1b[K\r"), "the line is left empty"


def test_a_refusal(server, tmp_path, capsys):
    server.behaviours[:] = [status(404)]
    assert main(["download", "toy", "-o", str(tmp_path), "-q", "--json"]) == 1
    printed = capsys.readouterr()
    error = json.loads(printed.out)["error"]
    assert error["type"] == "DownloadError"
    assert error["path"] == "toy.weights"
    assert printed.err.startswith("error: toy.weights: could not be downloaded: ")
    assert printed.err.count("\n") == 1


class TestServersThatFail:
    @pytest.fixture(autouse=True)
    def impatient(self, monkeypatch):
        monkeypatch.setattr("converter.operations.download.time.sleep", lambda seconds: None)

    @pytest.fixture
    def mirrors(self, monkeypatch):
        with serving(status(503)) as one, serving(status(404)) as other:
            file = published(one.url, other.url)
            monkeypatch.setattr(converter.published, "PUBLISHED", (file,))
            yield one, other

    def test_each_has_one_line_and_the_refusal_says_why(self, mirrors, tmp_path, capsys):
        one, other = mirrors
        assert main(["download", "toy", "-o", str(tmp_path)]) == 1
        assert capsys.readouterr().err == (
            f"toy.weights from {one.url}\n"
            f"toy.weights from {other.url}\n"
            "error: toy.weights: could not be downloaded: 127.0.0.1 answered with HTTP status 503;"
            " 127.0.0.1 answered with HTTP status 404 (check the connection, or the proxy settings,"
            " and run it again)\n"
        )
        assert (len(one.asked), len(other.asked)) == (5, 1)  # once, and after each of four waits

    def test_all_of_it_if_asked_for(self, mirrors, tmp_path, capsys):
        one, _ = mirrors
        assert main(["download", "toy", "-o", str(tmp_path), "-v"]) == 1
        printed = capsys.readouterr().err
        assert printed.count(f"{one.url}: answered with HTTP status 503\n") == 5
        assert printed.count("asking again in ") == 4


def test_force(server, tmp_path):
    (tmp_path / "toy.weights").write_bytes(OTHER)
    assert main(["download", "toy", "-o", str(tmp_path)]) == 1
    assert (tmp_path / "toy.weights").read_bytes() == OTHER
    assert main(["download", "toy", "-o", str(tmp_path), "--force"]) == 0
    assert (tmp_path / "toy.weights").read_bytes() == PAYLOAD


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        ([], 2),
        (["../toy"], 2),
        (["nothing"], 2),
        (["yolov3-voc"], 1),
        (["--list"], 0),
        (["yolov3", "--classes", "3"], 2),
        (["yolov3", "--cfg", "yolov3"], 2),
        (["--cfg", "nothing"], 2),
        (["--cfg", "vgg-conv", "--classes", "3"], 2),
        (["--cfg", "yolov3", "--classes", "0"], 2),
    ],
)
def test_exit_codes(arguments, code):
    assert main(["download", *arguments]) == code


def test_without_a_name_it_says_what_lists_them(capsys):
    assert main(["download"]) == 2
    assert capsys.readouterr().err == (
        "error: which weights? (list them: python -m converter download --list)\n"
    )


def test_the_list(capsys):
    assert main(["download", "--list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == len(PUBLISHED) + len(CFG_ONLY) + 1
    assert lines[0].split(maxsplit=4) == [
        "yolov3",
        "248,007,048",
        "bytes",
        "COCO",
        "sha256:523e4e69... (hash from 10 sources)",
    ]
    (sized,) = (line for line in lines if line.startswith("yolov4-csp "))
    assert sized.endswith("  no hash is published: only its size is checked")
    assert lines[-2] == "yolov4-tiny-3l              cfg only: weights were never published"
    assert lines[-1].startswith("cfgs, for --cfg: alexnet, cifar, ")
    assert ", yolov4-tiny, " in lines[-1]


def test_the_list_as_json(capsys):
    assert main(["download", "--list", "--json"]) == 0
    listed = json.loads(capsys.readouterr().out)
    assert [file["name"] for file in listed["files"]] == [file.name for file in PUBLISHED]
    assert listed["cfg_only"] == ["yolov3-voc", "yolov3_5l", "yolov4-tiny-3l"]
    assert {"cfg": "yolov4", "repository": "AlexeyAB/darknet", "classes": 80} in listed["cfgs"]


def test_the_script():
    script = Path(__file__).parents[3] / "scripts" / "download.py"
    run = subprocess.run(
        [sys.executable, str(script), "yolov3_5l"], capture_output=True, text=True, check=False
    )
    assert run.returncode == 1
    assert run.stdout == ""
    assert run.stderr == (
        "error: yolov3_5l was published as a cfg only, its weights never were"
        f" (train it; its cfg: python {script} --cfg yolov3_5l)\n"
    )


class TestWithWhatBelongsToIt:
    @pytest.fixture(autouse=True)
    def shelf(self, monkeypatch):
        with detector_served(monkeypatch) as running:
            yield running

    def test_each_file_has_a_line(self, tmp_path, capsys):
        assert main(["download", "toy", "-o", str(tmp_path)]) == 0
        lines = capsys.readouterr().out.splitlines()
        assert [line.partition(":")[0] for line in lines] == [
            f"{tmp_path}/toy.{suffix}" for suffix in ("cfg", "names", "weights")
        ]
        assert all("verified: sha256:" in line for line in lines)

    def test_json_names_them(self, tmp_path, capsys):
        assert main(["download", "toy", "-o", str(tmp_path), "--json"]) == 0
        beside = json.loads(capsys.readouterr().out)["beside"]
        assert [(each["status"], each["path"], each["checked"]) for each in beside] == [
            ("downloaded", f"{tmp_path}/toy.cfg", "hash"),
            ("downloaded", f"{tmp_path}/toy.names", "hash"),
        ]

    def test_a_cfg_of_the_users_own_is_kept(self, tmp_path, capsys):
        (tmp_path / "toy.cfg").write_text("[net]\n")
        assert main(["download", "toy", "-o", str(tmp_path)]) == 0
        assert capsys.readouterr().out.startswith(
            f"{tmp_path}/toy.cfg: kept: not the published one (--force replaces it)\n"
        )
        assert (tmp_path / "toy.cfg").read_text() == "[net]\n"

    def test_that_only_the_size_is_known_is_said(self, tmp_path, capsys, monkeypatch):
        (file,) = converter.published.PUBLISHED
        monkeypatch.setattr(converter.published, "PUBLISHED", (replace(file, hashes={}),))
        assert main(["download", "toy", "-o", str(tmp_path)]) == 0
        line = capsys.readouterr().out.splitlines()[-1]
        assert ": downloaded, " in line
        assert "only its size is verified, since no hash of it is published; sha256:" in line
        assert main(["download", "toy", "-o", str(tmp_path), "--json"]) == 0
        facts = json.loads(capsys.readouterr().out)
        assert (facts["status"], facts["checked"], facts["sources"]) == ("already there", "size", 0)

    def test_the_first_layers_are_said_to_be_those(self, tmp_path, capsys, monkeypatch):
        (file,) = converter.published.PUBLISHED
        first = replace(file, file="toy.conv.1", names=None)
        monkeypatch.setattr(converter.published, "PUBLISHED", (first,))
        assert main(["download", "toy", "-o", str(tmp_path)]) == 0
        assert capsys.readouterr().err.endswith("convert it with --partial\n")
        assert sorted(path.name for path in tmp_path.iterdir()) == [
            "toy.conv.1",
            "toy.conv.1.cfg",
        ]

    def test_a_cfg_alone(self, tmp_path, capsys):
        assert main(["download", "--cfg", "toy", "-o", str(tmp_path)]) == 0
        assert capsys.readouterr().out == f"{tmp_path}/toy.cfg: cfg/toy.cfg of pjreddie/darknet\n"

    def test_a_cfg_for_other_classes(self, tmp_path, capsys):
        arguments = ["download", "--cfg", "toy", "--classes", "3", "-o", str(tmp_path)]
        assert main(arguments) == 0
        written = tmp_path / "toy-3-classes.cfg"
        assert capsys.readouterr().out == (
            f"{written}: cfg/toy.cfg of pjreddie/darknet, with 3 classes\n"
        )
        assert main([*arguments, "--json"]) == 0
        assert json.loads(capsys.readouterr().out) == {
            "schema": 1,
            "cfg": "toy",
            "repository": "pjreddie/darknet",
            "path": str(written),
            "classes": 3,
        }
